"""The part of other contexts' events that notifications need: recipients and texts."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from kernel.domain.money import format_money
from kernel.messaging.upcasting import EventUpcasters

UPCASTERS: EventUpcasters = {}
"""How events of older versions are read; no event has a second version yet."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Amount(_Part):
    """Money as events carry it."""

    minor_units: int
    currency: str

    def formatted(self) -> str:
        """For people: `USD 1,054.00`."""
        return format_money(self.minor_units, self.currency)


class WonOpportunity(_Part):
    """OpportunityWon's `current`."""

    id: str
    name: str
    owner_id: str | None = None
    amount: Amount | None = None


class AssignedTask(_Part):
    """TaskAssigned's `current`."""

    id: str
    title: str
    assignee_id: str | None = None
    due_on: str | None = None


class Parameters(_Part):
    """Which report was requested."""

    report: str


class EndedReport(_Part):
    """`current` of ReportCompleted and ReportFailed."""

    id: str
    parameters: Parameters
    created_by: str
    reason: str | None = None


class ImportParameters(_Part):
    """What was imported."""

    record_type: str
    dry_run: bool = False


class ImportResult(_Part):
    """What became of the lines of a file."""

    lines: int
    rejected: int = 0


class EndedImport(_Part):
    """`current` of ImportCompleted and ImportFailed."""

    id: str
    parameters: ImportParameters
    created_by: str
    reason: str | None = None
    outcome: ImportResult | None = None


class ScalingAction(_Part):
    """`current` of the events about what the scaling controller did."""

    id: str
    status: str
    because: str
    setting: str | None = None
    resource: str | None = None
    before: int | None = None
    after: int | None = None
    parameter: str | None = None
    reason: str | None = None
    brought_nothing: bool = False


class RefusedMove(_Part):
    """`current` of RegionMoveRefused: writes were to move to another region."""

    id: str
    operator: str
    target: str
    because: str


class TierValues(_Part):
    """The values on which a tier depends."""

    users: int
    customers: int
    opportunities: int
    data_mb: int


class MetricTiers(_Part):
    """The tier that each value reaches."""

    users: str
    customers: str
    opportunities: str
    data_mb: str


class TenantUsage(_Part):
    """TenantTierChanged's `current`; its id is the tenant that is metered."""

    id: str
    tier: str
    values: TierValues
    metric_tiers: MetricTiers


class TierChange(_Part):
    """The data of TenantTierChanged."""

    current: TenantUsage
    previous_tier: str | None = None


HANDOVERS = ("AccountUpdated", "ContactUpdated", "OpportunityReassigned", "TaskUpdated")
"""The events of which the owner of a record may have changed."""
SCALING = (
    "ScalingActionProposed",
    "ScalingActionApplied",
    "ScalingActionKept",
    "ScalingActionRolledBack",
    "ScalingActionRefused",
)
"""The events of the scaling controller, of which administrators are notified."""
TIER_CHANGED = "TenantTierChanged"
"""A tenant has another usage tier; administrators are notified of this as well."""
MOVE_REFUSED = "RegionMoveRefused"
"""A move of writes between two regions was refused; administrators are notified."""


class Owned(_Part):
    """`current` of a record with an owner."""

    owner_id: str | None = None
    name: str | None = None
    title: str | None = None
    first_name: str | None = None
    last_name: str | None = None

    @property
    def display_name(self) -> str:
        """The record's name for people; a contact's title is a job."""
        person = " ".join(part for part in (self.first_name, self.last_name) if part)
        return self.name or person or self.title or ""


class HandedOver(_Part):
    """The data of an event after which a record may have another owner."""

    current: Owned
    changed: list[str] = Field(default_factory=list)
    previous: dict[str, Any] = Field(default_factory=dict)
    previous_owner_id: str | None = None

    @property
    def earlier_owner(self) -> str | None:
        """The owner before the event."""
        if "previous_owner_id" in self.model_fields_set:
            return self.previous_owner_id
        if "owner_id" in self.changed:
            return self.previous.get("owner_id")
        return self.current.owner_id
