"""Builds what contexts know of each other's records again (services/kernel/storage/references.py).

Only afterwards ids that are not known are refused. So a projection is complete only when the lake
has the whole history of every record that is stored, and a tenant without records is complete.
"""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from zebros.client.connection import Deployment
from zebros.contract import contract
from zebros.errors import CliError
from zebros.operations import lake
from zebros.operations.histories import Histories, History
from zebros.operations.rebuild import (
    Progress,
    counting,
    ensure_no_dead_letters,
    read_events,
    temporary_histories,
    wait_for_lake_files,
)
from zebros.operations.rebuilding import Pause, ProjectionFunction
from zebros.operations.scans import pages

_LAKE_HINT = "`zebros events rebuild lake` replays the archive into the lake."


def rebuild_references(
    deployment: Deployment,
    tenant: str,
    progress: Progress,
    *,
    wait_seconds: float,
    only: str | None = None,
    pause: Pause = time.sleep,
) -> dict[str, Any]:
    """Apply the events of all records that others refer to, and say that all are known.

    Events arrive meanwhile as always. With `only`, for this projection alone. Raises CliError when
    the lake lacks events: unknown ids are accepted until the next run then.
    """
    names = [only] if only else sorted(_projections())
    result: dict[str, Any] = {"tenant": tenant, "records": 0, "events": 0, "positions_replaced": 0}
    for name in names:
        ensure_no_dead_letters(deployment, contract().projections[name].function)
    wait_for_lake_files(deployment, wait_seconds, progress, pause)
    for name in names:
        function = ProjectionFunction(deployment, name, tenant, pause)
        records = list(contract().projections[name].references)
        with temporary_histories(tenant) as histories:
            read_events(deployment, tenant, records, histories, set(), progress)
            _ensure_in_lake(deployment, tenant, records, histories, pause)
            outcome = function.fold(
                _whole(histories),
                write=True,
                progress=counting(progress, f"Applying events ({name})", histories.count()),
            )
            result["records"] += histories.count()
        function.ask(complete=True)
        result["events"] += outcome.events
        result["positions_replaced"] += len(outcome.differing)
    return result


def begin_references(deployment: Deployment, tenant: str) -> bool:
    """Say that the projections know all records of a tenant that has none; returns whether it has.

    Without this, and without a rebuild, ids that are not known are accepted.
    """
    beginning = datetime(2000, 1, 1, tzinfo=UTC)
    for context in sorted(contract().contexts):
        if any(True for _ in lake.files(deployment, tenant, context, beginning)):
            return False
    for name in sorted(_projections()):
        ProjectionFunction(deployment, name, tenant).ask(complete=True)
    return True


def _projections() -> list[str]:
    """The projections by which contexts know others' records."""
    return [name for name, one in contract().projections.items() if one.references]


def _ensure_in_lake(
    deployment: Deployment, tenant: str, records: list[str], histories: Histories, pause: Pause
) -> None:
    """Raise CliError when a record is stored of which the lake has no event."""
    for record_type in records:
        table = deployment.resources.table(contract().records[record_type].table)
        beginning = f"TENANT#{tenant}#{record_type.upper()}#"
        found = pages(
            deployment,
            table,
            sort_keys=("STATE",),
            attributes="pk",
            beginning=beginning,
            pause=pause,
        )
        for items, _ in found:
            stored = (f"{record_type}/{one['pk']['S'].removeprefix(beginning)}" for one in items)
            if missing := histories.absent(stored):
                raise CliError(
                    f"The lake has no event of {missing[0]}, which is stored. References to "
                    "records that are not known stay accepted.",
                    hint=_LAKE_HINT,
                )


def _whole(histories: Histories) -> Iterator[History]:
    """All histories. Raises CliError for one of which the lake lacks an event."""
    for history in histories:
        if history.has_gap:
            raise CliError(
                f"The lake lacks events of {history.subject}. References to records that are not "
                "known stay accepted.",
                hint=_LAKE_HINT,
            )
        yield history
