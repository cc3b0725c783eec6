"""Whether a change is kept."""

from datetime import timedelta
from typing import Any

import pytest

from scaling.model.readings import Action, ActionState, Situation
from scaling.model.verification import Outcome, Verdict, verify
from tests.unit.scaling.situations import CAPACITY, GROWTH, MEMORY, NOW, SETTLE, action, situation

MINUTE = timedelta(minutes=1)
RAISED = action(state=ActionState.APPLIED, ago=SETTLE, reading=250)
LOWERED = action(before=384, after=256, state=ActionState.APPLIED, ago=SETTLE, reading=90)


def verified(given: Situation, change: Action = RAISED) -> Verdict:
    return verify(GROWTH, change, given, NOW)


def latency(*values: float | None, **more: Any) -> Situation:
    return situation("api_latency", MEMORY, *values, value=384, deployed=256, **more)


def test_nothing_is_judged_before_it_has_settled() -> None:
    early = RAISED._replace(at=NOW - SETTLE + MINUTE)
    assert verified(latency(100, 100, 100), early).outcome is Outcome.WAIT


@pytest.mark.parametrize(("after", "outcome"), [(225, Outcome.KEEP), (225.1, Outcome.ROLL_BACK)])
def test_more_memory_must_shorten_the_latency_by_a_tenth(after: float, outcome: Outcome) -> None:
    found = verified(latency(after, after, after))
    assert (found.outcome, found.brought_nothing) == (outcome, outcome is Outcome.ROLL_BACK)


def test_memory_for_a_full_function_is_kept_whatever_its_latency() -> None:
    full = RAISED._replace(rule="function_memory", reading=80)
    given = situation("function_memory", MEMORY, 80, 80, 80, value=384)
    assert verified(given, full).outcome is Outcome.KEEP


@pytest.mark.parametrize("change", [RAISED, LOWERED])
def test_what_fails_more_often_since_is_rolled_back(change: Action) -> None:
    found = verified(latency(100, 100, 100, failing=frozenset({"CustomersApi"})), change)
    assert found.outcome is Outcome.ROLL_BACK
    assert found.brought_nothing is change.raises
    other = latency(100, 100, 100, failing=frozenset({"ReportingApi"}))
    assert verified(other, change).outcome is Outcome.KEEP


@pytest.mark.parametrize(("after", "outcome"), [(200, Outcome.KEEP), (201, Outcome.ROLL_BACK)])
def test_a_smaller_setting_is_kept_while_readings_are_not_too_high(
    after: float, outcome: Outcome
) -> None:
    assert verified(latency(after, after, after), LOWERED).outcome is outcome


def test_load_is_compared_with_what_the_smaller_setting_serves() -> None:
    # 150 units serve 75 users.
    lowered = action(CAPACITY, "users", 225, 150, ActionState.APPLIED, SETTLE)
    for users, outcome in ((75, Outcome.KEEP), (76, Outcome.ROLL_BACK)):
        given = situation("users", CAPACITY, *[users] * 3, value=150, deployed=100)
        assert verified(given, lowered).outcome is outcome


@pytest.mark.parametrize(
    ("change", "outcome"), [(RAISED, Outcome.KEEP), (LOWERED, Outcome.ROLL_BACK)]
)
def test_without_readings_the_larger_setting_stays(change: Action, outcome: Outcome) -> None:
    waiting = change._replace(at=NOW - 3 * SETTLE + MINUTE)
    assert verified(latency(100, None, 100), waiting).outcome is Outcome.WAIT
    late = change._replace(at=NOW - 3 * SETTLE)
    assert verified(latency(100, None, 100), late).outcome is outcome
    assert not verified(latency(), late).brought_nothing


def test_a_change_of_a_rule_that_was_removed_is_kept() -> None:
    assert verified(latency(900, 900, 900), RAISED._replace(rule="old")).outcome is Outcome.KEEP
