"""Generated tenants: days of usage with weekdays, weekends and growth."""

from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal

from scaling.model.usage import DayOfUsage, Meter

TODAY = date(2026, 11, 27)
_ACTIVE = Decimal("0.8")
_CHANGES, _REPORT_SECONDS = 45, 2
"""Of an active user a day, as zebros/costs/usage.toml assumes."""


def days(
    users: float,
    *,
    growth: float = 0,
    customers: float = 0,
    opportunities: float = 0,
    data_mb: float = 0,
    length: int = 60,
    today: date = TODAY,
) -> list[DayOfUsage]:
    """Days until today, with so many users today and so many more each day before it.

    People work on weekdays. Records and data are steady.
    """
    found = []
    for ago in range(length - 1, -1, -1):
        day = today - timedelta(days=ago)
        people = Decimal(max(0, round(users - growth * ago)))
        values: dict[Meter, Decimal] = {
            Meter.USERS: people,
            Meter.CUSTOMERS: Decimal(round(customers)),
            Meter.OPPORTUNITIES: Decimal(round(opportunities)),
            Meter.DATA_MB: Decimal(round(data_mb)),
        }
        if day.weekday() < 5:
            active = round(people * _ACTIVE)
            values |= {
                Meter.ACTIVE_USERS: Decimal(active),
                Meter.REQUESTS: Decimal(active * _CHANGES),
                Meter.REPORT_SECONDS: Decimal(active * _REPORT_SECONDS),
            }
        found.append(DayOfUsage(day, values))
    return found


def level(meter: Meter, values: Mapping[int, float], length: int = 30) -> list[DayOfUsage]:
    """Days with one meter; `values` by how many days ago, and the days between have none."""
    return [
        DayOfUsage(TODAY - timedelta(days=ago), {meter: Decimal(str(values[ago]))})
        for ago in range(length, -1, -1)
        if ago in values
    ]


SMALL = days(12, customers=300, opportunities=60, data_mb=800)
GROWING = days(60, growth=0.5, customers=4000, opportunities=700, data_mb=20_000)
LARGE = days(140, growth=0.4, customers=20_000, opportunities=5000, data_mb=70_000)
FALLING = days(18, growth=-1.5, customers=700, opportunities=80, data_mb=4000)
"""From 107 users to 18."""
FOUR = {"small": SMALL, "growing": GROWING, "large": LARGE, "falling": FALLING}
