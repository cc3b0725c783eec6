"""The order of the events of one subject: which can be applied, and which are missing.

Pure functions: no I/O and no clock. Sequences count from 1 without a gap (docs/architecture.md).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol


class Sequenced(Protocol):
    """Anything with a sequence among the events of its subject."""

    @property
    def sequence(self) -> int:
        """The sequence, from 1."""


class Decision(Enum):
    """What to do with an event that arrives."""

    APPLY = "apply"
    """It is the next event."""
    PARK = "park"
    """An earlier event is missing. Store this event until the missing one arrives."""
    SKIP = "skip"
    """It was applied before."""


def decide(position: int, sequence: int) -> Decision:
    """What to do with an event when `position` is the sequence of the last one applied."""
    if sequence <= position:
        return Decision.SKIP
    return Decision.APPLY if sequence == position + 1 else Decision.PARK


def next_events[E: Sequenced](events: Sequence[E], position: int, limit: int) -> list[E]:
    """The first `limit` events after `position` without a gap or a duplicate.

    `events` are ordered by sequence.
    """
    applicable: list[E] = []
    for event in events:
        match decide(position + len(applicable), event.sequence):
            case Decision.APPLY:
                applicable.append(event)
            case Decision.PARK:
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
