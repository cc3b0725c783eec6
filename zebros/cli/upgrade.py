"""`zebros upgrade`: bring stored records to the form of this release."""

from dataclasses import asdict
from typing import Annotated

import typer

from zebros.cli.output import document, note, out, progress, table
from zebros.cli.record_options import DryRun, Rate, Tenant, check_tenant
from zebros.client.connection import Connection
from zebros.errors import Stopped
from zebros.operations.scans import UNITS_PER_SECOND
from zebros.operations.upgrade import Counts, Place, upgrade
from zebros.text import count_of


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="upgrade")(upgrade_records)


def upgrade_records(
    ctx: typer.Context,
    tenant: Tenant = None,
    dry_run: DryRun = False,
    check: Annotated[
        bool, typer.Option("--check", help="Read every record, also after a completed upgrade.")
    ] = False,
    rate: Rate = UNITS_PER_SECOND,
) -> None:
    """Bring stored records to the form of this release, while the CRM runs.

    Deploy the release first. Ctrl-C stops it; the next `zebros upgrade` continues. Records that
    cannot be read stay as they are and are listed.
    """
    connection: Connection = ctx.obj
    check_tenant(tenant)
    counts = _upgrade(connection, tenant, dry_run=dry_run, check=check, rate=rate)
    if connection.json:
        document(asdict(counts))
    else:
        _print(counts, dry_run=dry_run)


def _upgrade(
    connection: Connection, tenant: str | None, *, dry_run: bool, check: bool, rate: float
) -> Counts:
    deployment = connection.deployment()
    place = Place.read(connection.home / f"upgrade-{connection.stack or 'local'}.json", tenant)
    if check:
        place.tables.clear()
    elif not dry_run and place.complete():
        note("An earlier upgrade to these forms was completed; `--check` reads every record again.")
    counts = Counts()
    try:
        with progress(counted=False) as bar:
            task = bar.add_task("Upgrading records", total=None)
            for counts in upgrade(
                deployment, place, tenant, dry_run=dry_run, units_per_second=rate
            ):
                bar.update(task, description=f"Upgrading records: {counts.read:,} read")
    except KeyboardInterrupt:
        raise Stopped(
            f"The upgrade is stopped; {count_of(counts.upgraded, 'record', 'records')} upgraded.",
            hint="The next `zebros upgrade` continues.",
        ) from None
    return counts


def _print(counts: Counts, *, dry_run: bool) -> None:
    done = "would be upgraded" if dry_run else "upgraded"
    out().print(
        f"{counts.read:,} read, {counts.upgraded:,} {done}, {len(counts.unreadable):,} unreadable"
    )
    if counts.unreadable:
        rows = [(one["record"], one["reason"]) for one in counts.unreadable]
        table(("record", "reason"), rows)
