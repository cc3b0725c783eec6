"""Periods that are named relative to today, as the days from the first to the last, inclusive."""

from datetime import date, timedelta
from typing import Literal

PeriodName = Literal[
    "today",
    "yesterday",
    "this_week",
    "last_week",
    "this_month",
    "last_month",
    "this_quarter",
    "last_quarter",
    "this_year",
    "last_year",
]
"""Weeks begin on Monday, quarters in January, April, July and October."""

_DAY = timedelta(days=1)


def days_of(period: PeriodName, today: date) -> tuple[date, date]:
    """The first and the last day of a period, seen from `today`."""
    match period:
        case "today":
            return today, today
        case "yesterday":
            return today - _DAY, today - _DAY
    which, _, unit = period.partition("_")
    first = _first_day(unit, today)
    if which == "this":
        return first, _first_day(unit, _beyond(unit, first)) - _DAY
    return _first_day(unit, first - _DAY), first - _DAY


def _first_day(unit: str, day: date) -> date:
    """The first day of the week, month, quarter or year with this day."""
    match unit:
        case "week":
            return day - day.weekday() * _DAY
        case "month":
            return day.replace(day=1)
        case "quarter":
            return date(day.year, (day.month - 1) // 3 * 3 + 1, 1)
        case _:
            return date(day.year, 1, 1)


def _beyond(unit: str, first: date) -> date:
    """A day in the unit after the one that begins on `first`."""
    longest = {"week": 7, "month": 31, "quarter": 92, "year": 366}
    return first + longest[unit] * _DAY
