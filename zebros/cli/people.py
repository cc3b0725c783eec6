"""`zebros people`: give everything of a person to another one."""

from typing import Annotated, Any

import typer

from zebros.cli.output import document, note, out, progress
from zebros.client.connection import Connection
from zebros.errors import CliError
from zebros.operations.handing_over import HandedOver, hand_over


def register(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(no_args_is_help=True, help="People: to whom records belong.")
    # With a callback, a group of one command keeps the command's name.
    group.callback()(_group)
    group.command()(reassign)
    app.add_typer(group, name="people")


def _group() -> None:
    """People: to whom records belong."""


def reassign(
    ctx: typer.Context,
    from_id: Annotated[str, typer.Argument(metavar="FROM", help="The person who leaves.")],
    to_id: Annotated[str, typer.Argument(metavar="TO", help="The person who gets everything.")],
    team: Annotated[
        str | None, typer.Option(help="The records' team; default: that of the new owner.")
    ] = None,
) -> None:
    """Give a person's accounts, contacts, open opportunities and open tasks to another one.

    Closed opportunities stay with who closed them. Each record is changed by itself; after an
    interruption, the same command continues. With records that could not be given away it exits
    with 1.
    """
    connection: Connection = ctx.obj
    body: dict[str, Any] = {"from_id": from_id, "to_id": to_id}
    body |= {"team_id": team} if team else {}
    with progress() as bar, connection.client() as client:
        task = bar.add_task("Reassigning", total=None)

        def show(path: str, records: int) -> None:
            bar.update(task, description=f"Reassigning {path[1:]}", completed=records)

        done = hand_over(client, body, show)
    failed = [result for one in done for result in one.failed]
    if connection.json:
        document(
            {
                "reassigned": {one.path[1:]: one.records for one in done},
                "failed": {one.path[1:]: one.failed for one in done if one.failed},
            }
        )
    else:
        _print(done)
    if failed:
        raise CliError(
            f"{len(failed):,} records were not reassigned.",
            hint="The same command tries them again.",
        )


def _print(done: list[HandedOver]) -> None:
    counts = ", ".join(f"{one.records:,} {one.path[1:]}" for one in done)
    out().print(f"Reassigned: {counts}.", soft_wrap=True)
    for one in done:
        for result in one.failed:
            note(f"{one.path}/{result['id']}: {result['problem']['detail']}")
