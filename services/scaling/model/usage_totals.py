"""The usage of several tenants together, and the load of a month that a cost is computed for."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal

from scaling.model.costs import Driver
from scaling.model.usage import DayOfUsage, Meter

MONTH = Decimal(730) / 24
"""Days of a month, as AWS's own examples count them."""
WEEKS = timedelta(days=28)
"""A month's load is from the last four weeks, which have as many weekends as workdays for each."""
CARRIED = timedelta(days=28)
"""A level counts so long after its last value, through any holidays; then the tenant is gone."""
LEVELS = (Meter.USERS, Meter.CUSTOMERS, Meter.OPPORTUNITIES, Meter.DATA_MB)
"""Meters of what there is. The others are of what happened on a day; they are never carried on."""
FLOWS = {
    Driver.CHANGES: Meter.REQUESTS,
    Driver.USER_DAYS: Meter.ACTIVE_USERS,
    Driver.REPORT_SECONDS: Meter.REPORT_SECONDS,
}

type Usage = Mapping[str, Sequence[DayOfUsage]]
"""The days of each tenant, oldest first."""


def together(usage: Usage) -> list[DayOfUsage]:
    """The sum of all tenants on each day with a value.

    A level of a tenant that has no value on a day is its last one of the four weeks before.
    """
    days = sorted({one.day for several in usage.values() for one in several})
    sums: dict[date, dict[Meter, Decimal]] = {day: {} for day in days}
    for several in usage.values():
        for day, values in carried(several, days):
            for meter, value in values.items():
                sums[day][meter] = sums[day].get(meter, Decimal(0)) + value
    return [DayOfUsage(day, values) for day, values in sums.items()]


def carried(
    several: Sequence[DayOfUsage], days: Iterable[date]
) -> Iterator[tuple[date, dict[Meter, Decimal]]]:
    """The values of a tenant on each of these days; a level may be an earlier one."""
    given = {one.day: one.values for one in several}
    last: dict[Meter, tuple[date, Decimal]] = {}
    for day in days:
        values = dict(given.get(day, {}))
        last |= {one: (day, values[one]) for one in LEVELS if one in values}
        values |= {one: value for one, (since, value) in last.items() if day - since <= CARRIED}
        yield day, values


def load_of(days: Sequence[DayOfUsage], today: date) -> dict[Driver, Decimal]:
    """The load of a month at the pace of the last four weeks before today.

    Of a shorter history it is the pace since its first day. A day without a value adds nothing.
    """
    start = max(today - WEEKS, days[0].day) if days else today
    length = (today - start).days
    if length <= 0:
        return dict.fromkeys(Driver, Decimal(0))
    recent = [one for one in days if start <= one.day < today]
    found = {
        driver: sum((one.values.get(meter, Decimal(0)) for one in recent), Decimal(0))
        * MONTH
        / length
        for driver, meter in FLOWS.items()
    }
    return {**found, Driver.DATA_MB: latest(recent, Meter.DATA_MB) or Decimal(0)}


def latest(days: Sequence[DayOfUsage], meter: Meter) -> Decimal | None:
    """The last value of a meter; None without any."""
    return next((one.values[meter] for one in reversed(days) if meter in one.values), None)
