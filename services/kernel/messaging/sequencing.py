"""The order of the events of one subject: which can be applied, and which are missing.

Pure functions: no I/O and no clock. Sequences count from 1 without a gap, and within one history of
a subject the times of the ids never decrease (docs/architecture.md, "Histories"). A record whose
table was restored gives the same sequences to new events: they belong to another history. Of two
histories, the one with the later ids survives.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol, Self

from kernel.domain.ids import time_part

RECENT = 8
"""The number of events whose ids a position remembers. An event that arrives after so many later
ones is taken for a duplicate, and its history is not compared."""


class Sequenced(Protocol):
    """Anything with an id and a sequence among the events of its subject."""

    @property
    def id(self) -> str:
        """The event's id, a ULID."""

    @property
    def sequence(self) -> int:
        """The sequence, from 1."""


@dataclass(frozen=True, slots=True)
class Applied:
    """The last events that were applied."""

    sequence: int = 0
    """The sequence of the last one."""
    recent: tuple[str, ...] = ()
    """The ids of the last ones, without a gap in their sequences, the last one at the end. Empty
    for a position that was stored before positions had ids."""

    def id_of(self, sequence: int) -> str | None:
        """The id of the event that was applied as this sequence, while it is remembered."""
        place = sequence - self.sequence - 1
        return self.recent[place] if -len(self.recent) <= place < 0 else None

    def after(self, event: Sequenced) -> Self:
        """The same after one more event, which replaces those of another history."""
        replaced = self.sequence + 1 - event.sequence
        kept = self.recent[: max(0, len(self.recent) - replaced)] if replaced >= 0 else ()
        return type(self)(event.sequence, (*kept, event.id)[-RECENT:])


class Decision(Enum):
    """What to do with an event that arrives."""

    APPLY = "apply"
    """It is the next event."""
    PARK = "park"
    """An earlier event is missing. Store this event until the missing one arrives."""
    SKIP = "skip"
    """It was applied before."""
    DIVERGED = "diverged"
    """It is later than the last event, although its sequence is not: the record's table was
    restored. Apply it: its history survives."""
    OVERTAKEN = "overtaken"
    """It belongs to the surviving history, of which later events were applied in its place, after
    an event of a lost history. Applying it now would go back."""
    SUPERSEDED = "superseded"
    """It belongs to a lost history."""


def decide(applied: Applied, event: Sequenced) -> Decision:
    """What to do with an event after those that were applied."""
    last = applied.recent[-1] if applied.recent else None
    if event.sequence > applied.sequence:
        if last is not None and _before(event.id, last):
            return Decision.SUPERSEDED
        return Decision.APPLY if event.sequence == applied.sequence + 1 else Decision.PARK
    known = applied.id_of(event.sequence)
    if last is None or event.id == known:
        return Decision.SKIP
    if _before(last, event.id) or (known == last and last < event.id):
        return Decision.DIVERGED
    if known is None:
        return Decision.SKIP
    return Decision.SUPERSEDED if event.id < known else Decision.OVERTAKEN


def _before(one: str, other: str) -> bool:
    """Whether an id is of an earlier millisecond; within one, events are of one change."""
    return time_part(one) < time_part(other)


def next_events[E: Sequenced](events: Sequence[E], applied: Applied, limit: int) -> list[E]:
    """The first `limit` events after those applied, without a gap, a duplicate or another history.

    `events` are ordered by sequence, then by id.
    """
    applicable: list[E] = []
    for event in events:
        match decide(applied, event):
            case Decision.APPLY:
                applicable.append(event)
                applied = applied.after(event)
            case Decision.SKIP | Decision.SUPERSEDED:
                continue
            case _:
                break
    return applicable[:limit]


@dataclass(frozen=True, slots=True)
class Gap[E: Sequenced]:
    """A range of missing events: from `first` to the one before `waiting`."""

    first: int
    waiting: E
    """The first event after the gap; it waits for the missing events."""


def gaps[E: Sequenced](position: int, parked: Iterable[E], reported: int) -> Iterator[Gap[E]]:
    """The gaps before parked events, without those that were reported.

    `parked` is ordered by sequence; `reported` is the highest missing sequence reported so far.
    """
    expected = position + 1
    for event in parked:
        if event.sequence > expected and event.sequence - 1 > reported:
            yield Gap(expected, event)
            reported = event.sequence - 1
        expected = max(expected, event.sequence + 1)
