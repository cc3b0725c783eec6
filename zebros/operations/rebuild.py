"""Builds what follows from events again: a board, usage, the counters of inboxes, the lake.

Timelines and references have modules of their own.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import batched
from pathlib import Path
from typing import Any

from zebros.client.connection import Deployment
from zebros.errors import BadInput, CliError
from zebros.operations import lake, replay
from zebros.operations.histories import Histories, History
from zebros.operations.pausing import find_mapping, paused, uninterrupted
from zebros.operations.rebuilding import (
    EXCHANGE_S,
    Outcome,
    Pause,
    ProjectionFunction,
    invoke,
    read_lake,
)
from zebros.operations.redrive import IN_FLIGHT, VISIBLE, count, dead_letter_queues

type Progress = Callable[[str, int, int], None]
"""Called with what is done, how much of it, and how much there is (0: unknown)."""

_POLL_S = 5.0
_COUNTED_S = 60.0
"""After this time SQS counts a message."""
_WRITTEN_S = 15.0
"""In which the lake's consumer writes a batch that it has received."""
_SETTLED_S = 2.0
"""An index follows its table within a second."""
_USERS = 20
"""Users in one invocation."""
_ARCHIVED = timedelta(days=365)
_LAKE_FUNCTION, _INBOX_FUNCTION = "ReportingLake", "NotificationsEvents"


def rebuild_counters(
    deployment: Deployment,
    tenant: str,
    progress: Progress,
    *,
    projection: str,
    wait_seconds: float,
    pause: Pause = time.sleep,
) -> dict[str, Any]:
    """Count all events again, while the projection's consumer is paused, and exchange the counts.

    The old counts are shown until then. Raises CliError, before anything is changed, when the lake
    lacks events and does not get them within `wait_seconds`.
    """
    function = ProjectionFunction(deployment, projection, tenant, pause)
    name = function.location.function
    ensure_no_dead_letters(deployment, name)
    with temporary_histories(tenant) as histories:
        seen: set[str] = set()

        def read() -> None:
            read_events(
                deployment, tenant, list(function.location.records), histories, seen, progress
            )

        read()  # most of the time, before the consumer is paused
        absent = histories.absent(function.subjects())
        with paused(deployment, name, pause) as state:
            if state.was_stopped:  # by a run that was killed, whose last invocation may still run
                pause(EXCHANGE_S)
            wait_for_lake_files(deployment, wait_seconds, progress, pause)
            read()
            lost = _wait_for_lake(function, histories, absent, read, wait_seconds, progress, pause)
            outcome = function.fold(
                _without_gaps(histories),
                lost=lost,
                write=False,
                progress=counting(progress, "Counting", histories.count()),
            )
            # The new counts belong to the new positions. With counts of the one and positions of
            # the other, the consumer must not continue.
            state.continues = False
            with uninterrupted():
                changed = _exchange(function, histories, outcome, lost, progress)
            state.continues = True
        return {
            "tenant": tenant,
            "records": histories.count(),
            "events": outcome.events,
            "positions_replaced": len(outcome.differing),
            "counters_changed": changed,
        }


rebuild_board = partial(rebuild_counters, projection="board")
"""Count all opportunities again."""
rebuild_usage = partial(rebuild_counters, projection="usage")
"""Count what a tenant uses again, from all its events."""


def _exchange(
    function: ProjectionFunction,
    histories: Histories,
    outcome: Outcome,
    lost: frozenset[str],
    progress: Progress,
) -> int:
    """Write counts, then the positions that differ; returns how many counts changed."""
    partitions = [{"pk": pk, "items": one} for pk, one in outcome.counters.items()]
    try:
        changed = function.exchange(partitions)
        function.fold(
            histories.of(outcome.differing),
            lost=lost,
            write=True,
            progress=counting(progress, "Writing positions", len(outcome.differing)),
        )
    except Exception as error:
        raise CliError(
            f"The events are counted, but the consumer stays stopped: {error}",
            hint="Run the command again: it completes the rebuild and starts the consumer, whose "
            "queue keeps the events.",
        ) from error
    return changed


def wait_for_lake_files(
    deployment: Deployment, wait_seconds: float, progress: Progress, pause: Pause
) -> None:
    """Wait until the lake's consumer has written the events that were published before.

    Under traffic its queue is never empty. What was in it at the beginning is written after the
    batching window, and some seconds for the consumer, if the consumer receives messages at all.
    In AWS the number of messages is approximate, and a minute late.
    """
    client, name = deployment.aws("lambda"), deployment.resources.function(_LAKE_FUNCTION)
    mapping = find_mapping(client, name, _LAKE_FUNCTION)
    window_s = float(mapping.get("MaximumBatchingWindowInSeconds") or 0)
    if deployment.endpoint is None:
        progress("Waiting for the lake", 0, 0)
        pause(_COUNTED_S + window_s)
    began = time.monotonic()
    url = deployment.resources.queue(f"{_LAKE_FUNCTION}Queue")
    received = False
    while waiting := _messages(deployment, url):
        received = received or count(deployment.aws("sqs"), url, IN_FLIGHT) > 0
        if received and time.monotonic() - began >= window_s + _WRITTEN_S:
            return
        if time.monotonic() - began >= wait_seconds:
            raise CliError(
                f"{waiting:,} events are still on their way to the lake. Nothing was changed.",
                hint="The log of ReportingLake shows what it does; --wait SECONDS waits longer.",
            )
        progress("Waiting for the lake", 0, waiting)
        pause(_POLL_S)


