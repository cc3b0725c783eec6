"""What administrators get as advice and as a bill: the answers of the API."""

from collections.abc import Iterable
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Annotated

from pydantic import BaseModel, Field, StringConstraints

from scaling.events import Word
from scaling.model.advice import Option, SystemAdvice, TenantAdvice
from scaling.model.advice_text import system_sentences, table_sentences, tenant_sentences
from scaling.model.capacity import MIN_HOURS
from scaling.model.costs import Feature
from scaling.model.evidence import Evidence
from scaling.model.forecast import MIN_DAYS, Arrival
from scaling.model.moves import Move
from scaling.model.phases import Urgency
from scaling.model.table_advice import TableAdvice, TableOption
from scaling.model.tiers import Metric, Tier

Sentence = Annotated[str, StringConstraints(max_length=2_000)]
Cents = Annotated[int, Field(ge=0, le=10**15)]
_MOST, _MANY, _FEW = 1_000, 500, 50


class Days(BaseModel):
    """In how many days a boundary is reached; never where a number is absent."""

    expected: int | None = Field(None, ge=0, description="At the median trend.")
    earliest: int | None = Field(None, ge=0, description="At the fastest likely trend.")
    latest: int | None = Field(None, ge=0, description="At the slowest likely trend.")


class EvidenceState(BaseModel):
    """One metric that a tier depends on."""

    metric: Metric
    value: float = Field(ge=0, description="The latest.")
    tier: Tier = Field(description="The tier of this metric alone.")
    a_day: float | None = Field(None, description="How it changes; absent for too few days.")
    a_day_slowest: float | None = None
    a_day_fastest: float | None = None
    next_boundary: int | None = Field(None, ge=0, description="The first value of the next tier.")
    next_in_days: Days | None = None
    lower_boundary: float | None = Field(None, ge=0, description="Below it the tier is left.")
    lower_in_days: Days | None = None


class MoveState(BaseModel):
    """A move to another phase, as `zebros phase plan` says for a system with every option."""

    parameters: list[Word] = Field(max_length=_FEW, description="What to deploy: NAME=VALUE.")
    needs: list[Word] = Field(
        max_length=_FEW, description="Parameters without a default that the phase needs as well."
    )
    added: int = Field(ge=0, description="Resources.")
    changed: int = Field(ge=0, description="Resources that stay.")
    replaced: list[Word] = Field(max_length=_MANY)
    removed: list[Word] = Field(max_length=_MANY)
    kept: list[Word] = Field(max_length=_MANY, description="Outside of the stack from then on.")
    data_touched: list[Word] = Field(max_length=_MANY, description="Changed, and hold data.")
    data_lost: list[Word] = Field(max_length=_MANY, description="Lose data; there must be none.")
    limits: list[Sentence] = Field(max_length=_MANY, description="What is interrupted or limited.")


class OptionState(BaseModel):
    """A phase as an alternative."""

    phase: Word
    monthly_cents: Cents = Field(description="US cents a month, for the load of today.")
    suits: bool = Field(description="Whether the phase is made for so many users.")
    reason: Sentence


class PhaseState(BaseModel):
    """What to do about the phase, which is one for all tenants."""

    phase: Word = Field(description="The phase now.")
    urgency: Urgency
    target: Word = Field(description="The phase to move to, or to stay in.")
    users: int = Field(ge=0, description="Of all tenants together.")
    tenants: int = Field(ge=0)
    days: int = Field(ge=0, description="Days with a number of users.")
    days_needed: int = Field(MIN_DAYS, ge=0, description="There is no advice from fewer.")
    limit_in_days: Days | None = Field(
        None, description="When there may be more users than the phase is made for."
    )
    move_by: date | None = None
    tier: Tier | None = Field(None, description="Of the metrics of all tenants together.")
    evidence: list[EvidenceState] = Field(max_length=len(Metric))
    move: MoveState | None = None
    monthly_cents: Cents = Field(description="US cents a month now, computed.")
    monthly_cents_after: Cents = Field(description="US cents a month of the same load, then.")
    options: list[OptionState] = Field(max_length=_FEW, description="The best first.")
    sentences: list[Sentence] = Field(max_length=_MANY)


class TenantState(BaseModel):
    """What the usage of one tenant says."""

    tenant_id: Word
    days: int = Field(ge=0, description="Days with a number of users.")
    tier: Tier | None = Field(None, description="Absent for too few days.")
    tier_before: Tier | None = Field(None, description="Four weeks before.")
    evidence: list[EvidenceState] = Field(max_length=len(Metric))
    alone: Word | None = Field(None, description="The phase that would suffice for it alone.")
    sentences: list[Sentence] = Field(max_length=_MANY)


class TableOptionState(BaseModel):
    """A way to bill a table."""

    mode: Word = Field(description="`on demand` or `provisioned`.")
    low: int | None = Field(None, ge=0, description="The smallest capacity, of each index too.")
    high: int | None = Field(None, ge=0)
    monthly_cents: Cents
    throttled_hours: int = Field(ge=0, description="Hours with more than the range allows.")


