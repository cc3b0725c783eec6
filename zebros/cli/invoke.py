"""`zebros invoke FUNCTION EVENT`: one deployed function, called directly."""

import base64
import json
import time
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

import typer
from botocore.exceptions import ClientError

from zebros.cli.given import json_given
from zebros.cli.output import document, err, note
from zebros.client.connection import Connection, Deployment
from zebros.errors import BadInput, NotReady, Trouble

_SAMPLES = Path("events/requests")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="invoke")(invoke)


def invoke(
    ctx: typer.Context,
    function: Annotated[str, typer.Argument(help="As in the templates: OpportunitiesApi, …")],
    event: Annotated[
        str | None,
        typer.Argument(help="A JSON file, JSON itself, or -; by default the sample event."),
    ] = None,
    logs: Annotated[bool, typer.Option(help="Show the end of the function's log.")] = True,
) -> None:
    """Call one deployed function with an event and print what it answers.

    A function that fails exits with 1 and shows its error.
    """
    connection: Connection = ctx.obj
    payload = _event(function, event)
    deployment = connection.deployment()
    name = function_name(deployment, function)
    started = time.perf_counter()
    try:
        answer = deployment.aws("lambda").invoke(
            FunctionName=name, Payload=json.dumps(payload).encode(), LogType="Tail"
        )
    except ClientError as fault:
        reason = fault.response["Error"].get("Message", str(fault))
        raise NotReady(f"{function} cannot be invoked: {reason}.") from fault
    seconds = time.perf_counter() - started
    if logs and answer.get("LogResult"):
        tail = base64.b64decode(answer["LogResult"]).decode(errors="replace").rstrip()
        for line in tail.splitlines():
            err().print(line, style="dim", markup=False, soft_wrap=True)
    result = _parsed(answer["Payload"].read())
    if answer.get("FunctionError"):
        said = result if isinstance(result, dict) else {}
        kind, message = said.get("errorType", "error"), said.get("errorMessage", result)
        raise Trouble(f"{function} failed: {kind}: {message}.")
    document(result)
    note(f"{function} answered in {seconds * 1000:,.0f} ms.")


def function_name(deployment: Deployment, function: str) -> str:
    """The deployed name of a function of the template. Raises BadInput with the closest ones."""
    known = deployment.resources.functions
    if function in known:
        return known[function]
    meant = get_close_matches(function, known, n=3, cutoff=0.4)
    raise BadInput(
        f"The stack has no function {function}.",
        hint=f"Did you mean {', '.join(meant)}?"
        if meant
        else f"It has {', '.join(sorted(known))}.",
    )


def _event(function: str, given: str | None) -> Any:
    if given is None:
        sample = _SAMPLES / f"{function}.json"
        if not sample.is_file():
            raise BadInput(f"There is no sample event {sample}.", hint="Give a file or JSON.")
        given = str(sample)
    if given == "-" or given.lstrip().startswith(("{", "[", "@")):
        return json_given(given, "The event")
    return json_given(f"@{given}", "The event")


def _parsed(raw: bytes) -> Any:
    try:
        return json.loads(raw or b"null")
    except ValueError:
        return raw.decode(errors="replace")
