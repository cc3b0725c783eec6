"""Whether a table is cheaper on demand or provisioned, from its own hours.

Sources: DynamoDB's price list; target tracking provisions the consumption divided by the target
utilisation, within its range. One unit that is used all the time does 3,600 requests an hour.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

MIN_HOURS = 14 * 24
"""There is no advice from less: two weeks have two weekends."""
SECONDS = 3600
_MONTH_HOURS = Decimal(730)


class UnitPrices(NamedTuple):
    """USD of the units of one kind, read or write."""

    request: Decimal
    """Of one request unit, on demand."""
    unit_hour: Decimal
    """Of one provisioned unit for an hour."""

    @property
    def break_even(self) -> Decimal:
        """The average utilisation above which provisioned capacity is cheaper."""
        return self.unit_hour / (self.request * SECONDS)


class Range(NamedTuple):
    """The range of provisioned units."""

    low: int
    high: int
    target: Decimal = Decimal("0.7")
    """The utilisation that scaling aims at."""


class CapacityAdvice(NamedTuple):
    """The comparison for one kind of units of a table."""

    on_demand: Decimal
    """USD a month."""
    provisioned: Decimal
    """USD a month."""
    utilisation: Decimal
    """The consumed part of what would be provisioned."""
    break_even: Decimal
    throttled_hours: int
    """Hours whose average is above the highest provisioned value: on demand serves them."""

    @property
    def cheaper(self) -> str:
        """The billing mode to choose; the same price is no reason to provision."""
        return "provisioned" if self.provisioned < self.on_demand else "on demand"


def advise_capacity(
    hours: Sequence[Decimal], prices: UnitPrices, bounds: Range
) -> CapacityAdvice | None:
    """Compare both modes; `hours` are the consumed units of each hour. None for too few hours."""
    if len(hours) < MIN_HOURS:
        return None
    consumed, unit_hours, throttled = Decimal(0), Decimal(0), 0
    for units in hours:
        rate = units / SECONDS
        provisioned = min(Decimal(bounds.high), max(Decimal(bounds.low), rate / bounds.target))
        throttled += rate > bounds.high
        consumed += units
        unit_hours += provisioned
    month = _MONTH_HOURS / len(hours)
    return CapacityAdvice(
        on_demand=consumed * prices.request * month,
        provisioned=unit_hours * prices.unit_hour * month,
        utilisation=consumed / (unit_hours * SECONDS) if unit_hours else Decimal(0),
        break_even=prices.break_even,
        throttled_hours=throttled,
    )
