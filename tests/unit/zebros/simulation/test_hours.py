"""A day of requests: business hours, time zones, sums, and the same arrivals for a seed."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from zebros.errors import BadInput
from zebros.simulation.hours import HOUR_S, Hours, Zone, load_hours
from zebros.simulation.measurements import GATEWAY, Metric
from zebros.simulation.study import Study
from zebros.simulation.system import Simulation
from zebros.simulation.work import load_work

ROOT = Path(__file__).resolve().parents[4] / "template.yaml"
WORK, HOURS = load_work(), load_hours()
USERS, A_DAY = 100, 300
"""Users, and the requests of each of them (zebros/costs/usage.toml)."""


@cache
def study(seed: int = 1) -> Study:
    return Study(ROOT, "growth", WORK, seed=seed)


@cache
def day(users: int = USERS, zones: Sequence[Zone] = HOURS.zones, seed: int = 1) -> Simulation:
    simulation = study(seed).day(users, replace(HOURS, zones=tuple(zones)))
    simulation.run_day()
    return simulation


def by_hour(simulation: Simulation) -> list[float]:
    assert simulation.measurements is not None
    count = Metric("Count", GATEWAY)
    return [sum(simulation.measurements.values(count, 60 * n, 60 * n + 60)) for n in range(24)]


def test_a_day_has_the_requests_that_every_user_makes() -> None:
    assert sum(by_hour(day())) == pytest.approx(USERS * A_DAY, rel=0.02)
    assert HOURS.busiest_hours * WORK["peak"] == 10


def test_an_hour_has_its_share_and_the_busiest_one_is_that_of_the_other_simulations() -> None:
    busiest = study().simulate(USERS, minutes=60).requests / USERS
    for hour, requests in enumerate(by_hour(day())):
        assert requests / USERS == pytest.approx(busiest * HOURS.local[hour], rel=0.15, abs=0.3)
    assert max(HOURS.share(hour * HOUR_S) for hour in range(24)) == 1


def test_a_zone_has_its_hours_earlier_in_utc_and_zones_together_have_the_same_day() -> None:
    east = day(zones=(Zone(8, 1.0),))
    hours = by_hour(day())
    assert [round(one, -2) for one in by_hour(east)] == pytest.approx(
        [round(one, -2) for one in [*hours[8:], *hours[:8]]], abs=300
    )
    spread = by_hour(day(zones=(Zone(-8, 0.5), Zone(0, 0.25), Zone(5.5, 0.25))))
    assert sum(spread) == pytest.approx(sum(hours), rel=0.02)
    assert max(spread) < 0.7 * max(hours)


def test_a_zone_may_differ_by_a_part_of_an_hour() -> None:
    kolkata = Hours(HOURS.local, (Zone(5.5, 1.0),))
    nine = 3.5 * HOUR_S
    assert (kolkata.share(nine - 1), kolkata.share(nine)) == (HOURS.local[8], 1)
    assert kolkata.until(nine) == 3.75 * HOUR_S
    assert Hours(HOURS.local, (Zone(-5, 1.0),)).share(14 * HOUR_S) == 1
    assert HOURS.share(33 * HOUR_S) == 1, "the next day"


def test_a_seed_has_one_day_and_another_one_a_similar_one() -> None:
    assert by_hour(day.__wrapped__()) == by_hour(day())
    other = by_hour(day(seed=2))
    assert other != by_hour(day())
    assert sum(other) == pytest.approx(sum(by_hour(day())), rel=0.05)


def test_more_users_have_more_requests_in_every_hour_of_work() -> None:
    few, many = by_hour(day()), by_hour(day(2 * USERS))
    assert all(more >= less for less, more in zip(few, many, strict=True))
    assert sum(many) == pytest.approx(2 * sum(few), rel=0.03)


def test_arrivals_do_not_depend_on_what_happens_to_them() -> None:
    small = study().sizes
    functions = {name: replace(one, concurrency=1) for name, one in small.functions.items()}
    refusing = study().day(USERS, HOURS, replace(small, functions=functions))
    assert refusing.run_day().refused
    assert by_hour(refusing) == by_hour(day())


def test_hours_that_are_no_day_are_refused() -> None:
    with pytest.raises(BadInput, match="are 24 of the busiest one together; they must be 5"):
        study().day(USERS, Hours((1.0,) * 24, HOURS.zones))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[hours]\nvalue = [1, 0.5]", "a value of 24 numbers from 0 to 1"),
        ("hours = 3", "a value of 24 numbers from 0 to 1"),
        (f"[hours]\nvalue = {[0.5] * 24}", "the highest of which is 1"),
        (f"[hours]\nvalue = {[-1.0, *[1] * 23]}", "a value of 24 numbers from 0 to 1"),
        ("zones = []", "must be 1 together"),
        ("[[zones]]\noffset = 0\nshare = 0.5", "must be 1 together"),
        ("[[zones]]\noffset = 0.1\nshare = 1", "from -12 to 14, in quarters"),
        ("[[zones]]\noffset = 15\nshare = 1", "from -12 to 14, in quarters"),
        ("[[zones]]\noffset = 1\nshare = 0", "above 0, and at most 1"),
        ("zones = [1]", "the offset of a zone must be a number"),
    ],
)
def test_wrong_hours_are_refused(text: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "work.toml"
    file.write_text(text)
    with pytest.raises(BadInput, match=message):
        load_hours(file)


def test_a_file_may_have_zones_alone(tmp_path: Path) -> None:
    file = tmp_path / "work.toml"
    file.write_text("[[zones]]\noffset = 1\nshare = 0.5\n[[zones]]\noffset = -5\nshare = 0.5\n")
    assert load_hours(file) == Hours(HOURS.local, (Zone(1, 0.5), Zone(-5, 0.5)))
