"""`zebros phase plan`: what a move to another phase does, before it happens."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zebros.cli.output import document, note, out, table
from zebros.cli.templates import TEMPLATE, Set, Template, parameters, reading
from zebros.client.connection import Connection
from zebros.errors import BadInput, CliError

if TYPE_CHECKING:  # imported late: the templates need packages of a checkout only
    from zebros.cloudformation import System
    from zebros.cloudformation.phases import Cost, Plan
    from zebros.costs import Bill


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
    set_: Set = None,
    change: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="A parameter that the move changes; repeatable."),
    ] = None,
    used: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The capacity in use, as JSON: {resource.metric: n}."),
    ] = None,
    users: Annotated[
        int | None, typer.Option(metavar="N", help="Users, instead of the phase's design load.")
    ] = None,
    template: Template = TEMPLATE,
) -> None:
    """Print what a move to another phase adds, changes, replaces and removes.

    With --change both phases may be the same one. Nothing is deployed. The costs before and after
    are those of the same load. Exit code 1 when the move would lose data.
    """
    given, changed = parameters(set_), parameters(change, "--change")
    with reading(template):
        from zebros.cloudformation.phases import plan

        cost = _cost(from_, given, users)
        move = plan(template, from_, to, given, changed=changed, used=_used(used), cost=cost)
    connection: Connection = ctx.obj
    (document_of if connection.json else print_plan)(move)
    if move.losses:
        names = ", ".join(one.name for one in move.losses)
        raise CliError(f"The move would lose the data of {names}.")


def _cost(phase: str, given: dict[str, str], users: int | None) -> "Cost":
    """Prices a system at the load of a phase, or of a number of users."""

    def cost(system: "System") -> "Bill":
        from zebros.costs import Prices, Usage, monthly
        from zebros.costs.prices import FILE as PRICES
        from zebros.costs.usage import FILE as USAGE

        load = Usage.load(phase, given.get("RegionRole", "primary"), USAGE)
        load = load if users is None else load.with_users(users)
        return monthly(system, load, Prices.load(PRICES))

    return cost


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
            "monthly_cost": {
                "users": int(move.cost[0].users),
                "before": float(move.cost[0].total),
                "after": float(move.cost[1].total),
            }
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
        before, after = move.cost
        note(
            f"Monthly cost with {before.users:.0f} users: {before.total:,.0f} USD before, "
            f"{after.total:,.0f} USD after; `zebros cost` has the parts."
        )
    else:
        note(f"Monthly cost: not computed. {move.no_cost}")
