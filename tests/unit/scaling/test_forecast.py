"""When a metered value reaches a boundary."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaling.model.forecast import (
    MAX_DAYS,
    MIN_DAYS,
    Arrival,
    Day,
    Trend,
    arrival,
    departure,
    trend,
)


def line(slope: float, days: int = 30, level: float = 100) -> list[Day]:
    return [Day(number, level + slope * number) for number in range(days)]


def test_a_line_is_its_own_trend() -> None:
    assert trend(line(2, days=30)) == Trend(158, 2, 2, 2, 30)


def test_there_is_no_trend_of_less_than_two_weeks() -> None:
    assert trend(line(2, days=MIN_DAYS - 1)) is None
    assert trend(line(2, days=MIN_DAYS)) is not None
    twice = line(2, days=MIN_DAYS - 1)
    assert trend([*twice, *twice]) is None, "a day counts once"


def test_days_before_three_months_do_not_count() -> None:
    old = [Day(number - 200, 10_000) for number in range(50)]
    assert trend([*old, *line(2, days=MAX_DAYS)]) == Trend(278, 2, 2, 2, MAX_DAYS)


def test_a_few_wrong_days_do_not_move_the_trend() -> None:
    days = line(2)
    wrong = [day._replace(value=0) if day.number in {5, 29} else day for day in days]
    found = trend(wrong)
    assert found is not None
    assert (found.slope, found.level) == (2, 158)
    assert found.slowest <= 2 <= found.fastest


def test_the_range_of_the_slope_has_the_true_one_in_eight_of_ten_cases() -> None:
    within = 0
    for seed in range(200):
        noise = Random(seed)
        found = trend([Day(n, 5 * n + noise.gauss(0, 20)) for n in range(40)])
        assert found is not None
        within += found.slowest <= 5 <= found.fastest
    assert 145 <= within <= 180


@pytest.mark.parametrize(
    ("boundary", "days"),
    [(158, (0, 0, 0)), (158.9, (1, 1, 2)), (160, (3, 1, 3)), (10_000, (None, None, None))],
)
def test_a_boundary_is_reached_in_days(boundary: float, days: tuple[int | None, ...]) -> None:
    found = Trend(158, slope=0.99, slowest=0.7, fastest=2.5, days=30)
    assert arrival(found, boundary) == Arrival(*days)


def test_what_does_not_grow_never_arrives() -> None:
    assert arrival(Trend(100, 0, -1, 0.5, 30), 110) == Arrival(None, 21, None)


def test_a_falling_value_leaves_a_boundary_in_days() -> None:
    found = Trend(158, slope=-1, slowest=-2.5, fastest=-0.7, days=30)
    assert departure(found, 100) == Arrival(days=59, earliest=24, latest=83)
    assert departure(found, 160) == Arrival(0, 0, 0)
    assert departure(Trend(158, 0, -0.5, 1, 30), 150) == Arrival(None, 17, None)


@given(st.lists(st.tuples(st.integers(0, 400), st.floats(0, 1e6)), max_size=120))
def test_any_days_have_an_ordered_range(days: list[tuple[int, float]]) -> None:
    found = trend([Day(*day) for day in days])
    if found is not None:
        assert found.slowest <= found.slope <= found.fastest
