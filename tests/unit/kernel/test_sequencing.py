"""The order of events of one subject, without a table or a queue."""

import itertools
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.messaging.sequencing import RECENT, Applied, Decision, Gap, decide, gaps, next_events


@dataclass(frozen=True)
class Event:
    """The part of an event that ordering needs."""

    sequence: int
    id: str = ""


def ulid(millisecond: int, number: int = 0) -> str:
    """An id of a millisecond; `number` is its random part."""
    return f"{millisecond:010d}{number:016d}"


def at(sequence: int, millisecond: int, number: int = 0) -> Event:
    return Event(sequence, ulid(millisecond, number))


def events(*sequences: int) -> list[Event]:
    """Events of one history: each is a millisecond after the one before."""
    return [at(one, one) for one in sequences]


def applied(sequence: int) -> Applied:
    """The position after the first events of that history."""
    position = Applied()
    for event in events(*range(1, sequence + 1)):
        position = position.after(event)
    return position


@given(st.integers(0, 50), st.integers(1, 60))
def test_an_event_is_skipped_applied_or_parked(position: int, sequence: int) -> None:
    expected = {-1: Decision.SKIP, 0: Decision.APPLY, 1: Decision.PARK}
    distance = sequence - (position + 1)
    outcome = expected[(distance > 0) - (distance < 0)]
    assert decide(applied(position), *events(sequence)) is outcome
    assert decide(Applied(position), *events(sequence)) is outcome, "stored without ids"


# The position: events 1 to 10, in milliseconds 10, 20, ... 100.
TEN = Applied(10, tuple(ulid(10 * number, 5) for number in range(3, 11)))


@pytest.mark.parametrize(
    ("event", "outcome"),
    [
        (at(11, 110), Decision.APPLY),
        (at(11, 100, 6), Decision.APPLY),  # two events of one change
        (at(11, 100, 4), Decision.APPLY),  # from before their ids increased
        (at(12, 110), Decision.PARK),
        (at(11, 99), Decision.SUPERSEDED),
        (at(30, 99), Decision.SUPERSEDED),
        (at(10, 100, 5), Decision.SKIP),
        (at(10, 101), Decision.DIVERGED),
        (at(10, 100, 6), Decision.DIVERGED),
        (at(10, 100, 4), Decision.SUPERSEDED),
        (at(10, 99), Decision.SUPERSEDED),
        (at(9, 101), Decision.DIVERGED),
        (at(1, 101), Decision.DIVERGED),
        (at(9, 90, 5), Decision.SKIP),
        (at(9, 100), Decision.OVERTAKEN),
        (at(9, 91), Decision.OVERTAKEN),
        (at(9, 89), Decision.SUPERSEDED),
        (at(3, 30, 5), Decision.SKIP),
        (at(3, 31), Decision.OVERTAKEN),
        (at(2, 20), Decision.SKIP),
        (at(2, 21), Decision.SKIP),  # its id is not remembered
        (at(2, 100, 9), Decision.SKIP),
    ],
)
def test_an_event_of_another_history_is_told_apart(event: Event, outcome: Decision) -> None:
    assert decide(TEN, event) is outcome


def test_a_position_remembers_the_last_ids_of_one_history() -> None:
    assert len(TEN.recent) == RECENT
    assert applied(20).recent == tuple(ulid(number) for number in range(13, 21))
    assert [applied(20).id_of(n) for n in (12, 13, 20, 21)] == [None, ulid(13), ulid(20), None]
    assert TEN.after(at(11, 110)) == Applied(11, (*TEN.recent[1:], ulid(110)))
    assert TEN.after(at(10, 110)) == Applied(10, (*TEN.recent[:-1], ulid(110)))
    assert TEN.after(at(8, 110)) == Applied(8, (*TEN.recent[:5], ulid(110)))
    assert TEN.after(at(1, 110)) == Applied(1, (ulid(110),))
    assert TEN.after(at(12, 110)) == Applied(12, (ulid(110),)), "a gap"


