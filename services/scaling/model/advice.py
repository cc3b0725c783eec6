"""Advice: what the days of usage mean for tiers and for the phase. A pure function.

The phase is one for all tenants, so it is chosen for the users of all of them together. Beside it
is what a tenant would need alone.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import NamedTuple

from scaling.model.costs import Driver, document, monthly
from scaling.model.evidence import Evidence, days_of, evidence, tiers_by_metric
from scaling.model.forecast import MIN_DAYS, Arrival
from scaling.model.moves import Move, move
from scaling.model.phases import Choice, Urgency, choose, phases, smallest
from scaling.model.tiers import Metric, Tier
from scaling.model.usage import DayOfUsage, Meter
from scaling.model.usage_totals import Usage, latest, load_of, together

LAST_DAYS = 90
"""Days of usage that advice reads."""
_BEFORE = timedelta(days=28)
_PHASE_OF = {Tier.STARTUP: "startup", Tier.GROWING: "growth", Tier.ENTERPRISE: "enterprise"}
_TIER_OF = {phase: tier for tier, phase in _PHASE_OF.items()}
ASSUMPTIONS = (
    "Costs are computed from the templates and us-east-1 prices, for the primary region, without "
    "free tiers, discounts and what the controller has added; `zebros cost` lists all assumptions.",
    "Before and after are for the same load: the last four weeks of all tenants, as a month.",
    "Metered data stands for that of tables and files; reads and events follow from changes in a "
    "fixed proportion (zebros/costs/usage.toml).",
    "A trend is the median slope of up to 90 days; its range is right in eight of ten cases.",
    "Hours of a table are averages: a burst within one may be throttled when capacity is "
    "provisioned, and is not on demand.",
    "A tenant without a value for four weeks counts as gone; who only reads is not metered.",
    "What a move changes is that of a deployment with every option; `zebros phase plan` says it "
    "for your parameters.",
)


class TenantAdvice(NamedTuple):
    """What a tenant's days say."""

    tenant_id: str
    days: int
    """Days with a number of users."""
    tier: Tier | None
    """None for too few days."""
    tier_before: Tier | None
    """Four weeks before."""
    evidence: tuple[Evidence, ...]
    alone: str | None
    """The phase that would suffice for this tenant alone."""
    others: int
    """Users of the other tenants."""


class Option(NamedTuple):
    """One phase as an alternative."""

    phase: str
    usd: Decimal
    """A month, at the load of today."""
    suits: bool
    """Whether it serves the users of today."""
    reason: str


class SystemAdvice(NamedTuple):
    """What to do about the phase."""

    phase: str
    """Now."""
    urgency: Urgency
    target: str
    days: int
    """Days with a number of users; MIN_DAYS are needed."""
    users: int
    """Of all tenants together."""
    tenants: int
    limit: Arrival | None
    """When the phase may have too many users."""
    by: date | None
    """The day by which to have moved, at the fastest trend."""
    tier: Tier | None
    evidence: tuple[Evidence, ...]
    move: Move | None
    before: Decimal
    """USD a month."""
    after: Decimal
    options: tuple[Option, ...]
    """Ranked: what is advised, what serves the users, what does not; the cheapest first."""


class Advice(NamedTuple):
    """The advice of a day."""

    today: date
    system: SystemAdvice
    tenants: tuple[TenantAdvice, ...]


def advise(usage: Usage, phase: str, today: date, only: Sequence[str] | None = None) -> Advice:
    """The advice for a system with these days of each tenant, in this phase.

    `only` limits which tenants get their own; the phase is for all. Raises KeyError for an unknown
    phase.
    """
    days = together(usage)
    system = _system(days, len(usage), phase, today)
    wanted = usage if only is None else [one for one in only if one in usage]
    return Advice(
        today, system, tuple(_tenant(one, usage[one], system.users, today) for one in wanted)
    )


def _system(days: list[DayOfUsage], tenants: int, phase: str, today: date) -> SystemAdvice:
    numbers = days_of(days, Metric.USERS)
    choice = choose(phase, numbers, today)
    users = int(latest(days, Meter.USERS) or 0)
    tiers = tiers_by_metric(days) if choice.urgency is not Urgency.NO_DATA else None
    load = load_of(days, today)
    return SystemAdvice(
        phase=phase,
        urgency=choice.urgency,
        target=choice.target,
        days=len(numbers),
        users=users,
        tenants=tenants,
        limit=choice.limit,
        by=_by(choice, today),
        tier=_highest(tiers) if tiers else None,
        evidence=evidence(days, tiers) if tiers else (),
        move=move(phase, choice.target),
        before=monthly(phase, load),
        after=monthly(choice.target, load),
        options=_options(choice, users, load, tiers) if tiers else (),
    )


def _by(choice: Choice, today: date) -> date | None:
    if choice.urgency is not Urgency.PLAN or not choice.limit or choice.limit.earliest is None:
        return None
    return today + timedelta(days=choice.limit.earliest)


def _options(
    choice: Choice, users: int, load: dict[Driver, Decimal], tiers: dict[Metric, Tier]
) -> tuple[Option, ...]:
    found = [
        Option(
            name,
            monthly(name, load),
            limits.serves is None or users <= limits.serves,
            _reason(name, limits.serves, users, tiers),
        )
        for name, limits in phases().items()
    ]
    return tuple(
        sorted(found, key=lambda one: (one.phase != choice.target, not one.suits, one.usd))
    )


def _reason(phase: str, serves: int | None, users: int, tiers: dict[Metric, Tier]) -> str:
    carries = f"its sizes carry {document()['carries'][phase]:,} in the simulation"
    if serves is not None and users > serves:
        return f"It is for {serves} users, and there are {users}; {carries}."
    text = f"It is for {'any number of' if serves is None else serves} users; {carries}"
    causes = [metric for metric in Metric if _PHASE_OF[tiers[metric]] == phase]
    if causes and Metric.USERS not in causes and phase != smallest(users):
        named = " and ".join(one.value.removesuffix("_mb") for one in causes)
        return (
            f"{text}. The tier by {named} is {_TIER_OF[phase]}, but records and data grow without "
            "a parameter."
        )
    return f"{text}."


def _tenant(
    tenant_id: str, days: Sequence[DayOfUsage], all_users: int, today: date
) -> TenantAdvice:
    count = len(days_of(days, Metric.USERS))
    users = int(latest(days, Meter.USERS) or 0)
    if count < MIN_DAYS:
        return TenantAdvice(tenant_id, count, None, None, (), None, all_users - users)
    tiers = tiers_by_metric(days) or {}
    before = tiers_by_metric([one for one in days if one.day <= today - _BEFORE])
    return TenantAdvice(
        tenant_id,
        count,
        _highest(tiers),
        _highest(before) if before else None,
        evidence(days, tiers),
        smallest(users),
        max(0, all_users - users),
    )


def _highest(tiers: dict[Metric, Tier]) -> Tier:
    return max(tiers.values(), key=list(Tier).index)
