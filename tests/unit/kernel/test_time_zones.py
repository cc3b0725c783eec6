"""Time zones: names, the calendar day and business hours, at the edges of days and seasons."""

import calendar
import subprocess
import sys
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from kernel.domain import time_zones
from kernel.domain.time_zone_names import TimeZoneName
from kernel.domain.time_zones import (
    DEFAULT_ZONE,
    in_business_hours,
    is_time_zone,
    known_zone,
    local,
    today,
)
from tests.component.test_budgets import ROOT

ZONES = sorted(name for name in available_timezones() if is_time_zone(name))
zones = st.sampled_from(ZONES)
instants = st.datetimes(datetime(1970, 1, 2), datetime(2099, 12, 30), timezones=st.just(UTC))


@pytest.mark.parametrize(
    ("now", "zone", "day"),
    [
        # Pacific/Kiritimati is 14 hours ahead, the first zone to see a day.
        ("2026-12-31T09:59:59.999", "Pacific/Kiritimati", "2026-12-31"),
        ("2026-12-31T10:00:00", "Pacific/Kiritimati", "2027-01-01"),
        ("2026-12-31T23:59:59", "Etc/UTC", "2026-12-31"),
        # In Los Angeles it is still the month before; 8 hours behind in winter, 7 in summer.
        ("2026-03-01T07:59:59.999", "America/Los_Angeles", "2026-02-28"),
        ("2026-03-01T08:00:00", "America/Los_Angeles", "2026-03-01"),
        ("2026-07-01T06:59:59", "America/Los_Angeles", "2026-06-30"),
        ("2026-07-01T07:00:00", "America/Los_Angeles", "2026-07-01"),
        ("2028-03-01T07:00:00", "America/Los_Angeles", "2028-02-29"),
        # Kathmandu is 5 hours and 45 minutes ahead.
        ("2026-04-30T18:14:59", "Asia/Kathmandu", "2026-04-30"),
        ("2026-04-30T18:15:00", "Asia/Kathmandu", "2026-05-01"),
        # Berlin: summer time from 29 March to 25 October 2026.
        ("2026-03-28T22:59:59", "Europe/Berlin", "2026-03-28"),
        ("2026-03-28T23:00:00", "Europe/Berlin", "2026-03-29"),
        ("2026-03-29T21:59:59", "Europe/Berlin", "2026-03-29"),
        ("2026-03-29T22:00:00", "Europe/Berlin", "2026-03-30"),
        ("2026-10-24T22:00:00", "Europe/Berlin", "2026-10-25"),
        ("2026-10-25T22:59:59", "Europe/Berlin", "2026-10-25"),
        ("2026-10-25T23:00:00", "Europe/Berlin", "2026-10-26"),
    ],
)
def test_today_is_the_day_on_the_tenant_s_clocks(now: str, zone: str, day: str) -> None:
    assert today(datetime.fromisoformat(now).replace(tzinfo=UTC), zone).isoformat() == day


@given(instants, zones)
def test_today_differs_from_that_of_utc_by_at_most_a_day(now: datetime, zone: str) -> None:
    assert abs(today(now, zone) - now.date()) <= timedelta(days=1)


@given(instants, st.timedeltas(timedelta(0), timedelta(days=3)), zones)
def test_a_later_instant_is_on_no_earlier_day(now: datetime, passed: timedelta, zone: str) -> None:
    before, after = local(now, zone), local(now + passed, zone)
    # Where clocks go back at midnight, the evening comes twice.
    back = (before.utcoffset() or timedelta()) > (after.utcoffset() or timedelta())
    assert before.date() <= after.date() or back


@given(instants, zones)
def test_the_day_does_not_depend_on_the_zone_in_which_the_instant_is_given(
    now: datetime, zone: str
) -> None:
    assert today(local(now, "Asia/Kathmandu"), zone) == today(now, zone)
    assert local(now, zone) == now, "the same instant"


def test_nearly_all_zones_of_the_database_are_accepted() -> None:
    assert len(ZONES) > 400
    assert set(available_timezones()) - set(ZONES) <= {"localtime", "Factory", "posixrules"}


