"""The part of events that this context reads.

The workflow starter reads ReportedRun. Queries read lake files with an explicit schema
(query/event_table.py) that has the fields of ReportedOpportunity.
"""

from datetime import date

from pydantic import BaseModel, ConfigDict

from kernel.messaging.upcasting import EventUpcasters

UPCASTERS: EventUpcasters = {}
"""How events of older versions are read; no event has a second version yet."""


class ReportedRun(BaseModel):
    """A run that was requested, or has ended."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str


class Price(BaseModel):
    """Money as events carry it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    minor_units: int
    currency: str


class ReportedOpportunity(BaseModel):
    """The fields of an opportunity that reports read."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    status: str
    amount: Price | None = None
    probability: int
    forecast_category: str
    expected_close_on: date | None = None
    closed_on: date | None = None
    archived_at: str | None = None
    owner_id: str | None = None
    team_id: str | None = None
    region: str | None = None
    product_id: str | None = None
    account_id: str | None = None
    pipeline_id: str
    stage: str
    stage_name: str
