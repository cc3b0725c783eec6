"""Builds timelines again from the lake, beside live traffic.

Entries have the keys of their events. Those of all surviving events are written again, and those
that no event of the lake explains are deleted. An entry of the last hour may be ahead of the lake:
its event is waited for. If that does not come, and no history has a gap in its place, it was lost
with a region before the lake had it.
"""

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import batched
from typing import Any

from zebros.client.connection import Deployment
from zebros.errors import BadInput
from zebros.operations.histories import Histories
from zebros.operations.rebuild import (
    Progress,
    counting,
    ensure_no_dead_letters,
    read_events,
    temporary_histories,
    wait_for_lake_files,
)
from zebros.operations.rebuilding import Pause, ProjectionFunction, in_order

_RECENT_ENTRIES = timedelta(hours=1)
"""The event of an entry that is so new may not be in the lake yet."""
_AHEAD = timedelta(days=1)
"""No clock is ahead by so much. Sort keys of other items than entries are after every time."""
_KEPT_KEYS = 500
"""Sort keys, and ranges without any, in one invocation."""


def rebuild_timeline(
    deployment: Deployment,
    tenant: str,
    progress: Progress,
    *,
    subject: str | None = None,
    wait_seconds: float,
    pause: Pause = time.sleep,
) -> dict[str, Any]:
    """Write the entries of all events again, and delete those that no event explains.

    Events arrive meanwhile as always. With `subject`, only the entries of this record's events.
    Raises CliError when the lake may not have all events: those of new entries are waited for.
    """
    function = ProjectionFunction(deployment, "timeline", tenant, pause)
    ensure_no_dead_letters(deployment, function.location.function)
    now = datetime.now(UTC)
    horizon, end = (f"{at:%Y-%m-%dT%H:%M:%S}" for at in (now - _RECENT_ENTRIES, now + _AHEAD))
    with temporary_histories(tenant) as histories:
        records = [subject.partition("/")[0]] if subject else list(function.location.records)
        seen: set[str] = set()
        read_events(deployment, tenant, records, histories, seen, progress)
        if subject and not next(histories.of([subject])).surviving:
            raise BadInput(f"The lake of tenant {tenant} has no events about {subject}.")
        total = 1 if subject else histories.count()
        outcome = function.fold(
            histories.of([subject]) if subject else histories,
            write=True,
            progress=counting(progress, "Writing entries", total),
            entries=None if subject else histories.add_entries,
        )
        deleted = 0
        if not subject:
            deleted, found = _compare(function, histories, horizon, end, progress)
            if found:
                wait_for_lake_files(deployment, wait_seconds, progress, pause)
                mark = histories.mark()
                read_events(deployment, tenant, records, histories, seen, progress)
                _write_entries(function, histories, histories.since(mark), progress)
                deleted += _delete(function, _lost(histories, found))
    return {
        "tenant": tenant,
        "records": total,
        "events": outcome.events,
        "positions_replaced": len(outcome.differing),
        "entries_deleted": deleted,
    }


def _write_entries(
    function: ProjectionFunction, histories: Histories, subjects: list[str], progress: Progress
) -> None:
    """Write the entries of subjects again, of which the lake has got more events meanwhile."""
    function.fold(
        histories.of(subjects),
        write=True,
        progress=counting(progress, "Writing entries", len(subjects)),
        entries=histories.add_entries,
    )


def _lost(histories: Histories, found: Sequence[Sequence[str]]) -> list[Sequence[str]]:
    """The keys that no event explains, without those that an event may which the lake lacks.

    An entry's sort key is `<time>#<sequence>#<event id>` (services/activities/repository.py).
    """
    missing = histories.missing()
    return [
        (pk, sk)
        for pk, sk in histories.not_explained(found)
        if int(sk.split("#")[1]) not in missing
    ]


def _delete(function: ProjectionFunction, keys: Sequence[Sequence[str]]) -> int:
    """Delete entries of which the events are not in the lake: they were lost with a region."""
    return sum(
        function.ask(delete=list(some))["deleted"]
        for some in batched(keys, _KEPT_KEYS, strict=False)
    )


def _compare(
    function: ProjectionFunction,
    histories: Histories,
    horizon: str,
    end: str,
    progress: Progress,
) -> tuple[int, list[Sequence[str]]]:
    """Delete the entries before a horizon that no event explains.

    Returns their number, and the keys of other items between the horizon and an end.
    """
    deleted, found = 0, list[Sequence[str]]()

    def compare(ranges: list[dict[str, Any]]) -> dict[str, Any]:
        return function.ask(compare=ranges, horizon=horizon)

    for answer in in_order(compare, _ranges_of(histories, end, progress)):
        deleted += answer["deleted"]
        found += answer["found"]
    return deleted, found


def _ranges_of(
    histories: Histories, end: str, progress: Progress
) -> Iterator[list[dict[str, Any]]]:
    """The ranges of all partitions until a sort key, as many as fit together."""
    total, size = histories.count_partitions(), 0
    ranges: list[dict[str, Any]] = []
    for done, (pk, keys) in enumerate(histories.entries(), 1):
        more = list(_ranges(pk, keys, end))
        ranges += more
        size += sum(1 + len(one["keep"]) for one in more)  # each range is a query
        if done == total or size >= _KEPT_KEYS:
            yield ranges
            ranges, size = [], 0
            progress("Comparing timelines", done, total)


def _ranges(pk: str, keys: list[str], end: str) -> Iterator[dict[str, Any]]:
    """The ranges of a partition until a sort key, each with the sort keys to keep.

    A range begins with the last key of the one before, so that nothing is between them.
    """
    begins: list[str] = []
    for some in batched(keys, _KEPT_KEYS, strict=False):
        last = end if some[-1] == keys[-1] else some[-1]
        first = begins[0] if begins else ""
        yield {"pk": pk, "first": first, "last": last, "keep": [*begins, *some]}
        begins = list(some[-1:])
