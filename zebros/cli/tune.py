"""`zebros tune RESULT…`: results of Lambda Power Tuning as memory parameters."""

import json
from pathlib import Path
from typing import Annotated

import typer

from zebros.cli.output import document, note, out
from zebros.client.connection import STACK, Connection
from zebros.errors import BadInput
from zebros.operations.curves import parameter_name, points_of, store
from zebros.operations.tuning import Tuned, overrides, read


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="tune")(tune)


def tune(
    ctx: typer.Context,
    results: Annotated[
        list[str],
        typer.Argument(
            metavar="RESULT...",
            help="JSON files: executions (`aws stepfunctions describe-execution`), or outputs of "
            "the state machine as FUNCTION=FILE.",
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", metavar="FILE", help="A parameter file of CloudFormation to write."
        ),
    ] = None,
    *,
    keep: Annotated[
        bool,
        typer.Option(
            "--store",
            help="Also store the measured durations for the scaling controller of this stack.",
        ),
    ] = False,
) -> None:
    """Turn results of Lambda Power Tuning into memory parameters of the template.

    Nothing is applied: the next `sam deploy` with these parameters applies them. With `--store`,
    the scaling controller raises no function's memory beyond the size from which on its duration
    falls no further.
    """
    connection: Connection = ctx.obj
    tuned = [read(result) for result in results]
    values = overrides(tuned)
    if keep:
        _store(connection, tuned)
    if output is not None:
        _write(output, values)
    for one in tuned:
        note(_sentence(one, values[one.parameter]))
    if connection.json:
        document(values)
    else:
        for name, megabytes in values.items():
            out().print(f"{name}={megabytes}")
    note("Add them to `parameter_overrides` in samconfig.toml; `sam deploy` applies them.")


def _store(connection: Connection, tuned: list[Tuned]) -> None:
    measured = {one.function: points_of(one.result.measurement.visualization) for one in tuned}
    stack = connection.stack or STACK
    names = store(connection.deployment().aws("ssm"), stack, measured)
    note(f"Stored in {parameter_name(stack)}: the durations of {', '.join(names)}.")


def _sentence(tuned: Tuned, megabytes: int) -> str:
    result = tuned.result
    text = (
        f"{tuned.function}: {result.power} MB, {result.duration:,.1f} ms, "
        f"{result.cost * 1_000_000:,.2f} USD per million invocations"
    )
    if megabytes != result.power:
        text += f"; {tuned.parameter} is larger for another function"
    if tuned.applied:
        text += "; autoOptimize has changed the function already, which a deployment takes back"
    measured = result.measurement
    return f"{text}. The measurement cost {measured.execution + measured.functions:.4f} USD."


def _write(file: Path, values: dict[str, int]) -> None:
    parameters = [
        {"ParameterKey": name, "ParameterValue": str(megabytes)}
        for name, megabytes in values.items()
    ]
    try:
        file.write_text(json.dumps(parameters, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise BadInput(f"{file} cannot be written: {error}.") from error
