"""Sends the histories of a tenant's records to a projection's function, to build it again.

The function computes (services/kernel/messaging/rebuilding.py): this command reads the lake, and
invokes it with as many events as fit into one invocation.
"""

import json
import time
from collections import deque
from collections.abc import Callable, Container, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import batched
from operator import le
from typing import Any

from zebros.client.connection import Deployment
from zebros.contract import ProjectionLocation, contract
from zebros.errors import CliError
from zebros.operations import lake
from zebros.operations.fitting import fitting
from zebros.operations.histories import Histories, History, StoredEvent
from zebros.operations.records import last_event
from zebros.operations.scans import pages

type Pause = Callable[[float], None]
_MAX_EVENTS = 50
"""Events in one invocation: an invocation must end long before its client gives up (25 s)."""
_MAX_BYTES = 2_000_000
"""Bytes of events in one invocation, whose request may have 6 MB."""
_AT_ONCE = 2
"""Invocations at the same time: a consumer has few, and events arrive meanwhile."""
READ_AT_ONCE = 8
"""Files of the lake that are read at the same time."""
_ENDS = 400
"""Positions that one invocation compares."""
_PARTITIONS = 20
"""Partitions of counters in one invocation."""
_COUNTERS = 2_000
"""Counters in one invocation, unless one partition has more."""
EXCHANGE_S = 15.0
"""How long an invocation may replace counters, by the clock of the functions."""
_TRIES = 5
"""Invocations of the same events while others change the same positions."""


@dataclass(slots=True)
class Outcome:
    """What a projection answered for many histories."""

    counters: dict[str, dict[str, dict[str, int]]] = field(default_factory=dict)
    """The right counters by partition and sort key."""
    differing: list[str] = field(default_factory=list)
    """The subjects whose positions differed from their histories."""
    events: int = 0


class ProjectionFunction:
    """A projection's function, invoked with requests about one tenant."""

    def __init__(
        self, deployment: Deployment, projection: str, tenant: str, pause: Pause = time.sleep
    ) -> None:
        self.location: ProjectionLocation = contract().projections[projection]
        self._name = projection
        self._deployment, self._tenant, self._pause = deployment, tenant, pause

    def ask(self, **request: Any) -> dict[str, Any]:
        """One invocation. Raises CliError when it fails."""
        function = self.location.function
        return invoke(self._deployment, function, {"tenant": self._tenant, **request}, self._pause)

    def exchange(self, partitions: Iterable[dict[str, Any]]) -> int:
        """Replace the counters of the paused projection; returns how many changed.

        An invocation that gets no answer is sent again, and the first may still run. Returns or
        raises only when none of them can write any more, so that the projection may continue.
        """
        changed, last = 0, 0.0
        function = self.location.function
        try:
            for some in _by_counters(partitions):
                last = time.monotonic()
                until = self.ask(clock=True)["now"] + EXCHANGE_S
                request = {"tenant": self._tenant, "counters": some, "until": until}
                result, repeated = _invoke(self._deployment, function, request, self._pause)
                changed += int(result["changed"])
                last = last if repeated else 0.0
        finally:
            if last:
                self._pause(max(0.0, last + EXCHANGE_S + 1 - time.monotonic()))
        return changed

    def behind(self, histories: Iterable[History]) -> list[str]:
        """The subjects of which the projection has applied events that the lake does not have."""
        subjects: list[str] = []
        ends = (_end(history) for history in histories)
        for some in batched(ends, _ENDS, strict=False):
            subjects += self.ask(ends=some)["behind"]
        return subjects

    def lacking(self, histories: Iterable[History]) -> str:
        """The first subject of whose record there are events that its history lacks, or ""."""
        for history in histories:
            sequence, event = last_event(self._deployment, self._tenant, history.subject)
            end = history.surviving[-1] if history.surviving else None
            if sequence != (end.sequence if end else 0) or (
                end and event and event["id"] != end.id
            ):
                return history.subject
        return ""

    def subjects(self) -> Iterator[str]:
        """Every subject that has a position, by a Scan of the projection's table."""
        beginning = f"TENANT#{self._tenant}#POSITION#{self._name}#"
        found = pages(
            self._deployment,
            self._deployment.resources.table(self.location.table),
            sort_keys=("POSITION",),
            attributes="pk",
            beginning=beginning,
            pause=self._pause,
        )
        for items, _ in found:
            yield from (item["pk"]["S"].removeprefix(beginning) for item in items)

    def fold(
        self,
        histories: Iterable[History],
        *,
        write: bool,
        progress: Callable[[int], None],
        lost: Container[str] = (),
        entries: Callable[[list[list[str]]], None] | None = None,
    ) -> Outcome:
        """Apply histories; `progress` gets numbers of subjects, `entries` the keys of entries.

        `lost` are subjects of which the projection has applied events that were lost.
        """
        outcome = Outcome()

        def send(batch: list[History]) -> list[tuple[list[History], dict[str, Any]]]:
            return [(batch, answer) for answer in self._send(batch, lost, write=write)]

        for answers in in_order(send, fitting(histories, _extent, (_MAX_EVENTS, _MAX_BYTES))):
            for batch, answer in answers:
                _add(outcome, batch, answer)
                if entries:
                    entries(answer["entries"])
            sent = answers[0][0]
            outcome.events += sum(len(history.surviving) for history in sent)
            progress(len(sent))
        return outcome

    def _send(
        self, batch: list[History], lost: Container[str], *, write: bool
    ) -> Iterator[dict[str, Any]]:
        """Send some histories in one request, or a long one in several."""
        if len(batch) > 1 or all(map(le, _extent(batch[0]), (_MAX_EVENTS, _MAX_BYTES))):
            parts = [
                _part(one, one.surviving, one.lost, last=True) | {"ahead": one.subject in lost}
                for one in batch
            ]
            yield self.ask(subjects=parts, write=write)
            return
        (history,) = batch
        for events in _by_size(history.lost):
            yield self.ask(subjects=[_part(history, [], events, last=False)], write=write)
        before, groups = None, list(_by_size(history.surviving))
        for number, events in enumerate(groups, 1):
            part = _part(history, events, [], last=number == len(groups))
            part |= {"before": before, "ahead": history.subject in lost}
            answer = self.ask(subjects=[part], write=write)
            (before,) = answer["after"]
            yield answer


