"""The part of events this context reads: of its own opportunities, to count the board."""

from pydantic import BaseModel, ConfigDict


class Amount(BaseModel):
    """Money as events carry it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    minor_units: int
    currency: str


class BoardOpportunity(BaseModel):
    """Where an opportunity is on a board."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    pipeline_id: str
    stage: str
    amount: Amount | None = None
    archived_at: str | None = None
