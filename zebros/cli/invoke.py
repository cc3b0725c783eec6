"""`zebros invoke FUNCTION EVENT`: invoke a deployed function."""

import base64
import json
import time
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

import typer
from botocore.exceptions import ClientError

from zebros.cli.json_argument import parse_json
from zebros.cli.output import document, err, note
from zebros.client.connection import Connection, Deployment
from zebros.errors import BadInput, CliError, NotReady

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
    logs: Annotated[bool, typer.Option(help="Print the end of the function's log.")] = True,
) -> None:
    """Invoke a deployed function with an event and print its result.

    When the function fails, its error is printed and the exit code is 1.
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
    except ClientError as error:
        reason = error.response["Error"].get("Message", str(error))
        raise NotReady(f"{function} cannot be invoked: {reason}.") from error
    seconds = time.perf_counter() - started
    if logs and answer.get("LogResult"):
        tail = base64.b64decode(answer["LogResult"]).decode(errors="replace").rstrip()
        for line in tail.splitlines():
            err().print(line, style="dim", markup=False, soft_wrap=True)
    result = _parsed(answer["Payload"].read())
    if answer.get("FunctionError"):
        failure = result if isinstance(result, dict) else {}
        name, message = failure.get("errorType", "error"), failure.get("errorMessage", result)
        raise CliError(f"{function} failed: {name}: {message}.")
    document(result)
    note(f"{function} answered in {seconds * 1000:,.0f} ms.")


def function_name(deployment: Deployment, function: str) -> str:
    """The deployed name of a function. Raises BadInput, with similar ones, when there is none."""
    known = deployment.resources.functions
    if function in known:
        return known[function]
    close = get_close_matches(function, known, n=3, cutoff=0.4)
    raise BadInput(
        f"The stack has no function {function}.",
        hint=f"Did you mean {', '.join(close)}?"
        if close
        else f"It has {', '.join(sorted(known))}.",
    )


def _event(function: str, argument: str | None) -> Any:
    if argument is None:
        sample = _SAMPLES / f"{function}.json"
        if not sample.is_file():
            raise BadInput(f"There is no sample event {sample}.", hint="Pass a file or JSON.")
        argument = str(sample)
    if argument == "-" or argument.lstrip().startswith(("{", "[", "@")):
        return parse_json(argument, "The event")
    return parse_json(f"@{argument}", "The event")


def _parsed(raw: bytes) -> Any:
    try:
        return json.loads(raw or b"null")
    except ValueError:
        return raw.decode(errors="replace")
