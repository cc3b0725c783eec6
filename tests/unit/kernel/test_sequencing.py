"""The order of events of one subject, without a table or a queue."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from kernel.messaging.sequencing import Decision, Gap, decide, gaps, next_events


@dataclass(frozen=True)
class Event:
    """The part of an event that ordering needs."""

    sequence: int


def events(*sequences: int) -> list[Event]:
    return [Event(one) for one in sequences]


@given(st.integers(0, 50), st.integers(1, 60))
def test_an_event_is_skipped_applied_or_parked(position: int, sequence: int) -> None:
    expected = {-1: Decision.SKIP, 0: Decision.APPLY, 1: Decision.PARK}
    distance = sequence - (position + 1)
    assert decide(position, sequence) is expected[(distance > 0) - (distance < 0)]


@given(st.lists(st.integers(1, 12), max_size=30))
def test_any_delivery_applies_each_event_once_and_in_order(deliveries: list[int]) -> None:
    """Simulates a projection in memory, which checks its parked events after every event."""
    position, applied, parked = 0, list[int](), set[int]()
    for sequence in deliveries:
        match decide(position, sequence):
            case Decision.APPLY:
                position = sequence
                applied.append(sequence)
            case Decision.PARK:
                parked.add(sequence)
        while position + 1 in parked:
            position += 1
            parked.remove(position)
            applied.append(position)
    assert applied == list(range(1, position + 1))
    assert position + 1 not in set(deliveries), "every event that could be applied was applied"
    assert all(waiting > position + 1 for waiting in parked)


@given(st.integers(0, 10), st.lists(st.integers(1, 20), max_size=25), st.integers(1, 8))
def test_the_next_events_follow_without_a_gap_each_once(
    position: int, sequences: list[int], limit: int
) -> None:
    found = [event.sequence for event in next_events(events(*sorted(sequences)), position, limit)]
    assert found == list(range(position + 1, position + 1 + len(found)))
    assert len(found) <= limit
    if len(found) < limit:
        assert position + len(found) + 1 not in sequences


@given(st.integers(0, 10), st.sets(st.integers(2, 30)), st.integers(0, 30))
def test_every_gap_before_a_parked_event_is_reported_once(
    position: int, parked: set[int], reported: int
) -> None:
    waiting = sorted(one for one in parked if one > position)
    found = list(gaps(position, events(*waiting), reported))
    missing = set(range(position + 1, max(waiting, default=position))) - set(waiting)
    covered = [n for gap in found for n in range(gap.first, gap.waiting.sequence)]
    assert len(covered) == len(set(covered)), "no number is reported twice"
    assert set(covered) <= missing
    # Everything missing above the highest number reported before is reported now.
    assert {number for number in missing if number > reported} <= set(covered)


def test_a_gap_names_the_event_that_waits() -> None:
    assert list(gaps(1, events(3, 4, 7), 0)) == [Gap(2, Event(3)), Gap(5, Event(7))]
    assert list(gaps(1, events(3, 4, 7), 2)) == [Gap(5, Event(7))]
    assert list(gaps(1, events(3, 4, 7), 6)) == []
    assert list(gaps(0, [], 0)) == []
