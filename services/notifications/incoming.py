"""The part of other contexts' events that notifications need: recipients and texts."""

from pydantic import BaseModel, ConfigDict

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
