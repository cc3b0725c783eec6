"""Which phase is advised for how many users."""

from datetime import timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaling.model.forecast import Day
from scaling.model.phases import Urgency, choose, phases, smallest
from tests.unit.scaling.tenants import TODAY
from zebros.phases import PHASES

LAST = TODAY.toordinal()


def steady(users: float, length: int = 60) -> list[Day]:
    return [Day(LAST - ago, users) for ago in range(length)]


def rising(users: float, slope: float, length: int = 60) -> list[Day]:
    return [Day(LAST - ago, users - slope * ago) for ago in range(length)]


def test_the_phases_are_the_strategy_s_in_its_order() -> None:
    assert tuple(phases()) == PHASES
    # "startup (phase 1, <=25 users)"; "growth serves to 250; advice to move begins at 100".
    assert phases()["startup"] == (25, 25)
    assert phases()["growth"] == (250, 101)
    assert phases()["enterprise"] == (None, None)


@pytest.mark.parametrize(
    ("phase", "users", "urgency", "target"),
    [
        ("mvp", 5, Urgency.STAY, "mvp"),
        ("mvp", 6, Urgency.NOW, "startup"),
        ("mvp", 26, Urgency.NOW, "growth"),
        ("startup", 24, Urgency.STAY, "startup"),
        ("startup", 25, Urgency.PLAN, "growth"),
        ("startup", 26, Urgency.NOW, "growth"),
        ("growth", 100, Urgency.STAY, "growth"),
        ("growth", 101, Urgency.PLAN, "enterprise"),
        ("growth", 250, Urgency.PLAN, "enterprise"),
        ("growth", 251, Urgency.NOW, "enterprise"),
        ("enterprise", 100_000, Urgency.STAY, "enterprise"),
        ("enterprise", 96, Urgency.STAY, "enterprise"),
        ("enterprise", 95, Urgency.DOWN, "growth"),
        ("growth", 24, Urgency.STAY, "growth"),
        ("growth", 23, Urgency.DOWN, "startup"),
        ("startup", 5, Urgency.STAY, "startup"),
        ("enterprise", 4, Urgency.DOWN, "mvp"),
        ("mvp", 1, Urgency.STAY, "mvp"),
    ],
)
def test_advice_changes_at_the_strategy_s_boundaries(
    phase: str, users: int, urgency: Urgency, target: str
) -> None:
    found = choose(phase, steady(users), TODAY)
    assert (found.urgency, found.target) == (urgency, target)


@given(st.sampled_from(PHASES), st.integers(0, 2000))
def test_nobody_is_sent_back_from_where_the_advice_has_led(phase: str, users: int) -> None:
    there = choose(phase, steady(users), TODAY).target
    assert choose(there, steady(users), TODAY).target in (there, _after(there))
    assert choose(there, steady(users), TODAY).urgency is not Urgency.DOWN


def _after(phase: str) -> str:
    return PHASES[min(PHASES.index(phase) + 1, len(PHASES) - 1)]


def test_there_is_no_advice_of_less_than_two_weeks() -> None:
    assert choose("mvp", steady(1000, length=13), TODAY).urgency is Urgency.NO_DATA
    assert choose("mvp", steady(1000, length=14), TODAY).urgency is Urgency.NOW


def test_a_move_is_planned_two_months_before_the_limit_may_be_reached() -> None:
    near = choose("growth", rising(90, slope=161 / 59.5), TODAY)  # 251 are reached in 60 days
    assert (near.urgency, near.target) == (Urgency.PLAN, "enterprise")
    assert near.limit is not None
    assert near.limit.earliest == 60
    assert choose("growth", rising(90, slope=161 / 60.5), TODAY).urgency is Urgency.STAY


def test_the_fastest_likely_trend_decides_when_to_plan() -> None:
    noise = Random(8)
    days = [Day(LAST - ago, 90 - 2.4 * ago + noise.gauss(0, 10)) for ago in range(30)]
    found = choose("growth", days, TODAY)
    assert max(days).value < 101, "the number itself is no reason"
    assert found.urgency is Urgency.PLAN
    assert found.limit == (63, 55, 70)


def test_a_smaller_phase_must_have_sufficed_for_four_weeks() -> None:
    def with_peak(ago: int) -> list[Day]:
        peak = LAST - ago
        return [day._replace(value=60) if day.number == peak else day for day in steady(10)]

    assert choose("growth", with_peak(28), TODAY).urgency is Urgency.STAY
    assert choose("growth", with_peak(29), TODAY).urgency is Urgency.DOWN
    assert choose("growth", steady(10, length=28), TODAY).urgency is Urgency.STAY
    assert choose("growth", steady(10, length=29), TODAY).urgency is Urgency.DOWN


def test_a_growing_number_of_users_does_not_move_down() -> None:
    assert choose("growth", rising(20, slope=0.3), TODAY).urgency is Urgency.STAY
    assert choose("growth", rising(20, slope=-0.1), TODAY).urgency is Urgency.DOWN


def test_the_smallest_phase_for_a_number_of_users() -> None:
    found = [smallest(users) for users in (0, 5, 5.5, 25, 26, 250, 251)]
    assert found == ["mvp", "mvp", "startup", "startup", "growth", "growth", "enterprise"]


def test_the_quiet_time_is_of_days_before_today() -> None:
    later = TODAY + timedelta(days=7)
    assert choose("growth", steady(10, length=22), later).urgency is Urgency.DOWN
