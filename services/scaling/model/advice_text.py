"""Advice as plain sentences, for the platform engineer who acts on it."""

from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal

from scaling.model.advice import SystemAdvice, TenantAdvice
from scaling.model.capacity import MIN_HOURS
from scaling.model.evidence import Evidence
from scaling.model.forecast import MIN_DAYS, Arrival, Trend
from scaling.model.moves import Move
from scaling.model.phases import QUIET_DAYS, Urgency, phases
from scaling.model.table_advice import TableAdvice, TableOption
from scaling.model.tiers import Metric, Tier

_MOST_NAMES = 5
_STEADY = 0.005
"""A slope whose text would be 0.00."""


def system_sentences(one: SystemAdvice) -> Iterator[str]:
    """What to do about the phase, why, what it changes and what it costs."""
    if one.urgency is Urgency.NO_DATA:
        yield (
            f"No advice: there are {_count(one.days, 'day')} with a number of users, and "
            f"{MIN_DAYS} are needed."
        )
        return
    yield _headline(one)
    yield from (sentence(found) for found in one.evidence)
    if one.move:
        yield from _move_sentences(one.move, down=one.urgency is Urgency.DOWN)
        yield (
            f"Monthly cost of this load: {usd(one.before)} USD in {one.phase}, "
            f"{usd(one.after)} USD in {one.target}."
        )
    else:
        yield f"Monthly cost of this load: {usd(one.before)} USD."
    for place, option in enumerate(one.options, 1):
        yield f"Option {place}: {option.phase}, {usd(option.usd)} USD a month. {option.reason}"


def _headline(one: SystemAdvice) -> str:
    serves, advice_from = phases()[one.phase]
    have = f"{_count(one.users, 'user')} of {_count(one.tenants, 'tenant')}"
    match one.urgency:
        case Urgency.NOW:
            return f"Move to {one.target}: {one.phase} is for {serves} users, and there are {have}."
        case Urgency.PLAN:
            begun = advice_from is not None and one.users >= advice_from
            why = f"advice to move begins at {advice_from}" if begun else "the limit is near"
            return (
                f"Plan the move to {one.target}: there are {have}; {one.phase} is for {serves}, "
                f"and {why}. {_limit(one)}"
            )
        case Urgency.DOWN:
            return (
                f"{one.target} suffices: there are {have}, and for {QUIET_DAYS} days there were "
                f"never more than it serves before advice to move up begins."
            )
        case _:
            limit = "" if serves is None else f", which is for {serves}. {_limit(one)}"
            return f"Stay in {one.phase}{limit or '.'} There are {have}."


def _limit(one: SystemAdvice) -> str:
    if one.limit is None:
        return ""
    text = f"More than that: {_arrival(one.limit)}."
    if one.urgency is not Urgency.PLAN:
        return text
    return f"{text} Move by {one.by}." if one.by else f"{text} There is no day to move by."


def _move_sentences(move: Move, *, down: bool) -> Iterator[str]:
    given = " ".join(f"{name}={value}" for name, value in move.parameters.items())
    needs = "".join(f" {name}=…" for name in move.needs)
    yield f"Deploy with {given}{needs}, and all other parameters as they are."
    if down:
        yield "First run `zebros phase plan --used FILE`: the smaller phase has lower ceilings."
    lost = f"It would lose data of {_names(move.data_lost)}: do not move."
    yield lost if move.data_lost else "No resource that holds data is replaced or deleted."
    for names, text in (
        (move.replaced, "Replaced"),
        (move.removed, "Removed"),
        (move.kept, "Kept outside of the stack, and still charged"),
    ):
        if names:
            yield f"{text}: {_names(names)}."
    yield from (f"Limit: {limit}" for limit in move.limits)
    workers = "; workers are replaced one after another" if move.workers_restart else ""
    yield (
        f"{move.added} resources are added, {move.changed} changed. The first request of each new "
        f"instance of a function is a cold start{workers}."
    )