def simulated(deliveries: list[Event]) -> tuple[Applied, list[Event], dict[int, Event]]:
    """A projection in memory, which checks its parked events after every event.

    Returns its position, the events in the order in which they were applied, and the parked ones.
    """
    position, done, parked = Applied(), list[Event](), dict[int, Event]()
    for event in deliveries:
        waiting = [event]
        while waiting:
            now = waiting.pop(0)
            match decide(position, now):
                case Decision.APPLY | Decision.DIVERGED:
                    position = position.after(now)
                    done.append(now)
                    parked.pop(now.sequence, None)
                case Decision.PARK:
                    before = parked.get(now.sequence, now)
                    parked[now.sequence] = max(before, now, key=lambda one: one.id)
                    continue
                case _:
                    if parked.get(now.sequence) == now:
                        del parked[now.sequence]
            waiting = [parked[n] for n in sorted(parked) if _settled(position, parked[n])][:1]
    return position, done, parked


def _settled(position: Applied, event: Event) -> bool:
    return decide(position, event) is not Decision.PARK


@given(st.lists(st.integers(1, 12), max_size=30))
def test_any_delivery_applies_each_event_once_and_in_order(deliveries: list[int]) -> None:
    position, done, parked = simulated(events(*deliveries))
    assert [event.sequence for event in done] == list(range(1, position.sequence + 1))
    assert position.sequence + 1 not in set(deliveries), "what could be applied was applied"
    assert all(waiting > position.sequence + 1 for waiting in parked)


@st.composite
def restored(draw: st.DrawFn) -> tuple[list[Event], Event]:
    """The events of a record whose table was restored once or twice; and the last that survives."""
    found, sequence, millisecond = set[Event](), 0, 0
    for _ in range(draw(st.integers(1, 3))):
        sequence = draw(st.integers(0, sequence))
        for _ in range(draw(st.integers(1, 12))):
            sequence, millisecond = sequence + 1, millisecond + draw(st.integers(1, 3))
            last = at(sequence, millisecond)
            found.add(last)
    return sorted(found, key=lambda one: one.id), last


@given(st.data())
def test_any_delivery_of_several_histories_ends_with_the_last_event_that_survives(
    data: st.DataObject,
) -> None:
    found, last = data.draw(restored())
    again = data.draw(st.lists(st.sampled_from(found), max_size=10))
    deliveries = data.draw(st.permutations([*found, *again]))
    position, done, parked = simulated(deliveries)
    assert (position.sequence, position.recent[-1]) == (last.sequence, last.id)
    assert done[-1] == last
    assert parked == {}, "nothing of a lost history waits"
    ids = [event.id for event in done]
    assert ids == sorted(set(ids)), "never back to an earlier event"
    # A replay of everything changes nothing.
    again = data.draw(st.permutations(found))
    assert {decide(position, event) for event in again} <= {
        Decision.SKIP,
        Decision.SUPERSEDED,
        Decision.OVERTAKEN,
    }


@given(st.integers(0, 10), st.lists(st.integers(1, 20), max_size=25), st.integers(1, 8))
def test_the_next_events_follow_without_a_gap_each_once(
    position: int, sequences: list[int], limit: int
) -> None:
    following = next_events(events(*sorted(sequences)), applied(position), limit)
    found = [event.sequence for event in following]
    assert found == list(range(position + 1, position + 1 + len(found)))
    assert len(found) <= limit
    if len(found) < limit:
        assert position + len(found) + 1 not in sequences


def test_the_next_events_are_of_one_history() -> None:
    """What comes after an event of another history is decided one by one."""
    lost, surviving = events(4, 5, 6), [at(4, 104), at(5, 105), at(6, 106)]
    both = [one for pair in zip(lost, surviving, strict=True) for one in pair]
    assert next_events(both, applied(3), 9) == lost[:1]
    position = applied(4).after(surviving[0])
    assert next_events(both, position, 9) == surviving[1:], "the lost ones are left out"


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
    three, four, seven = events(3, 4, 7)
    for reported, expected in itertools.chain(
        [(0, [Gap(2, three), Gap(5, seven)]), (2, [Gap(5, seven)]), (6, [])]
    ):
        assert list(gaps(1, [three, four, seven], reported)) == expected
    assert list(gaps(0, list[Event](), 0)) == []