def _wait_for_lake(
    function: ProjectionFunction,
    histories: Histories,
    absent: list[str],
    read: Callable[[], None],
    wait_seconds: float,
    progress: Progress,
    pause: Pause,
) -> frozenset[str]:
    """Wait until the lake has every event that the paused projection has applied.

    `absent` are subjects of which the lake had no event at all. Returns the subjects of which the
    projection has applied events that their records do not have: they were lost with a region.
    """
    ends = time.monotonic() + wait_seconds
    behind = [*function.behind(histories), *histories.absent(absent)]
    while lacking := function.lacking(histories.of(behind)):
        if time.monotonic() >= ends:
            raise CliError(
                f"The lake lacks events that the projection has applied, such as of {lacking} "
                f"({len(behind):,} records in all). Nothing was changed.",
                hint="`zebros events rebuild lake` replays the archive into the lake; "
                "--wait SECONDS waits longer for events that are on their way.",
            )
        progress("Waiting for the lake", 0, len(behind))
        pause(_POLL_S)
        read()
        absent = histories.absent(behind)
        known = [one for one in behind if one not in set(absent)]
        behind = [*function.behind(histories.of(known)), *absent]
    return frozenset(behind)


def _without_gaps(histories: Histories) -> Iterator[History]:
    """All histories. Raises CliError for one of which the lake lacks an event."""
    for history in histories:
        if history.has_gap:
            raise CliError(
                f"The lake lacks events of {history.subject}. Nothing was changed.",
                hint="`zebros events rebuild lake` replays the archive into the lake.",
            )
        yield history


def rebuild_inbox(
    deployment: Deployment, tenant: str, progress: Progress, *, pause: Pause = time.sleep
) -> dict[str, Any]:
    """Correct the counters of unread notifications that differ from the notifications.

    The events say who has notifications. A counter is corrected when it has differed twice in the
    same way: a notification in between changes counter and index at different moments.
    """
    with temporary_histories(tenant) as histories:
        read_events(deployment, tenant, ["notification"], histories, set(), progress)
        users = sorted(
            {
                event.envelope["data"]["current"]["owner_id"]
                for history in histories
                for event in history.surviving[:1]
            }
        )

    def compare(some: list[str]) -> dict[str, list[int]]:
        request = {"tenant": tenant, "users": some}
        found = invoke(deployment, _INBOX_FUNCTION, request, pause)["found"]
        return {user: both for user, both in found.items() if both[0] != both[1]}

    corrected = 0
    for number, some in enumerate(batched(users, _USERS, strict=False)):
        progress("Comparing counters", number * _USERS, len(users))
        first = compare(list(some))
        if first:
            pause(_SETTLED_S)
            again = compare(sorted(first))
            both = {user: found for user, found in again.items() if found == first[user]}
            request = {"tenant": tenant, "correct": both}
            corrected += len(invoke(deployment, _INBOX_FUNCTION, request, pause)["corrected"])
    return {"tenant": tenant, "users": len(users), "counters_changed": corrected}


def rebuild_lake(
    deployment: Deployment, progress: Progress, *, pause: Pause = time.sleep
) -> dict[str, Any]:
    """Replay the archive to the lake's consumer, and wait until it has written all events.

    Readers count an event once that is in several files.
    """
    end = datetime.now(UTC)
    name = ""
    for one in replay.replay(deployment, end - _ARCHIVED, end, _LAKE_FUNCTION, pause):
        name = one.name
        progress("Replaying the archive", int(100 * (one.share or 0)), 100)
    url = deployment.resources.queue(f"{_LAKE_FUNCTION}Queue")
    while waiting := _messages(deployment, url):
        progress("Writing files", 0, waiting)
        pause(_POLL_S)
    return {"replay": name, "tenants": lake.tenants(deployment)}


def _messages(deployment: Deployment, url: str) -> int:
    return count(deployment.aws("sqs"), url, VISIBLE, IN_FLIGHT)


def ensure_no_dead_letters(deployment: Deployment, function: str) -> None:
    """Raise BadInput while dead-letter queues may have events that are missing elsewhere."""
    for queue in dead_letter_queues(deployment):
        if queue.depth and queue.name in (_LAKE_FUNCTION, function):
            raise BadInput(
                f"{queue.name} has {queue.depth:,} dead-letter messages.",
                hint=f"First send them again: `zebros events redrive {queue.name}`.",
            )


def read_events(
    deployment: Deployment,
    tenant: str,
    records: list[str],
    histories: Histories,
    seen: set[str],
    progress: Progress,
) -> None:
    def files(number: int, of: int) -> None:
        progress("Reading the lake", number, of)

    read_lake(deployment, tenant, records, histories, seen, files)


def counting(progress: Progress, what: str, total: int) -> Callable[[int], None]:
    """A function that is called with increments."""
    done = 0

    def more(number: int) -> None:
        nonlocal done
        done += number
        progress(what, done, total)

    return more


@contextmanager
def temporary_histories(tenant: str) -> Iterator[Histories]:
    """A database that is deleted at the end."""
    with tempfile.TemporaryDirectory(prefix=f"zebros-rebuild-{tenant}-") as folder:
        histories = Histories(Path(folder) / "events.sqlite")
        try:
            yield histories
        finally:
            histories.close()
