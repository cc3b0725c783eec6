"""Usage of tenants: their days, their tiers, and what administrators see of both."""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from itertools import batched

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from kernel.domain.clock import Clock
from kernel.domain.errors import Conflict, Forbidden, NotFound, StaleVersion
from kernel.domain.permissions import Level
from kernel.domain.principal import RequestContext, system_request
from kernel.storage.records import Page
from kernel.storage.unit_of_work import UnitOfWork
from scaling.context import SCALING
from scaling.events import MetricTiers, TenantId, Tier, TierValues
from scaling.model.tenants import TenantUsage
from scaling.model.usage import DayOfUsage, days_of, tier_values
from scaling.repository.tenants import TenantUsageRepository
from scaling.repository.usage import UsageRepository

MAX_DAYS = 92
"""Days that an answer has at most: three months."""
_AT_ONCE = 100


class UsageOfTenant(BaseModel):
    """A tenant with its tier and its values now."""

    model_config = ConfigDict(frozen=True)

    tenant: TenantId
    tier: Tier = Field(description="The highest one that any value reaches.")
    since: AwareDatetime = Field(description="When the tenant got this tier.")
    metric_tiers: MetricTiers
    values: TierValues = Field(description="As they are now.")


class MeterValues(BaseModel):
    """The values of a day; what was not used is absent."""

    model_config = ConfigDict(frozen=True)

    users: int = Field(ge=0, description="Active people of the directory, at the end of the day.")
    customers: int = Field(ge=0, description="Accounts, at the end of the day.")
    opportunities: int = Field(ge=0, description="Opportunities, at the end of the day.")
    data_mb: float = Field(ge=0, description="MB of 1,000,000 bytes, at the end of the day.")
    active_users: int | None = Field(None, ge=1, description="Users who changed something.")
    concurrent_users: int | None = Field(None, ge=1, description="The most of them in an hour.")
    requests: int | None = Field(None, ge=1, description="Changes that were asked for.")
    report_seconds: float | None = Field(None, gt=0, description="Time of report runs.")


class UsageDay(BaseModel):
    """What a tenant used on one day (UTC)."""

    model_config = ConfigDict(frozen=True)

    day: date
    values: MeterValues


class UsageDays(BaseModel):
    """The days of a tenant on which something changed, oldest first."""

    model_config = ConfigDict(frozen=True)

    tenant: TenantId
    items: list[UsageDay] = Field(max_length=MAX_DAYS)


class UsageService:
    """Reads meters, and keeps tiers up to date."""

    def __init__(
        self, meters: UsageRepository, tenants: TenantUsageRepository, operator: str, now: Clock
    ) -> None:
        self._meters, self._tenants = meters, tenants
        self._operator, self._now = operator, now

    def days_of_usage(self, tenant_id: str, last: int) -> Sequence[DayOfUsage]:
        """The days with a value among the last ones up to today in UTC, oldest first."""
        today = self._now().date()
        first = today - timedelta(days=last - 1)
        total, days = self._meters.days(tenant_id, first)
        return days_of(total, days, self._meters.activity(tenant_id, first, today))

    def metered_tenants(self) -> Sequence[str]:
        """The ids of all tenants with usage, sorted."""
        return self._tenants.metered_ids(self._operator)

    def update_tiers(self, tenant_ids: Iterable[str]) -> None:
        """Compare the values of tenants with their tiers; a tier that changes is published once.

        Of two at the same time one wins. What it has not seen the hourly look corrects.
        """
        for some in batched(tenant_ids, _AT_ONCE, strict=False):
            totals = self._meters.totals(some)
            known = self._tenants.find_all(self._operator, totals)
            for tenant_id, total in totals.items():
                self._update(tenant_id, known.get(tenant_id), tier_values(total))

    def update_all_tiers(self) -> None:
        """The same for every metered tenant."""
        self.update_tiers(self.metered_tenants())

    def list(self, request: RequestContext, limit: int, cursor: str | None) -> Page[UsageOfTenant]:
        """The metered tenants by name, with their values now."""
        self._ensure_operator(request)
        page = self._tenants.list(self._operator, limit, cursor)
        totals = self._meters.totals(one.id for one in page.items)
        items = [
            # Not validated: a wrong value of a stored record is shown as it is.
            UsageOfTenant.model_construct(
                tenant=one.id,
                tier=one.tier,
                since=one.since,
                metric_tiers=one.metric_tiers,
                values=tier_values(totals.get(one.id, {})),
            )
            for one in page.items
        ]
        return Page(items=items, next_cursor=page.next_cursor)

    def days(self, request: RequestContext, tenant_id: str, last: int) -> UsageDays:
        """The last days of a tenant. Raises NotFound for one that is not metered."""
        self._ensure_operator(request)
        if self._tenants.show(self._operator, tenant_id, consistent=True) is None:
            raise NotFound(f"The tenant {tenant_id} has no usage.")
        found = self.days_of_usage(tenant_id, last)
        return UsageDays(tenant=tenant_id, items=list(map(_shown, found)))

    def _update(self, tenant_id: str, before: TenantUsage | None, values: TierValues) -> None:
        at = self._now()
        change = (
            before.metered(values, at)
            if before
            else TenantUsage.begin(self._operator, tenant_id, values, at)
        )
        try:
            self._tenants.save(UnitOfWork(system_request(self._operator)), before, change)
        except (Conflict, StaleVersion):
            return

    def _ensure_operator(self, request: RequestContext) -> None:
        request.principal.require(Level.READ, SCALING)
        if request.tenant_id != self._operator:
            raise Forbidden("Only the tenant that operates the system sees the usage of tenants.")


def _shown(found: DayOfUsage) -> UsageDay:
    values = {str(meter): value for meter, value in found.values.items()}
    return UsageDay(day=found.day, values=MeterValues.model_validate(values))
