"""The usage tier of a tenant: the highest that any metric reaches (the strategy's table)."""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from functools import cache
from itertools import pairwise
from typing import Any, NamedTuple

from scaling.events import Tier as Tier
from scaling.model.policy_file import policy_document

_ORDER = tuple(Tier)


class Metric(StrEnum):
    """What is metered; a tenant's tier depends on each."""

    USERS = "users"
    CUSTOMERS = "customers"
    OPPORTUNITIES = "opportunities"
    DATA_MB = "data_mb"


class TierError(ValueError):
    """A table of tiers is wrong; the message names the place and says what would be right."""


class Range(NamedTuple):
    """The values of a metric in one tier, inclusive."""

    first: int
    last: int | None
    """None: there is no last one."""


type Table = Mapping[Metric, Mapping[Tier, Range]]


@cache
def tiers() -> Table:
    """The strategy's table."""
    return parse_tiers(policy_document()["tiers"])


@cache
def return_share() -> float:
    """Below this share of a tier's first value a metric leaves the tier."""
    return float(policy_document()["return_percent"]) / 100


def parse_tiers(document: Mapping[str, Mapping[str, Sequence[Any]]]) -> Table:
    """Parse a table. Raises TierError for a missing metric or tier, a gap, and an overlap."""
    unknown = sorted(set(document) - set(Metric))
    if unknown:
        raise TierError(f"{unknown[0]} is no metric; one of {', '.join(Metric)}")
    return {metric: _ranges(metric, document.get(metric, {})) for metric in Metric}


def _ranges(metric: Metric, given: Mapping[str, Sequence[Any]]) -> dict[Tier, Range]:
    found: dict[Tier, Range] = {}
    for tier in Tier:
        try:
            first, last = given[tier]
            found[tier] = Range(int(first), None if last is None else int(last))
        except (KeyError, TypeError, ValueError) as fault:
            raise TierError(f"{metric}, {tier}: must have a first and a last value") from fault
    if found[_ORDER[0]].first != 0 or found[_ORDER[-1]].last is not None:
        raise TierError(f"{metric}: must begin with 0, and must not end")
    for lower, upper in pairwise(Tier):
        last, first = found[lower].last, found[upper].first
        if last is None or first != last + 1 or last < found[lower].first:
            raise TierError(
                f"{metric}: {upper} must begin with the value after the last one of {lower}, which"
                f" is {last}; it begins with {first}"
            )
    return found


def tier_of_metric(metric: Metric, value: float, before: Tier | None = None) -> Tier:
    """The tier of one value. With an earlier tier it is left only clearly below its first value."""
    ranges = tiers()[metric]
    reached = max((one for one in Tier if value >= ranges[one].first), key=_ORDER.index)
    if before is None or _ORDER.index(reached) >= _ORDER.index(before):
        return reached
    stays = [
        one
        for one in Tier
        if _ORDER.index(reached) < _ORDER.index(one) <= _ORDER.index(before)
        and value >= ranges[one].first * return_share()
    ]
    return max([reached, *stays], key=_ORDER.index)


def tier_of(usage: Mapping[Metric, float], before: Mapping[Metric, Tier] | None = None) -> Tier:
    """The highest tier that any metric reaches; a metric that is not known counts as 0."""
    return highest(metric_tiers(usage, before).values())


def highest(found: Iterable[Tier]) -> Tier:
    """The largest of some tiers."""
    return max(found, key=_ORDER.index)


def metric_tiers(
    usage: Mapping[Metric, float], before: Mapping[Metric, Tier] | None = None
) -> dict[Metric, Tier]:
    """The tier of each metric; `before` has those of the day before."""
    known = before or {}
    return {one: tier_of_metric(one, usage.get(one, 0), known.get(one)) for one in Metric}


def boundary_below(metric: Metric, tier: Tier) -> float | None:
    """Below this value the metric leaves the tier; None for the smallest tier."""
    first = tiers()[metric][tier].first
    return first * return_share() if tier is not _ORDER[0] else None


def next_boundary(metric: Metric, tier: Tier) -> int | None:
    """The first value of the tier above; None for the largest tier."""
    place = _ORDER.index(tier) + 1
    return tiers()[metric][_ORDER[place]].first if place < len(_ORDER) else None