def invoke(
    deployment: Deployment, function: str, request: dict[str, Any], pause: Pause = time.sleep
) -> dict[str, Any]:
    """Invoke a consumer with a request to rebuild. Raises CliError when it fails."""
    return _invoke(deployment, function, request, pause)[0]


def _invoke(
    deployment: Deployment, function: str, request: dict[str, Any], pause: Pause
) -> tuple[dict[str, Any], bool]:
    """The result, and whether an earlier invocation, of which nothing was heard, may still run."""
    client, name = deployment.aws("lambda"), deployment.resources.function(function)
    payload = json.dumps({"rebuild": request}, ensure_ascii=False).encode()
    result: dict[str, Any] = {}
    repeated = False
    for number in range(_TRIES):
        answer = client.invoke(FunctionName=name, Payload=payload)
        result = json.loads(answer["Payload"].read() or b"null") or {}
        repeated = repeated or _was_repeated(answer)
        if not answer.get("FunctionError"):
            return result, repeated
        if result.get("errorType") != "Busy":
            break
        pause(0.2 * 2**number)
    raise CliError(
        f"{function} failed: {result.get('errorMessage', 'no reason was given')}.",
        hint=f"The log of {name} has the reason. The command can be run again.",
    )


def _was_repeated(answer: dict[str, Any]) -> bool:
    """Whether botocore sent a request more than once."""
    return int(answer["ResponseMetadata"].get("RetryAttempts", 0)) > 0


def read_lake(
    deployment: Deployment,
    tenant: str,
    records: Iterable[str],
    histories: Histories,
    seen: set[str],
    progress: Callable[[int, int], None],
) -> int:
    """Read the lake's files that are not in `seen`, and add them to it; returns their number.

    `progress` gets the number of files read and of all.
    """
    names = list(records)
    contexts = sorted({contract().records[name].context for name in names})
    beginning = datetime(2000, 1, 1, tzinfo=UTC)
    keys = [
        file.key
        for context in contexts
        for file in lake.files(deployment, tenant, context, beginning)
        if file.key not in seen
    ]

    def read(key: str) -> list[dict[str, Any]]:
        return list(lake.read(deployment, key))

    for number, events in enumerate(in_order(read, keys, READ_AT_ONCE), 1):
        histories.add(events, names)
        progress(number, len(keys))
    seen.update(keys)
    return len(keys)


def _add(outcome: Outcome, batch: list[History], answer: dict[str, Any]) -> None:
    for pk, sk, amounts in answer["counters"]:
        sums = outcome.counters.setdefault(pk, {}).setdefault(sk, {})
        for name, amount in amounts.items():
            sums[name] = sums.get(name, 0) + amount
    states = zip(batch, answer["states"], strict=True)
    outcome.differing += [history.subject for history, state in states if state == "differs"]


def _part(
    history: History,
    events: Iterable[StoredEvent],
    lost: Iterable[StoredEvent],
    *,
    last: bool,
) -> dict[str, Any]:
    return {
        "events": [event.envelope for event in events],
        "lost": [event.envelope for event in lost],
        "last": last and not history.has_gap,
        "highest": history.highest,
    }


def _end(history: History) -> dict[str, Any]:
    return {
        "subject": history.subject,
        "sequence": history.surviving[-1].sequence,
        "recent": [event.id for event in history.surviving[-_RECENT:]],
        "highest": history.highest,
    }


_RECENT = 8
"""The number of ids that a position has (services/kernel/messaging/sequencing.py)."""


def _by_counters(partitions: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Partitions that fit into one invocation; one that does not fit is alone."""
    return fitting(partitions, lambda one: (1, len(one["items"])), (_PARTITIONS, _COUNTERS))


def _extent(history: History) -> tuple[int, int]:
    """The number of events of a history, and their bytes."""
    both = (*history.surviving, *history.lost)
    return len(both), sum(event.size for event in both)


def _by_size(events: Iterable[StoredEvent]) -> Iterator[list[StoredEvent]]:
    """The events of one history in parts that fit into one invocation."""
    return fitting(events, lambda event: (1, event.size), (_MAX_EVENTS, _MAX_BYTES))


def in_order[T, R](
    work: Callable[[T], R], things: Iterable[T], at_once: int = _AT_ONCE
) -> Iterator[R]:
    """The results of work on several things at once, in their order, a few things ahead."""
    waiting: deque[Future[R]] = deque()
    with ThreadPoolExecutor(at_once) as several:
        for thing in things:
            waiting.append(several.submit(work, thing))
            if len(waiting) > at_once:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