class TableState(BaseModel):
    """How a table is billed best, by its own hours."""

    table: Word = Field(description="The logical id.")
    hours: int = Field(ge=0, description="Hours of consumed capacity that were read.")
    hours_needed: int = Field(MIN_HOURS, ge=0, description="There is no advice from fewer.")
    current: Word
    options: list[TableOptionState] = Field(max_length=_FEW, description="The best first.")
    utilisation: float = Field(ge=0, description="The used part of the strategy's capacity.")
    break_even: float = Field(ge=0, description="Above it provisioned capacity is cheaper.")
    change: Sentence | None = Field(None, description="The figure to change for the best option.")
    sentences: list[Sentence] = Field(max_length=_FEW)


class AdviceState(BaseModel):
    """The advice of a day."""

    as_of: date
    system: PhaseState
    tables: list[TableState] = Field(max_length=_FEW)
    tenants: list[TenantState] = Field(max_length=_FEW, description="Those with most users first.")
    left_out: int = Field(ge=0, description="Tenants beyond those; `tenant` asks for one.")
    assumptions: list[Sentence] = Field(max_length=_FEW)


class FeatureCost(BaseModel):
    """The cost of a feature."""

    feature: Feature
    cents: Cents


class TenantCost(BaseModel):
    """A tenant's part of the bill."""

    tenant_id: Word | None = Field(None, description="Absent: all tenants that are not listed.")
    cents: Cents
    features: list[FeatureCost] = Field(max_length=len(Feature))


class CauseCost(BaseModel):
    """What a cost comes from."""

    cause: Word = Field(description="A driver, or `fixed`: what is paid without any use.")
    cents: Cents


class BillState(BaseModel):
    """The cost of a month, divided to the cent; each list adds up to `cents`."""

    month: Annotated[str, StringConstraints(pattern=r"^\d{4}-\d{2}$")]
    days: int = Field(ge=1, le=31, description="Complete days so far; the cost is of these.")
    phase: Word
    cents: Cents = Field(description="US cents.")
    tenants: list[TenantCost] = Field(max_length=_MOST + 1, description="The largest first.")
    features: list[FeatureCost] = Field(max_length=len(Feature))
    causes: list[CauseCost] = Field(max_length=_FEW)
    assumptions: list[Sentence] = Field(max_length=_FEW)


def days_view(found: Arrival | None) -> Days | None:
    """In how many days."""
    if found is None:
        return None
    return Days(expected=found.days, earliest=found.earliest, latest=found.latest)


def evidence_view(found: Iterable[Evidence]) -> list[EvidenceState]:
    """Every metric."""
    return [
        EvidenceState(
            metric=one.metric,
            value=float(one.value),
            tier=one.tier,
            a_day=one.trend.slope if one.trend else None,
            a_day_slowest=one.trend.slowest if one.trend else None,
            a_day_fastest=one.trend.fastest if one.trend else None,
            next_boundary=one.next_boundary,
            next_in_days=days_view(one.reached),
            lower_boundary=one.lower_boundary,
            lower_in_days=days_view(one.left),
        )
        for one in found
    ]


def phase_view(one: SystemAdvice) -> PhaseState:
    """What to do about the phase."""
    return PhaseState(
        phase=one.phase,
        urgency=one.urgency,
        target=one.target,
        users=one.users,
        tenants=one.tenants,
        days=one.days,
        days_needed=MIN_DAYS,
        limit_in_days=days_view(one.limit),
        move_by=one.by,
        tier=one.tier,
        evidence=evidence_view(one.evidence),
        move=_move(one.move),
        monthly_cents=cents(one.before),
        monthly_cents_after=cents(one.after),
        options=[_option(option) for option in one.options],
        sentences=list(system_sentences(one)),
    )


def _move(one: Move | None) -> MoveState | None:
    if one is None:
        return None
    given = one._asdict()
    parameters = [f"{name}={value}" for name, value in one.parameters.items()]
    return MoveState.model_validate({**given, "parameters": parameters})


def _option(one: Option) -> OptionState:
    return OptionState(
        phase=one.phase, monthly_cents=cents(one.usd), suits=one.suits, reason=one.reason
    )


def tenant_view(one: TenantAdvice, system: SystemAdvice) -> TenantState:
    """A tenant."""
    return TenantState(
        tenant_id=one.tenant_id,
        days=one.days,
        tier=one.tier,
        tier_before=one.tier_before,
        evidence=evidence_view(one.evidence),
        alone=one.alone,
        sentences=list(tenant_sentences(one, system)),
    )


def table_view(one: TableAdvice) -> TableState:
    """A table."""
    return TableState(
        table=one.table,
        hours=one.hours,
        hours_needed=MIN_HOURS,
        current=one.current,
        options=[_table_option(option) for option in one.options],
        utilisation=round(float(one.utilisation), 4),
        break_even=round(float(one.break_even), 4),
        change=one.change,
        sentences=list(table_sentences(one)),
    )


def _table_option(one: TableOption) -> TableOptionState:
    return TableOptionState(
        mode=one.mode,
        low=one.low,
        high=one.high,
        monthly_cents=cents(one.usd),
        throttled_hours=one.throttled_hours,
    )


def cents(usd: Decimal) -> int:
    """Whole cents."""
    return int((usd * 100).to_integral_value(ROUND_HALF_UP))
