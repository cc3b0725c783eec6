"""Moves of writes between two regions, in steps that can be repeated and continued.

A move that was stopped is continued by the same command, on any machine: the fence record has its
state, and every step finds out what is left of it. The runbook has a page for each move.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from ulid import ULID

from zebros.errors import BadInput, CliError
from zebros.regions.completing import COUNTS, complete_all, number_of
from zebros.regions.fences import MOVING, OPEN, Fence, Fences
from zebros.regions.region import Key, Region
from zebros.regions.replication import (
    WriteAtStake,
    bases,
    differences,
    not_arrived,
    own_writes,
    writes_at_stake,
)
from zebros.text import count_of

type Progress = Callable[[str, str], None]
"""Called with the name of a step and what it does or has done."""

WAIT_S = 50.0
"""How long nobody writes: longer than any permit and any request
(services/kernel/runtime/fence.py)."""
WINDOW = timedelta(hours=1)
"""How long before a move the two regions were surely the same."""
PATIENCE_S = 600.0
"""How long a move waits for replication."""
_POLL_S = 2.0
_LEARN_S = 2.0
"""How long a process that was refused may not know that its region writes; it asks once a second.
"""
AT_ONCE = 8
"""Invocations that complete records at the same time."""
_MARK_S = 2.0
"""How often a move stores how far it has completed records."""


@dataclass(slots=True)
class Outcome:
    """What a move has done."""

    fence: Fence
    seconds_without_writes: float | None = None
    """From the beginning to the opening; None when another run of the command began the move."""
    completed: dict[str, int] = field(default_factory=dict)
    failed: list[dict[str, str]] = field(default_factory=list)
    """`record` and `reason` of records that could not be completed."""
    at_stake: list[WriteAtStake] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Options:
    """How a move is done."""

    wait_s: float = WAIT_S
    window: timedelta = WINDOW
    patience_s: float = PATIENCE_S
    at_once: int = AT_ONCE


class MoveRefused(BadInput):
    """Writes do not move now, and nothing was changed."""

    def __init__(self, reason: str | None, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.reason = reason
        """The word for it in the event RegionMoveRefused (services/scaling/events.py); None while
        no region writes, and none can publish it."""


class Moves:
    """Moves writes between the regions of one system."""

    def __init__(
        self,
        fences: Fences,
        regions: Mapping[str, Region],
        operator: str,
        options: Options = Options(),
        progress: Progress = lambda _step, _text: None,
        monotonic: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._fences, self._regions, self._operator = fences, regions, operator
        self._options, self._progress = options, progress
        self._monotonic, self._pause = monotonic, pause

    def move(self, target: str, *, lost: bool, epoch: int | None = None) -> Outcome:
        """Let `target` write; `lost`: without waiting for the region that writes now.

        `epoch` is the one that the operator saw. A move to this region that was stopped is
        continued; when its source was lost meanwhile, with `lost`. Raises BadInput for a move that
        makes no sense now, and changes nothing then; the region that writes publishes an event.
        """
        self._known(target)
        fence = self._fences.read()
        continued = fence.writer == target and not fence.finished
        try:
            self._ensure_possible(fence, target, epoch, continued=continued, lost=lost)
        except MoveRefused as refused:
            self._publish(refused, fence, target, epoch)
            raise
        began = None
        if not continued:
            fence = self._fences.begin(fence, target, self._operator, lost=lost)
            began = self._monotonic()
        elif lost and fence.state == MOVING:
            fence = self._fences.set_lost(fence)
        self._progress("begin", f"epoch {fence.epoch}: no region writes until {target} does")
        outcome = Outcome(fence)
        if fence.state == MOVING:
            self._close(fence)
            outcome.fence = fence = self._fences.open(fence)
            if began is not None:
                outcome.seconds_without_writes = self._monotonic() - began
            self._progress("open", f"{target} writes")
        self._start(fence, outcome)
        return outcome

    def cancel(self) -> Fence:
        """Let the region write again that wrote before a move that has not opened the next one."""
        fence = self._fences.read()
        if fence.state != MOVING:
            raise BadInput(
                f"No move has begun that could be cancelled: {fence.writer} writes.",
                hint="`zebros region failover` moves writes.",
            )
        # First, because a region that does not answer is no good writer.
        self._regions[fence.source].relays.switch(enabled=True)
        return self._fences.cancel(fence)

    def rejoin(self) -> Outcome:
        """Take a region back that was lost: as the one that does not write.

        Its relays stop. When all that it wrote has arrived, or was replaced, the records are made
        complete. What is left are the writes at stake.
        """
        fence = self._fences.read()
        if fence.state != OPEN or not fence.lost:
            raise BadInput(
                "No region was lost: the last move waited for all its writes.",
                hint="`zebros region status` shows which region writes.",
            )
        if not fence.finished:
            raise BadInput(
                "The move that lost the region has steps left.",
                hint=f"Run `zebros region failover --to {fence.writer} --lost` again first.",
            )
        lost, writer = self._regions[fence.source], self._regions[fence.writer]
        lost.relays.switch(enabled=False)
        self._progress("stop", f"the relays of {lost.name} are stopped")
        outcome = Outcome(fence)
        since = self._since(fence)
        written = own_writes(lost, fence.source_epochs, since)
        self._wait(lost, writer, lambda: not_arrived(lost, writer, written))
        records: dict[str, dict[str, int]] = {}
        for (table, pk), events in written.items():
            records.setdefault(table, {})[pk] = min(events) - 1
        self._complete(writer, records, fence, outcome)
        outcome.at_stake = writes_at_stake(lost, writer, fence.source_epochs, since)
        outcome.fence = self._fences.set_rejoined(fence)
        return outcome

    def at_stake(self) -> list[WriteAtStake]:
        """The writes of the last region that wrote which the region that writes now lacks."""
        fence = self._fences.read()
        if not fence.source:
            return []
        lost, writer = self._regions[fence.source], self._regions[fence.writer]
        return writes_at_stake(lost, writer, fence.source_epochs, self._since(fence))

    def _close(self, fence: Fence) -> None:
        """Make sure that the source neither writes any more nor has writes that have not arrived.

        It is not needed for the first, and may not answer.
        """
        if not fence.lost:
            self._regions[fence.source].relays.switch(enabled=False)
            self._progress("stop", f"the relays of {fence.source} are stopped")
        # Also when a move is continued: this machine does not know how long ago it began.
        self._progress("wait", f"{self._options.wait_s:.0f} s, until no permit is valid any more")
        self._pause(self._options.wait_s)
        if not fence.lost:
            source, target = self._regions[fence.source], self._regions[fence.writer]
            since = self._since(fence)
            self._wait(source, target, lambda: differences(source, target, since))

    def _start(self, fence: Fence, outcome: Outcome) -> None:
        """What follows when the next region writes."""
        target = self._regions[fence.writer]
        target.relays.switch(enabled=True)
        self._progress("relay", f"the relays of {target.name} publish")
        if fence.lost:
            self._pause(_LEARN_S)
            listed = bases(target, self._since(fence))
            fence = self._complete(target, listed, fence, outcome, resumed=True)
        outcome.fence = self._fences.set_finished(fence)

    def _complete(
        self,
        writer: Region,
        listed: dict[str, dict[str, int]],
        fence: Fence,
        outcome: Outcome,
        *,
        resumed: bool = False,
    ) -> Fence:
        """Bring records together of which only a part has arrived; returns the fence as stored.

        `resumed`: a command that was stopped continues after the last record before the first one
        that failed.
        """
        after = fence.completed_to if resumed else ""
        total, done, marked = number_of(listed, after), 0, self._monotonic()
        counts = dict.fromkeys(COUNTS, 0)
        for part in complete_all(
            writer.complete, listed, fence.run, after=after, at_once=self._options.at_once
        ):
            counts = {name: counts[name] + part.counts[name] for name in COUNTS}
            outcome.failed += part.failed
            done += part.records
            self._progress("complete", f"{done:,} of {total:,} records")
            if resumed and not outcome.failed and self._monotonic() - marked >= _MARK_S:
                fence = self._fences.set_completed(fence, part.place)
                marked = self._monotonic()
        outcome.completed = counts
        self._progress("complete", f"{counts['read']:,} records are complete")
        return fence

    def _wait(self, source: Region, target: Region, missing_now: Callable[[], list[Key]]) -> None:
        """Wait until the target has everything that the source has written."""
        began = self._monotonic()
        while missing := missing_now():
            table, pk, sk = missing[0]
            text = (
                f"{count_of(len(missing), 'item', 'items')} of {source.name} not in "
                f"{target.name} yet, such as {pk} {sk} of {table}"
            )
            self._progress("replicate", text)
            if self._monotonic() - began > self._options.patience_s:
                raise CliError(
                    f"{text}.",
                    hint="The same command continues to wait; `zebros region cancel` lets "
                    "the region that wrote before write again, if the other has not written yet.",
                )
            self._pause(_POLL_S)
        self._progress("replicate", f"{target.name} has everything that {source.name} wrote")

    def _since(self, fence: Fence) -> datetime:
        return datetime.fromisoformat(fence.began_at).astimezone(UTC) - self._options.window

    def _known(self, name: str) -> None:
        if name not in self._regions:
            raise BadInput(
                f"There is no region {name} in this system.",
                hint=f"There are {' and '.join(sorted(self._regions))}.",
            )

    def _publish(self, refused: MoveRefused, fence: Fence, target: str, epoch: int | None) -> None:
        """Let the region that writes publish an event of a refusal; a warning when it cannot."""
        move = {
            "operator": self._operator,
            "target": target,
            "writer": fence.writer,
            "epoch": epoch,
            "current_epoch": fence.epoch,
            "reason": refused.reason,
            "because": refused.message,
        }
        try:
            if fence.state == MOVING:
                raise CliError("no region writes at the moment")
            self._known(fence.writer)
            self._regions[fence.writer].refuse(str(ULID()), move)
        except (BotoCoreError, ClientError, CliError, OSError) as error:
            self._progress("event", f"warning: none is published of the refusal: {error}")
        else:
            self._progress("event", f"{fence.writer} publishes RegionMoveRefused")

    def _ensure_possible(
        self, fence: Fence, target: str, epoch: int | None, *, continued: bool, lost: bool
    ) -> None:
        """Raise MoveRefused unless writes can move to `target` now."""
        if epoch is not None and epoch != fence.epoch:
            past = "from the past" if epoch < fence.epoch else "not known"
            raise MoveRefused(
                "past_epoch" if epoch < fence.epoch else "unknown_epoch",
                f"The fence epoch {epoch} is {past}: it is {fence.epoch}.",
                hint="`zebros region status` shows what has happened since.",
            )
        if fence.state == MOVING and fence.writer != target:
            raise MoveRefused(
                None,
                f"Writes are moving to {fence.writer} already"
                f"{f', by {fence.operator}' if fence.operator else ''}.",
                hint="`zebros region cancel` stops that move.",
            )
        if continued and fence.lost and not lost:
            raise MoveRefused(
                "lost_region",
                f"The move to {target} does not wait for {fence.source}, which was lost.",
                hint=f"Continue it: `zebros region failover --to {target} --lost`.",
            )
        if not continued and fence.writer == target:
            raise MoveRefused("writes_already", f"{target} is the region that writes already.")
        if not continued and not fence.finished:
            raise MoveRefused(
                "steps_left",
                f"The move to {fence.writer} has steps left.",
                hint=f"Run it again first: `zebros region failover --to {fence.writer}`.",
            )
        if not continued and fence.lost:
            raise MoveRefused(
                "lost_region",
                f"{target} was lost, and may lack writes of {fence.writer}.",
                hint="`zebros region rejoin` takes it back first.",
            )


def status(fences: Fences, regions: Mapping[str, Region]) -> dict[str, Any]:
    """Which region writes, and how far the last move is."""
    fence = fences.read()
    return {
        "epoch": fence.epoch,
        "state": fence.state,
        "writer": fence.writer,
        "source": fence.source,
        "began_at": fence.began_at,
        "operator": fence.operator,
        "lost": fence.lost,
        "finished": fence.finished,
        "relays": {name: _relays(region) for name, region in sorted(regions.items())},
    }


def _relays(region: Region) -> int | None:
    """How many relays of a region run; None when it does not answer."""
    try:
        return region.relays.running()
    except (BotoCoreError, ClientError):
        return None
