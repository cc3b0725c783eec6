"""`zebros phase plan`: what a move to another phase does, before it happens."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zebros.cli.output import document, note, out, table
from zebros.client.connection import Connection
from zebros.errors import BadInput, CliError, NotReady

if TYPE_CHECKING:  # imported late: the templates need packages of a checkout only
    from zebros.cloudformation.phases import Cost, Plan

MONTHLY_COST: "Cost | None" = None
"""Computes the monthly cost of a system; without it, a plan has no costs."""


def register(app: typer.Typer) -> None:
    """Add the commands."""
    phase = typer.Typer(no_args_is_help=True, help="Phases of the system: mvp to enterprise.")
    phase.command(name="plan")(plan_move)
    phase.callback()(lambda: None)
    app.add_typer(phase, name="phase")


def plan_move(
    ctx: typer.Context,
    from_: Annotated[str, typer.Option("--from", metavar="PHASE", help="The present phase.")],
    to: Annotated[str, typer.Option(metavar="PHASE", help="The phase to move to.")],
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A parameter of the deployment."),
    ] = None,
    used: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The capacity in use, as JSON: {resource.metric: n}."),
    ] = None,
    root: Annotated[Path, typer.Option(metavar="DIR", help="The checkout.")] = Path(),
) -> None:
    """Print what a move to another phase adds, changes, replaces and removes.

    Nothing is deployed. Exit code 1 when the move would lose data.
    """
    plan = _phases().plan
    move = plan(
        root / "template.yaml", from_, to, _parameters(set_), used=_used(used), cost=MONTHLY_COST
    )
    connection: Connection = ctx.obj
    (document_of if connection.json else print_plan)(move)
    if move.losses:
        names = ", ".join(one.name for one in move.losses)
        raise CliError(f"The move would lose the data of {names}.")


def _phases() -> Any:
    try:
        from zebros.cloudformation import phases
    except ImportError as error:
        raise NotReady(
            f"The templates cannot be read without {error.name}.",
            hint="`make env` in a checkout installs it.",
        ) from error
    return phases


def _parameters(given: list[str] | None) -> dict[str, str]:
    pairs = [one.partition("=") for one in given or []]
    for name, equals, _ in pairs:
        if not equals or not name:
            raise BadInput(f"--set {name} has no value.", hint="Write it as NAME=VALUE.")
    return {name: value for name, _, value in pairs}


def _used(file: Path | None) -> dict[str, float]:
    if file is None:
        return {}
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput(f"{file} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise BadInput(f"{file} is not JSON: {error}.") from error
    if not isinstance(content, dict) or not all(
        isinstance(value, int | float) for value in content.values()
    ):
        raise BadInput(f"{file} must be an object of numbers, such as CustomersApi.Concurr…: 7.")
    return content


def document_of(move: "Plan") -> None:
    """Print a plan as JSON."""
    document(
        {
            "from": move.origin,
            "to": move.target,
            "changes": [
                {
                    "name": one.name,
                    "type": one.type,
                    "stack": one.stack,
                    "effect": one.effect,
                    "properties": list(one.properties),
                    "reason": one.reason,
                    "holds_data": one.holds_data,
                }
                for one in move.changes
            ],
            "limits": move.limits,
            "monthly_cost": dict(zip(("before", "after"), move.cost, strict=True))
            if move.cost
            else None,
        }
    )


def print_plan(move: "Plan") -> None:
    """Print a plan as a table, its limits, and the costs."""
    table(
        ["effect", "resource", "type", "what changes"],
        [
            (one.effect, one.name, one.type, one.reason or ", ".join(one.properties))
            for one in move.changes
        ],
        title=f"From {move.origin} to {move.target}",
    )
    for limit in move.limits:
        out().print(f"Limit: {limit}", soft_wrap=True)
    kept = sum(one.holds_data for one in move.changes)
    note(f"{len(move.changes)} resources are touched, of which {kept} hold data.")
    if move.cost:
        note(f"Monthly cost: {move.cost[0]:,.0f} USD before, {move.cost[1]:,.0f} USD after.")
