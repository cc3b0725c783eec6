"""The part of events this context reads: of its own runs, to start them.

The lake writer reads only envelopes, and queries read lake files by an explicit schema
(query/event_table.py), whose members are those of ReportedOpportunity.
"""

from datetime import date

from pydantic import BaseModel, ConfigDict


class RequestedReport(BaseModel):
    """A run that was asked for."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str


class Price(BaseModel):
    """Money as events carry it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    minor_units: int
    currency: str


class ReportedOpportunity(BaseModel):
    """What reports read of an opportunity."""

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
