"""What days of usage say about the tier: each metric's value, its trend, and the boundaries."""

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from scaling.model.forecast import Arrival, Day, Trend, arrival, departure, trend
from scaling.model.tiers import Metric, Tier, boundary_below, metric_tiers, next_boundary
from scaling.model.usage import DayOfUsage, Meter
from scaling.model.usage_totals import latest


class Evidence(NamedTuple):
    """One metric."""

    metric: Metric
    value: Decimal
    """The latest."""
    tier: Tier
    trend: Trend | None
    """None for too few days."""
    next_boundary: int | None
    """The first value of the tier above."""
    reached: Arrival | None
    """In how many days."""
    lower_boundary: float | None
    """Below it the metric leaves its tier."""
    left: Arrival | None


def days_of(days: Sequence[DayOfUsage], metric: Metric) -> list[Day]:
    """The days with a value of a metric."""
    meter = Meter(metric)
    return [
        Day(one.day.toordinal(), float(one.values[meter])) for one in days if meter in one.values
    ]


def tiers_by_metric(days: Sequence[DayOfUsage]) -> dict[Metric, Tier] | None:
    """The tier of each metric after these days, each day seen from the day before; None for none.

    A metric without a value on a day has its last one.
    """
    tiers, values = None, dict[Metric, float]()
    for one in days:
        known = {metric: one.values.get(Meter(metric)) for metric in Metric}
        values |= {metric: float(value) for metric, value in known.items() if value is not None}
        tiers = metric_tiers(values, tiers)
    return tiers


def evidence(days: Sequence[DayOfUsage], tiers: dict[Metric, Tier]) -> tuple[Evidence, ...]:
    """The evidence of every metric that has a value."""
    return tuple(
        _of(metric, value, tiers[metric], trend(days_of(days, metric)))
        for metric in Metric
        if (value := latest(days, Meter(metric))) is not None
    )


def _of(metric: Metric, value: Decimal, tier: Tier, found: Trend | None) -> Evidence:
    above, below = next_boundary(metric, tier), boundary_below(metric, tier)
    return Evidence(
        metric,
        value,
        tier,
        found,
        above,
        arrival(found, above) if found and above is not None else None,
        below,
        departure(found, below) if found and below is not None else None,
    )
