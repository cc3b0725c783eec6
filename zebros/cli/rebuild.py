"""`zebros events rebuild`: build a projection, the counters of inboxes or the lake again."""

import time
from collections.abc import Callable
from typing import Annotated, Any, Literal

import typer

from zebros.cli.output import document, out, progress
from zebros.cli.record_options import WAIT_S, Wait
from zebros.client.connection import Connection, Deployment
from zebros.errors import BadInput
from zebros.operations import lake
from zebros.operations.rebuild import (
    Progress,
    rebuild_board,
    rebuild_inbox,
    rebuild_lake,
    rebuild_usage,
    wait_for_lake_files,
)
from zebros.operations.rebuild_references import rebuild_references
from zebros.operations.rebuild_timeline import rebuild_timeline

_WORDS = {
    "records": "records read",
    "events": "events applied",
    "users": "users compared",
    "positions_replaced": "positions replaced",
    "entries_deleted": "entries deleted",
    "counters_changed": "counters changed",
}
"""The figures of a result, as they are printed."""


def rebuild(
    ctx: typer.Context,
    what: Annotated[
        Literal["timeline", "board", "inbox", "references", "usage", "lake"],
        typer.Argument(help="What to build again."),
    ],
    subject: Annotated[
        str | None,
        typer.Option(metavar="TYPE/ID", help="Of a timeline: the entries of one record only."),
    ] = None,
    all_tenants: Annotated[
        bool, typer.Option("--all-tenants", help="Of every tenant in the lake.")
    ] = False,
    wait: Wait = WAIT_S,
) -> None:
    """Build something that follows from events again, beside live traffic.

    **timeline** writes the entries of all events and deletes those without an event. **board**
    pauses the board's consumer, counts all opportunities, and exchanges the counts; until then the
    old board is shown. **inbox** corrects the counters of unread notifications. **references**
    applies the events of all records that others refer to; afterwards ids of records that do not
    exist are refused. **usage** counts what a tenant uses again, as the board. **lake** replays the
    archive of a year into the lake, of all tenants.
    """
    connection: Connection = ctx.obj
    if subject and what != "timeline":
        raise BadInput(f"A {what} is built as a whole.", hint="Leave --subject out.")
    deployment = connection.deployment()
    with progress() as bar:
        task = bar.add_task("Looking at the lake", total=None)

        def show(text: str, done: int, total: int) -> None:
            bar.update(task, description=text, completed=done, total=total or None)

        if what == "lake":
            results = [rebuild_lake(deployment, show)]
        else:
            if what == "timeline":
                wait_for_lake_files(deployment, wait, show, time.sleep)
            build = _builder(what, subject, wait)
            tenants = lake.tenants(deployment) if all_tenants else [connection.realm]
            results = [build(deployment, tenant, show) for tenant in tenants]
    if connection.json:
        document({"rebuilt": what, "results": results})
        return
    for result in results:
        out().print(_line(what, result), soft_wrap=True)


def _builder(
    what: str, subject: str | None, wait: float
) -> Callable[[Deployment, str, Progress], dict[str, Any]]:
    def build(deployment: Deployment, tenant: str, show: Progress) -> dict[str, Any]:
        match what:
            case "timeline":
                return rebuild_timeline(
                    deployment, tenant, show, subject=subject, wait_seconds=wait
                )
            case "board":
                return rebuild_board(deployment, tenant, show, wait_seconds=wait)
            case "usage":
                return rebuild_usage(deployment, tenant, show, wait_seconds=wait)
            case "references":
                return rebuild_references(deployment, tenant, show, wait_seconds=wait)
            case _:
                return rebuild_inbox(deployment, tenant, show)

    return build


def _line(what: str, result: dict[str, Any]) -> str:
    if what == "lake":
        return f"The lake has the archived events of {', '.join(result['tenants']) or 'no tenant'}."
    figures = [f"{result[name]:,} {words}" for name, words in _WORDS.items() if name in result]
    return f"{result['tenant']}: {', '.join(figures)}."
