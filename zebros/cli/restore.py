"""`zebros restore`: bring the records of a context to the state of an earlier time."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from zebros.cli.output import document, note, out, progress, table
from zebros.cli.record_options import WAIT_S, DryRun, Rate, Tenant, Wait, check_tenant
from zebros.client.connection import Connection, Deployment
from zebros.contract import contract
from zebros.errors import BadInput, CliError, Stopped
from zebros.operations import restored_tables
from zebros.operations.rebuild import Progress
from zebros.operations.restore import Place, Request, Restore, checked_time, place_file
from zebros.operations.restore_projections import rebuild_lost
from zebros.operations.restore_registry import restore_registry
from zebros.operations.scans import UNITS_PER_SECOND
from zebros.operations.tenants import TABLE
from zebros.text import count_of

_REGISTRY = "edge"
"""The context whose table has the registry of tenants, and no records."""
_WORDS = {
    "read": "read",
    "same": "unchanged",
    "restored": "restored",
    "put_back": "put back",
    "archived": "archived, because they were created later",
    "repaired": "with index keys or external ids repaired",
    "left": "left as they are",
    "changed_meanwhile": "changed meanwhile",
}
"""The figures of a result, as they are printed."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="restore")(restore)


def restore(
    ctx: typer.Context,
    context: Annotated[str, typer.Argument(help="The context, such as opportunities.")],
    to: Annotated[
        str, typer.Option(metavar="TIME", help="The time, with its zone: 2026-01-31T09:30:00Z.")
    ],
    tenant: Tenant = None,
    dry_run: DryRun = False,
    keep_new: Annotated[
        bool, typer.Option("--keep-new", help="Leave records that were created later as they are.")
    ] = False,
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep the restored copies of the tables.")
    ] = False,
    from_table: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[TABLE=]NAME",
            help="Read this table, restored from a backup, in place of a new copy of TABLE.",
        ),
    ] = None,
    rate: Rate = UNITS_PER_SECOND,
    wait: Wait = WAIT_S,
) -> None:
    """Bring the records of a context to the state of an earlier time, while the CRM runs.

    DynamoDB copies the context's tables as they were. Records that differ get a new version with
    an event, missing ones are put back, and those created later are archived. Boards, timelines,
    inboxes and reports follow. Ctrl-C stops it; the same command continues.
    """
    connection: Connection = ctx.obj
    check_tenant(tenant)
    at = checked_time(_time(to))
    request = Request(
        context=_context(context),
        at=at,
        tenant=tenant,
        dry_run=dry_run,
        keep_new=keep_new,
        from_tables=_tables(context, from_table or []),
        units_per_second=rate,
        wait_seconds=wait,
    )
    deployment = connection.deployment()
    with progress(counted=False) as bar:
        task = bar.add_task("Restoring", total=None)

        def show(text: str, done: int, total: int) -> None:
            bar.update(task, description=text, completed=done, total=total or None)

        if request.context == _REGISTRY:
            result = _registry(deployment, request, show, keep=keep)
        else:
            result = _records(connection, deployment, request, show, keep=keep)
    result = {
        "context": request.context,
        "to": f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
        **result,
    }
    if connection.json:
        document({**result, "dry_run": dry_run})
    else:
        _print(result, dry_run=dry_run)


def _records(
    connection: Connection, deployment: Deployment, request: Request, show: Progress, *, keep: bool
) -> dict[str, Any]:
    place = Place.read(place_file(connection.home, connection.stack, request), request)
    if place.steps:
        note("The last restore to this time was stopped; it is continued.")
    run = Restore(deployment, request, place, show)
    try:
        with run:
            summary = run.run()
            rebuilt = [] if request.dry_run else _rebuilt(deployment, request, place, show)
    except KeyboardInterrupt:
        changed = count_of(run.summary.changed, "record", "records")
        raise Stopped(
            f"The restore is stopped; {changed} changed.",
            hint="The same command continues it.",
        ) from None
    for name, copy in run.copies.items():
        if not keep and name not in request.from_tables:
            restored_tables.delete(deployment, copy)
    if not request.dry_run:
        place.remove()
    return {**asdict(summary), "run": place.run, "rebuilt": rebuilt, "tables": run.copies}


def _rebuilt(
    deployment: Deployment, request: Request, place: Place, show: Progress
) -> list[dict[str, Any]]:
    try:
        return rebuild_lost(deployment, request, place, show)
    except CliError as error:
        raise CliError(
            f"The records are restored, but not all that follows from them: {error.message}",
            hint=f"{error.hint} Then run the same command again.".lstrip(),
        ) from error


def _registry(
    deployment: Deployment, request: Request, show: Progress, *, keep: bool
) -> dict[str, Any]:
    copy = request.from_tables.get(TABLE)
    given = copy is not None
    if copy is None:
        live = deployment.resources.table(TABLE)
        copy = restored_tables.begin(deployment, live, request.at)
    elif restored_tables.status(deployment, copy) is None:
        raise BadInput(f"There is no table {copy} in this account and region.")
    restored_tables.wait(deployment, copy, lambda: show(f"Waiting for {copy}", 0, 0))
    counts = restore_registry(
        deployment,
        copy,
        tenant=request.tenant,
        dry_run=request.dry_run,
        units_per_second=request.units_per_second,
    )
    if not given and not keep:
        restored_tables.delete(deployment, copy)
    return {**counts, "tables": {TABLE: copy}}


def _context(name: str) -> str:
    known = sorted({*contract().contexts, _REGISTRY})
    if name not in known:
        raise BadInput(f"There is no context {name}.", hint=f"There are: {', '.join(known)}.")
    return name


def _time(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BadInput(f"{text!r} is not a time.", hint="Write 2026-01-31T09:30:00Z.") from None
    if moment.tzinfo is None:
        raise BadInput(
            f"{text} has no time zone.",
            hint="Write 2026-01-31T09:30:00Z for UTC, or 2026-01-31T09:30:00+01:00.",
        )
    return moment


def _tables(context: str, given: list[str]) -> dict[str, str]:
    """The tables to read, by the live table's logical id. Raises BadInput."""
    known = {one.table for one in contract().records.values() if one.context == context}
    if context == _REGISTRY:
        known = {TABLE}
    found: dict[str, str] = {}
    for one in given:
        logical_id, equals, name = one.rpartition("=")
        if not equals and len(known) == 1:
            (logical_id,) = known
        if logical_id not in known:
            raise BadInput(
                f"--from-table {one} does not say in place of which table it is read.",
                hint=f"Write one of: {', '.join(f'{table}={name}' for table in sorted(known))}.",
            )
        found[logical_id] = name
    return found


def _print(result: dict[str, Any], *, dry_run: bool) -> None:
    figures = [
        f"{result[name]:,} {words}"
        for name, words in _WORDS.items()
        if result.get(name) or name == "read"
    ]
    start = "Would be done" if dry_run else f"{result['context']} is as at {result['to']}"
    out().print(f"{start}: {', '.join(figures)}.", soft_wrap=True)
    for one in result.get("rebuilt", ()):
        out().print(f"{one['tenant']}: {one['rebuilt']} is built again.", soft_wrap=True)
    if result.get("failed"):
        rows = [(one["record"], one["reason"]) for one in result["failed"]]
        table(("record that stays as it is", "reason"), rows)
