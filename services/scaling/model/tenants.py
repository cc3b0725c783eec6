"""The usage tier of a tenant, and when it changes. No AWS, no clock."""

from datetime import datetime
from typing import ClassVar, Self

from kernel.domain.aggregate import Aggregate, Change, new_record
from kernel.domain.events import DomainEvent
from kernel.domain.principal import SYSTEM_USER
from scaling.events import (
    MetricTiers,
    TenantTierChanged,
    TenantUsageState,
    TenantUsageUpdated,
    Tier,
    TierValues,
)
from scaling.model.tiers import Metric, highest, metric_tiers


class TenantUsage(TenantUsageState, Aggregate):
    """The record of a metered tenant; its own tenant is the one that operates the system."""

    updated_event: ClassVar[type[DomainEvent]] = TenantUsageUpdated

    @classmethod
    def begin(
        cls, operator: str, tenant_id: str, values: TierValues, at: datetime
    ) -> Change["TenantUsage"]:
        """The first tier of a tenant."""
        tiers, tier = _tiers(values, None)
        usage = cls(
            **new_record(operator, tenant_id, SYSTEM_USER, at),
            tier=tier,
            metric_tiers=tiers,
            values=values,
            since=at,
        )
        return Change(usage, (TenantTierChanged(current=usage),))

    def metered(self, values: TierValues, at: datetime) -> Change[Self]:
        """The tier by these values, seen from the tiers before; nothing changes within them.

        When a metric reaches another tier and the highest one stays, no event is published.
        """
        before = {one: getattr(self.metric_tiers, one) for one in Metric}
        tiers, tier = _tiers(values, before)
        if tiers == self.metric_tiers:
            return Change(self)
        if tier is self.tier:
            return Change(self.with_changes(metric_tiers=tiers, values=values))
        after = self.with_changes(metric_tiers=tiers, values=values, tier=tier, since=at)
        return Change(after, (TenantTierChanged(current=after, previous_tier=self.tier),))

    def as_restored(self, current: Self | None, _at: datetime) -> Self | None:
        """Not brought to an earlier state: the tier follows from the counters of today.

        A lost one is put back, so that the tenant is listed, and its next event is a later one.
        """
        return self if current is None else None

    def as_created_later(self, _at: datetime, *, lost: bool) -> Self:  # noqa: ARG002 - of the base
        """As it is: the tenant is metered, whatever the time to which the table is restored."""
        return self


def _tiers(values: TierValues, before: dict[Metric, Tier] | None) -> tuple[MetricTiers, Tier]:
    """The tier of each value, and the highest one."""
    found = metric_tiers({one: getattr(values, one) for one in Metric}, before)
    return MetricTiers(**{str(one): tier for one, tier in found.items()}), highest(found.values())