@pytest.mark.parametrize(
    "name",
    [
        *("", "utc", "europe/berlin", "Europe", "Europe/", "Europe/Atlantis", "Berlin", "+02:00"),
        *("localtime", "posixrules", "Factory", "posix/Europe/Berlin", "right/Europe/Berlin"),
        *("../../etc/passwd", "/etc/localtime", "Europe/../Europe/Berlin", "Europe/Berlin/"),
        *("zone.tab", "tzdata.zi", "leapseconds", "Europe/Berlin\0", "Europe/Berlin\n", "\ud800"),
        *("Ærø", "A" * 5_000, "A/" * 9 + "A"),
    ],
)
def test_another_name_is_no_zone_and_counts_as_utc(name: str) -> None:
    assert not is_time_zone(name)
    assert known_zone(name) == DEFAULT_ZONE
    midnight = datetime(2026, 1, 1, tzinfo=UTC)
    assert (today(midnight, name), local(midnight, name).utcoffset()) == (
        date(2026, 1, 1),
        timedelta(0),
    )


@pytest.mark.parametrize("value", [None, 1, ["Europe/Berlin"], {}, True])
def test_a_setting_that_is_no_text_counts_as_utc(value: object) -> None:
    assert known_zone(value) == DEFAULT_ZONE


@given(st.text(max_size=80))
def test_no_text_whatever_raises(name: str) -> None:
    assert today(datetime(2026, 1, 1, 12, tzinfo=UTC), known_zone(name)).year in (2025, 2026)


class Asked(BaseModel):
    time_zone: TimeZoneName | None = None


def test_a_zone_in_a_request_is_kept_as_it_is() -> None:
    assert Asked(time_zone="America/Argentina/ComodRivadavia").time_zone is not None
    assert Asked(time_zone=None).time_zone is None


@pytest.mark.parametrize("value", ["Mars/Olympus", "", 2, "CEST", "x" * 5_000])
def test_an_unknown_zone_in_a_request_names_its_field_and_an_example(value: object) -> None:
    with pytest.raises(ValidationError) as rejected:
        Asked(time_zone=value)  # type: ignore[arg-type]
    (error,) = rejected.value.errors()
    assert error["loc"] == ("time_zone",)
    assert "such as Europe/Berlin" in error["msg"]
    assert len(error["msg"]) < 200


def at(day: int, clock: time) -> datetime:
    """A time in Berlin in the first week of June 2026, of which the 1st is a Monday."""
    return datetime.combine(date(2026, 6, day), clock, tzinfo=UTC) - timedelta(hours=2)


@pytest.mark.parametrize("day", range(1, 8))
@pytest.mark.parametrize(
    ("clock", "inside"),
    [
        (time(6, 29, 59), False),
        (time(6, 30), True),
        (time(12, 0), True),
        (time(19, 59, 59), True),
        (time(20, 0), False),
        (time(0, 0), False),
    ],
)
def test_business_hours_are_from_half_past_six_to_eight_on_weekdays(
    day: int, clock: time, inside: bool
) -> None:
    saturday = 6
    assert in_business_hours(at(day, clock), "Europe/Berlin") is (inside and day < saturday)


def test_business_hours_follow_summer_time() -> None:
    # 05:00 UTC is 06:00 in Berlin on Friday, 27 March, and 07:00 on Monday, 30 March 2026.
    friday, monday = (datetime(2026, 3, day, 5, tzinfo=UTC) for day in (27, 30))
    assert not in_business_hours(friday, "Europe/Berlin")
    assert in_business_hours(monday, "Europe/Berlin")


def test_it_is_monday_morning_in_kiritimati_while_it_is_sunday_in_los_angeles() -> None:
    now = datetime(2026, 6, 7, 18, tzinfo=UTC)
    assert calendar.day_name[now.weekday()] == "Sunday"
    assert in_business_hours(now, "Pacific/Kiritimati")
    assert not in_business_hours(now, "America/Los_Angeles")


def test_zones_are_known_without_the_system_s_database() -> None:
    """A function's image may have none: the package tzdata is in the layer."""
    program = "from kernel.domain.time_zones import *; print(is_time_zone('Asia/Kathmandu'))"
    answer = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": str(ROOT / "services"), "PYTHONTZPATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout == "True\n"


def test_functions_and_workers_have_the_same_database() -> None:
    files = ("layers/deps/requirements.txt", "worker/requirements.txt", "requirements/dev.txt")
    pins = [
        line.split(" ")[0]
        for file in files
        for line in (ROOT / file).read_text("utf-8").splitlines()
        if line.startswith("tzdata==")
    ]
    assert len(pins) == len(files)
    assert len(set(pins)) == 1


def test_few_zones_are_kept_in_memory_however_many_are_named() -> None:
    for number in range(1_000):
        assert not is_time_zone(f"Nowhere/Place_{number}")
    assert time_zones._zone.cache_info().currsize <= 128
