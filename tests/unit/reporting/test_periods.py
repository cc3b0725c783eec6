"""Periods named relative to today."""

from datetime import UTC, date, datetime, timedelta
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from reporting.parameters import ReportParameters, ReportRequest
from reporting.periods import PeriodName, days_of

NAMES: tuple[PeriodName, ...] = get_args(PeriodName)
UNITS = ("week", "month", "quarter", "year")
DAY = timedelta(days=1)
days = st.dates(date(1970, 1, 1), date(2199, 12, 31))


def request(**fields: Any) -> ReportRequest:
    return ReportRequest.model_validate({"report": "win_rate", **fields})


@pytest.mark.parametrize(
    ("period", "first", "last"),
    [
        ("today", "2028-02-29", "2028-02-29"),
        ("yesterday", "2028-02-28", "2028-02-28"),
        ("this_week", "2028-02-28", "2028-03-05"),
        ("last_week", "2028-02-21", "2028-02-27"),
        ("this_month", "2028-02-01", "2028-02-29"),
        ("last_month", "2028-01-01", "2028-01-31"),
        ("this_quarter", "2028-01-01", "2028-03-31"),
        ("last_quarter", "2027-10-01", "2027-12-31"),
        ("this_year", "2028-01-01", "2028-12-31"),
        ("last_year", "2027-01-01", "2027-12-31"),
    ],
)
def test_a_period_is_seen_from_today(period: PeriodName, first: str, last: str) -> None:
    assert [str(day) for day in days_of(period, date(2028, 2, 29))] == [first, last]


@given(days, st.sampled_from(UNITS))
def test_this_period_has_today_and_follows_the_last_one(today: date, unit: str) -> None:
    first, last = days_of(f"this_{unit}", today)  # type: ignore[arg-type]
    before_first, before_last = days_of(f"last_{unit}", today)  # type: ignore[arg-type]
    assert before_first <= before_last < first <= today <= last
    assert before_last + DAY == first
    assert days_of(f"this_{unit}", before_last) == (before_first, before_last)  # type: ignore[arg-type]
    assert days_of(f"last_{unit}", last + DAY) == (first, last)  # type: ignore[arg-type]


@given(days)
def test_larger_periods_consist_of_whole_smaller_ones(today: date) -> None:
    month, quarter, year = (
        days_of(name, today) for name in ("this_month", "this_quarter", "this_year")
    )
    assert year[0] <= quarter[0] <= month[0] <= month[1] <= quarter[1] <= year[1]
    assert (quarter[1] - quarter[0]).days in (89, 90, 91)
    assert (year[1] - year[0]).days in (364, 365)


@pytest.mark.parametrize(
    ("now", "zone", "first", "last"),
    [
        ("2026-12-31T10:00:00", "Pacific/Kiritimati", "2027-01-01", "2027-01-31"),
        ("2026-12-31T09:59:59", "Pacific/Kiritimati", "2026-12-01", "2026-12-31"),
        ("2027-01-01T07:59:59", "America/Los_Angeles", "2026-12-01", "2026-12-31"),
        ("2026-03-31T22:00:00", "Europe/Berlin", "2026-04-01", "2026-04-30"),
        ("2026-10-31T22:59:59", "Europe/Berlin", "2026-10-01", "2026-10-31"),
        ("2026-02-28T18:15:00", "Asia/Kathmandu", "2026-03-01", "2026-03-31"),
        ("2026-12-31T23:59:59", "Etc/UTC", "2026-12-01", "2026-12-31"),
    ],
)
def test_this_month_is_that_of_the_zone(now: str, zone: str, first: str, last: str) -> None:
    at = datetime.fromisoformat(now).replace(tzinfo=UTC)
    of_tenant = request(period="this_month").parameters(at, zone)
    of_request = request(period="this_month", time_zone=zone).parameters(at, "Asia/Tokyo")
    for parameters in (of_tenant, of_request):
        assert (str(parameters.from_), str(parameters.to)) == (first, last)
        assert parameters.zone == zone


@given(
    st.datetimes(datetime(2000, 1, 1), datetime(2050, 1, 1), timezones=st.just(UTC)),
    st.sampled_from(["Pacific/Kiritimati", "America/Los_Angeles", "Europe/Berlin", "Etc/UTC"]),
    st.sampled_from(NAMES),
)
def test_the_parameters_of_a_run_are_fixed_and_stay_valid(
    now: datetime, zone: str, period: PeriodName
) -> None:
    parameters = request(period=period, by="region", currency="USD").parameters(now, zone)
    assert type(parameters) is ReportParameters
    assert parameters.checked() == parameters
    assert "period" not in parameters.model_dump()
    assert parameters.from_ is not None
    assert parameters.to is not None
    assert (parameters.by, parameters.currency) == ("region", "USD")
    assert ReportParameters.model_validate_json(parameters.model_dump_json()) == parameters


def test_days_that_are_given_are_kept_in_every_zone() -> None:
    asked = request(**{"from": "2026-01-01", "to": "2026-01-31"})
    run = asked.parameters(datetime(2026, 5, 1, tzinfo=UTC), "Pacific/Kiritimati")
    assert (str(run.from_), str(run.to)) == ("2026-01-01", "2026-01-31")


@pytest.mark.parametrize("more", [{"from": "2026-01-01"}, {"to": "2026-01-01"}])
def test_a_period_and_a_day_together_are_rejected(more: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="give either period, or from and to"):
        request(period="today", **more)


def test_runs_of_earlier_versions_have_no_zone_and_are_in_utc() -> None:
    assert ReportParameters(report="win_rate").zone == "Etc/UTC"
