"""The use cases of the adviser: advice, and the bill."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta

from kernel.domain.clock import Clock
from kernel.domain.errors import FieldError, Invalid
from kernel.domain.principal import RequestContext
from kernel.runtime.work import carried
from scaling.model.advice import ASSUMPTIONS, LAST_DAYS, advise
from scaling.model.bill import ASSUMPTIONS as OF_BILLS
from scaling.model.bill import Bill, BillError, bill_of
from scaling.model.costs import Feature, document
from scaling.model.inventory import Inventory
from scaling.model.series import consumption_of
from scaling.model.table_advice import HOUR, WEEKS, TableAdvice, table_advice
from scaling.model.usage import Meter
from scaling.model.usage_totals import CARRIED, Usage, latest
from scaling.service.advice_views import (
    AdviceState,
    BillState,
    CauseCost,
    FeatureCost,
    TenantCost,
    phase_view,
    table_view,
    tenant_view,
)
from scaling.service.operator import ensure_operator
from scaling.service.ports import Metrics, UsageReader

MOST_TENANTS = 50
"""Tenants that one answer has advice for: a trend of 90 days takes milliseconds."""
MOST_ROWS = 1_000
"""Tenants that a bill lists; the others are one row."""
_AT_A_TIME = 10
"""Tenants that are read at a time: as many as an AWS client has connections."""
_HISTORY = timedelta(days=366)
"""How far back a month may begin."""


class Adviser:
    """What administrators of the operator's tenant ask about usage, phase and cost."""

    def __init__(self, usage: UsageReader, phase: str, operator: str, now: Clock) -> None:
        self._usage, self._phase, self._operator, self._now = usage, phase, operator, now

    def advise(
        self,
        request: RequestContext,
        inventory: Inventory,
        metrics: Metrics,
        tenant_id: str | None = None,
    ) -> AdviceState:
        """The advice of today: for the system, its tables, and each tenant or only this one.

        Raises Invalid for a tenant without usage.
        """
        ensure_operator(request, self._operator)
        usage = self._read(LAST_DAYS)
        if tenant_id is not None and tenant_id not in usage:
            raise _wrong("tenant", "must be a tenant with usage")
        largest = sorted(usage, key=lambda one: (-(latest(usage[one], Meter.USERS) or 0), one))
        wanted = [tenant_id] if tenant_id is not None else largest[:MOST_TENANTS]
        found = advise(usage, self._phase, self._now().date(), wanted)
        tables = self._tables(inventory, metrics)
        return AdviceState(
            as_of=found.today,
            system=phase_view(found.system),
            tables=[table_view(one) for one in tables],
            tenants=[tenant_view(one, found.system) for one in found.tenants],
            left_out=len(usage) - len(wanted) if tenant_id is None else 0,
            assumptions=list(ASSUMPTIONS),
        )

    def bill(
        self, request: RequestContext, month: date | None = None, cents: int | None = None
    ) -> BillState:
        """The bill of a month, of the last complete one by default.

        Raises Invalid for a month without a complete day and one that is too long ago.
        """
        ensure_operator(request, self._operator)
        today = self._now().date()
        first = month or (today.replace(day=1) - timedelta(days=1)).replace(day=1)
        if today - first > _HISTORY:
            raise _wrong("month", "must be one of the last twelve months")
        usage = self._read((today - first + CARRIED).days + 1)
        try:
            found = bill_of(usage, self._phase, first, today, self._operator, cents)
        except BillError as error:
            raise _wrong("month", f"must have begun before today. {error}") from error
        return bill_view(found)

    def _read(self, days: int) -> Usage:
        tenants = self._usage.metered_tenants()
        with ThreadPoolExecutor(_AT_A_TIME) as readers:
            read = carried(lambda one: self._usage.days_of_usage(one, days))
            found = readers.map(read, tenants)
            return dict(zip(tenants, found, strict=True))

    def _tables(self, inventory: Inventory, metrics: Metrics) -> list[TableAdvice]:
        until = self._now().replace(minute=0, second=0, microsecond=0)
        ranges = document()["ranges"]
        tables = {name: one for name, one in inventory.tables.items() if name in ranges}
        series = {
            f"{name} {kind}": several
            for name, one in tables.items()
            for kind, several in consumption_of(one).items()
        }
        period = int(HOUR.total_seconds())
        values = metrics.fetch(series, period, until - WEEKS, until) if series else {}
        return [table_advice(name, self._phase, _of(name, values), until) for name in tables]


def _of(
    table: str, values: Mapping[str, list[dict[datetime, float]]]
) -> dict[str, list[dict[datetime, float]]]:
    return {kind: values[f"{table} {kind}"] for kind in ("read", "write")}


def bill_view(found: Bill) -> BillState:
    """The bill as the API answers it, the largest tenants first."""
    sums = {tenant: sum(parts.values()) for tenant, parts in found.tenants.items()}
    order = sorted(sums, key=lambda one: (-sums[one], one))
    rows: list[TenantCost] = [
        _tenant_cost(tenant, [found.tenants[tenant]]) for tenant in order[:MOST_ROWS]
    ]
    if others := order[MOST_ROWS:]:
        rows.append(_tenant_cost(None, [found.tenants[one] for one in others]))
    return BillState(
        month=f"{found.month:%Y-%m}",
        days=found.days,
        phase=found.phase,
        cents=found.cents,
        tenants=rows,
        features=_features(found.of_features()),
        causes=[CauseCost(cause=one, cents=part) for one, part in found.causes.items()],
        assumptions=list(OF_BILLS),
    )


def _tenant_cost(tenant: str | None, several: list[Mapping[Feature, int]]) -> TenantCost:
    parts = {one: sum(features[one] for features in several) for one in Feature}
    return TenantCost(tenant_id=tenant, cents=sum(parts.values()), features=_features(parts))


def _features(parts: Mapping[Feature, int]) -> list[FeatureCost]:
    return [FeatureCost(feature=one, cents=parts[one]) for one in Feature]


def _wrong(field: str, message: str) -> Invalid:
    return Invalid(f"{field} {message}", errors=(FieldError(field, message),))
