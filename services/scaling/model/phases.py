"""Which phase serves how many users, and when it is time to move: the strategy's phases.

Phases follow the users of all tenants together. Other metrics decide a tenant's tier, and no phase:
tables, buckets and queues grow without a parameter (docs/adr/0052).
"""

from datetime import date, timedelta
from enum import StrEnum
from functools import cache
from typing import NamedTuple

from scaling.model.forecast import Arrival, Day, Trend, arrival, trend
from scaling.model.policy_file import policy_document
from scaling.model.tiers import return_share

LEAD_DAYS = 60
"""A move is planned so long before it may be needed: a domain, a certificate and a window."""
QUIET_DAYS = 28
"""A smaller phase must have sufficed for so long: four weeks have an end of a month."""


class Limits(NamedTuple):
    """The users of one phase."""

    serves: int | None
    """At most; None: there is no limit."""
    advice_from: int | None
    """From this number on, the move to the next phase is to be planned."""


class Urgency(StrEnum):
    """What to do about the phase."""

    NO_DATA = "no_data"
    STAY = "stay"
    PLAN = "plan"
    """The next phase will be needed."""
    NOW = "now"
    """There are more users than the phase serves."""
    DOWN = "down"
    """A smaller phase suffices."""


class Choice(NamedTuple):
    """A phase, and why."""

    urgency: Urgency
    target: str
    limit: Arrival | None = None
    """When there may be more users than the phase now serves."""


@cache
def phases() -> dict[str, Limits]:
    """Every phase, from the smallest to the largest."""
    given = {name: Limits(**one) for name, one in policy_document()["phases"].items()}
    sizes = {name: one.serves or float("inf") for name, one in given.items()}
    return {name: given[name] for name in sorted(given, key=sizes.__getitem__)}


def smallest(users: float) -> str:
    """The smallest phase that serves so many users."""
    return next(name for name, one in phases().items() if one.serves is None or users <= one.serves)


def choose(phase: str, days: list[Day], today: date) -> Choice:
    """The phase for the users of these days. Raises KeyError for an unknown phase."""
    found = trend(days)
    if found is None:
        return Choice(Urgency.NO_DATA, phase)
    limits, users = phases()[phase], max(days).value
    limit = None if limits.serves is None else arrival(found, limits.serves + 1)
    if _above(smallest(users), phase):
        return Choice(Urgency.NOW, smallest(users), limit)
    if limit and _is_near(users, limits, limit):
        return Choice(Urgency.PLAN, _next(phase), limit)
    if (lower := _lower(phase, days, found, today)) is not None:
        return Choice(Urgency.DOWN, lower, limit)
    return Choice(Urgency.STAY, phase, limit)


def _is_near(users: float, limits: Limits, limit: Arrival) -> bool:
    begun = limits.advice_from is not None and users >= limits.advice_from
    return begun or (limit.earliest is not None and limit.earliest <= LEAD_DAYS)


def _lower(phase: str, days: list[Day], found: Trend, today: date) -> str | None:
    """The smallest phase that has sufficed for the quiet time, and goes on to suffice."""
    since = (today - timedelta(days=QUIET_DAYS)).toordinal()
    if min(days).number > since:
        return None
    peak = max(day.value for day in days if day.number >= since)
    for name, limits in phases().items():
        if name == phase:
            return None
        bounds = [one for one in limits if one is not None]
        back = arrival(found, min(bounds)).earliest
        if peak < min(bounds) * return_share() and (back is None or back > LEAD_DAYS):
            return name
    return None


def _above(one: str, other: str) -> bool:
    order = list(phases())
    return order.index(one) > order.index(other)


def _next(phase: str) -> str:
    order = list(phases())
    return order[order.index(phase) + 1]