def tenant_sentences(one: TenantAdvice, system: SystemAdvice) -> Iterator[str]:
    """A tenant's tier, what would suffice for it alone, and what that means for the system."""
    if one.tier is None:
        yield (
            f"{one.tenant_id}: no advice; there are {_count(one.days, 'day')} with a number of "
            f"users, and {MIN_DAYS} are needed."
        )
        return
    causes = [found.metric for found in one.evidence if found.tier is one.tier]
    because = f" by {_metrics(causes)}" if one.tier is not Tier.STARTUP else ""
    was = f"; it was {one.tier_before}" if one.tier_before not in (None, one.tier) else ""
    yield f"{one.tenant_id}: tier {one.tier}{because}{was}."
    yield from (sentence(found) for found in one.evidence)
    if one.alone is not None:
        yield _alone(one, one.alone, system)


def _alone(one: TenantAdvice, alone: str, system: SystemAdvice) -> str:
    text = f"{alone} would suffice for this tenant alone"
    order = list(phases())
    if order.index(alone) >= order.index(system.target) or system.urgency is Urgency.NO_DATA:
        return f"{text}. All tenants have one phase."
    others = f"the other tenants have {_count(one.others, 'user')}" if one.others else ""
    return f"{text}, but all tenants have one phase" + (f", and {others}." if others else ".")


def sentence(one: Evidence) -> str:
    """One metric: its value, its trend, and when it reaches the next boundary."""
    name = "MB of data" if one.metric is Metric.DATA_MB else one.metric.value
    text = f"{one.value:,.0f} {name}, tier {one.tier}"
    if one.trend is None:
        return f"{text}; too few days for a trend."
    text += f", {_slope(one.trend)}"
    falls = one.trend.slope < 0 and one.left is not None
    if falls and one.left and one.lower_boundary is not None:
        return f"{text}; below {one.lower_boundary:,.0f}, out of its tier: {_arrival(one.left)}."
    if one.reached and one.next_boundary is not None:
        return f"{text}; {one.next_boundary:,}, the next tier: {_arrival(one.reached)}."
    return f"{text}; there is no larger tier."


def _slope(found: Trend) -> str:
    if max(abs(found.slope), abs(found.slowest), abs(found.fastest)) < _STEADY:
        return "steady"
    if abs(found.slope) < _STEADY:
        return f"steady ({found.slowest:+.2f} to {found.fastest:+.2f} a day)"
    return f"{found.slope:+,.2f} a day ({found.slowest:+,.2f} to {found.fastest:+,.2f})"


def _arrival(found: Arrival) -> str:
    if found.earliest is None:
        return "not at this pace"
    if found.days == 0:
        return "reached"
    latest = "never" if found.latest is None else f"{found.latest} days"
    expected = "not at the median pace" if found.days is None else f"in {found.days} days"
    return f"{expected} ({found.earliest} days at the fastest, {latest} at the slowest pace)"


def usd(amount: Decimal) -> str:
    """An amount in whole cents."""
    return f"{amount.quantize(Decimal('0.01'), ROUND_HALF_UP):,}"


def _metrics(metrics: list[Metric]) -> str:
    *first, last = ["data" if one is Metric.DATA_MB else one.value for one in metrics]
    return f"{', '.join(first)} and {last}" if first else last


def _names(names: tuple[str, ...]) -> str:
    shown = ", ".join(names[:_MOST_NAMES])
    more = len(names) - _MOST_NAMES
    return f"{shown} and {more} others" if more > 0 else shown


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def table_sentences(one: TableAdvice) -> Iterator[str]:
    """How a table is billed best, and what to change."""
    if not one.options:
        yield (
            f"{one.table}: no advice; there are {_count(one.hours, 'hour')} of consumed capacity, "
            f"and {MIN_HOURS} are needed."
        )
        return
    best, *others = one.options
    rest = "; ".join(f"{_way(other)} costs {usd(other.usd)}" for other in others)
    yield f"{one.table}: {_way(best)} is best, {usd(best.usd)} USD a month; {rest}."
    yield (
        f"Of the write capacity that the strategy's range provisions {one.utilisation:.1%} was "
        f"used in {one.hours} hours; provisioned capacity is cheaper above {one.break_even:.1%}."
    )
    throttled = [other for other in one.options if other.throttled_hours]
    yield from (
        f"{_way(other)} would have been exceeded in {_count(other.throttled_hours, 'hour')}."
        for other in throttled
    )
    yield f"It is {one.current}. " + (f"Change {one.change}." if one.change else "Nothing to do.")


def _way(one: TableOption) -> str:
    return one.mode if one.low is None else f"{one.mode} {one.low} to {one.high}"
