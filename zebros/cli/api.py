"""`zebros api METHOD PATH [BODY]`: send any request to the API."""

import sys
from typing import Annotated

import typer

from zebros.cli.json_argument import parse_json
from zebros.cli.output import document, err
from zebros.client.connection import Connection
from zebros.errors import BadInput

_METHODS = ("GET", "POST", "PATCH", "PUT", "DELETE", "HEAD", "OPTIONS")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="api")(api)


def api(
    ctx: typer.Context,
    method: Annotated[str, typer.Argument(help="GET, POST, PATCH, …")],
    path: Annotated[str, typer.Argument(help="Such as /accounts?limit=5, without host and /v1.")],
    body: Annotated[
        str | None, typer.Argument(help="JSON, or @FILE, or - for standard input.")
    ] = None,
    if_match: Annotated[
        str | None,
        typer.Option(help="The expected version: 3, '\"3\"' or '*' for any."),
    ] = None,
    key: Annotated[
        str | None, typer.Option(help="The Idempotency-Key of a POST; a new one by default.")
    ] = None,
    headers: Annotated[
        bool, typer.Option("-i", "--include", help="Print status and headers to stderr.")
    ] = False,
) -> None:
    """Send one request and print the response; a 4xx or 5xx status exits with 1.

    zebros api GET '/accounts?name_prefix=Mer'

    zebros api POST /opportunities/01J…/won '{}' --if-match '*'
    """
    verb = method.upper()
    if verb not in _METHODS:
        raise BadInput(f"{method} is not an HTTP method.", hint=f"One of {', '.join(_METHODS)}.")
    connection: Connection = ctx.obj
    sent = {"If-Match": _etag(if_match)} if if_match else {}
    with connection.client() as client:
        answer = client.request(
            verb,
            path,
            body=parse_json(body, "The body") if body is not None else None,
            headers=sent,
            key=key,
        )
    if headers:
        console = err()
        console.print(f"HTTP {answer.status}", style="bold", markup=False)
        for name in ("ETag", "Location", "X-Correlation-Id", "Idempotency-Replayed"):
            if name in answer.headers:
                console.print(f"{name}: {answer.headers[name]}", markup=False)
    if isinstance(answer.body, str):
        sys.stdout.write(answer.body)
    elif answer.body is not None:
        document(answer.body)


def _etag(version: str) -> str:
    return f'"{version}"' if version.isdigit() else version
