"""The part of this context's own events that the board needs."""

from pydantic import BaseModel, ConfigDict

from kernel.messaging.upcasting import EventUpcasters

UPCASTERS: EventUpcasters = {}
"""How events of older versions are read; no event has a second version yet."""


class Amount(BaseModel):
    """Money as events carry it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    minor_units: int
    currency: str


class BoardOpportunity(BaseModel):
    """The fields that place an opportunity on a board."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    pipeline_id: str
    stage: str
    amount: Amount | None = None
    archived_at: str | None = None
