"""The trend of a metered value, and when it reaches a boundary.

The slope is the median of the slopes between all pairs of days (Theil 1950, Sen 1968): a few wrong
or unusual days do not move it, unlike least squares. Its range is Sen's, from the variance of
Kendall's statistic, for 80 %: one of ten times the value grows faster, one of ten slower.
"""

from collections.abc import Sequence
from itertools import combinations
from math import sqrt
from statistics import NormalDist, median
from typing import NamedTuple

MIN_DAYS = 14
"""There is no trend of fewer days: two weeks have two weekends."""
MAX_DAYS = 90
"""Earlier days do not count: their number of pairs is 4,005."""
CONFIDENCE = 0.8
FAR_DAYS = 3650
"""What is farther away is never."""


class Day(NamedTuple):
    """The value of a day."""

    number: int
    """Days since any fixed day."""
    value: float


class Trend(NamedTuple):
    """How a value changes."""

    level: float
    """On the last day, by the trend."""
    slope: float
    """A day."""
    slowest: float
    fastest: float
    days: int
    """How many days it is from."""


class Arrival(NamedTuple):
    """In how many days a boundary is reached, by the trend, at its fastest and at its slowest.

    None is never, at that slope.
    """

    days: int | None
    earliest: int | None
    latest: int | None


def trend(days: Sequence[Day]) -> Trend | None:
    """The trend of the last days; None for less than MIN_DAYS."""
    last = sorted(days)[-MAX_DAYS:]
    if len({day.number for day in last}) < MIN_DAYS:
        return None
    slopes = sorted(
        (after.value - before.value) / (after.number - before.number)
        for before, after in combinations(last, 2)
        if after.number != before.number
    )
    count = len(last)
    spread = sqrt(count * (count - 1) * (2 * count + 5) / 18)
    reach = NormalDist().inv_cdf((1 + CONFIDENCE) / 2) * spread
    lower = max(0, int((len(slopes) - reach) / 2))
    upper = min(len(slopes) - 1, int((len(slopes) + reach) / 2))
    slope = median(slopes)
    level = median(day.value + slope * (last[-1].number - day.number) for day in last)
    return Trend(level, slope, slopes[lower], slopes[upper], count)


def arrival(found: Trend, boundary: float) -> Arrival:
    """When a boundary above the level is reached; at once where it is."""
    return Arrival(
        *(_days(found.level, one, boundary) for one in (found.slope, found.fastest, found.slowest))
    )


def departure(found: Trend, boundary: float) -> Arrival:
    """When a boundary below the level is left; at once where the level is already below it."""
    down = Trend(-found.level, -found.slope, -found.fastest, -found.slowest, found.days)
    return arrival(down, -boundary)


def _days(level: float, slope: float, boundary: float) -> int | None:
    if level >= boundary:
        return 0
    if slope <= 0:
        return None
    days = (boundary - level) / slope
    return int(days) + 1 if days < FAR_DAYS else None
