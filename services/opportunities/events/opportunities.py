"""The events of opportunities and the state they carry; the source of their schemas."""

from pydantic import AwareDatetime, Field

from kernel.domain.dates import BusinessDate
from kernel.domain.events import DomainEvent, Fields, Name, Snapshot, Text, empty
from kernel.domain.ids import Id
from kernel.domain.money import Money
from opportunities.events.pipelines import ForecastCategory, PipelineId, StageKey, StageKind


class OpportunityFields(Fields):
    """What a caller may set on an opportunity; the stage has its own routes."""

    name: Name
    account_id: Id | None = None
    contact_id: Id | None = None
    amount: Money | None = Field(None, description="The expected or final value of the deal.")
    product_id: Id | None = None
    expected_close_on: BusinessDate | None = None
    opened_on: BusinessDate | None = Field(None, description="When the work on it began.")
    region: Name | None = None
    description: Text | None = None


class OpportunityChanges(OpportunityFields):
    """What a caller may change on an opportunity; its state decides who (model/rights.py)."""

    closed_on: BusinessDate | None = Field(
        None, description="A correction of the closing day of a closed opportunity."
    )
    lost_reason: Name | None = Field(
        None, description="A correction of the reason of a lost opportunity."
    )


class OpportunityState(Snapshot, OpportunityFields):
    """A possible sale."""

    pipeline_id: PipelineId
    stage: StageKey
    stage_name: Name
    status: StageKind = Field(description="open, won or lost: the kind of its stage.")
    probability: int = Field(ge=0, le=100)
    forecast_category: ForecastCategory
    stage_entered_at: AwareDatetime
    closed_on: BusinessDate | None = None
    lost_reason: Name | None = None
    wins: int = Field(
        0, ge=0, exclude_if=empty, description="How often it was won; more than 1 after reopening."
    )


class OpportunityEvent(DomainEvent):
    """Base of the events about an opportunity."""

    current: OpportunityState


class OpportunityCreated(OpportunityEvent, context="opportunities"):
    """An opportunity was created, or imported from another system."""


class OpportunityUpdated(OpportunityEvent, context="opportunities"):
    """Fields of an opportunity, or the close details of a closed one, changed.

    `previous` has their earlier values.
    """

    changed: list[str]
    previous: dict[str, object]


class OpportunityAmountChanged(OpportunityEvent, context="opportunities"):
    """The amount of an opportunity changed."""

    previous_amount: Money | None = None


class OpportunityCorrected(OpportunityEvent, context="opportunities"):
    """Figures of a closed opportunity were corrected: the reports of a past period change.

    Published last, besides the events of the fields that changed. `changed` has only the figures
    (amount, closing day, reason, …), `previous` their earlier values.
    """

    changed: list[str]
    previous: dict[str, object]


class OpportunityStageChanged(OpportunityEvent, context="opportunities"):
    """An opportunity moved to another open stage."""

    from_stage: StageKey
    to_stage: StageKey
    seconds_in_stage: int = Field(ge=0, description="Seconds spent in `from_stage`.")


class OpportunityReassigned(OpportunityEvent, context="opportunities"):
    """The owner or the team of an opportunity changed.

    Both previous values are present, also when only one of them changed.
    """

    previous_owner_id: str | None = None
    previous_team_id: str | None = None


class OpportunityWon(OpportunityEvent, context="opportunities"):
    """An opportunity was won."""

    from_stage: StageKey
    seconds_in_stage: int = Field(ge=0)
    win: int = Field(
        1,
        ge=1,
        description="Which win of this opportunity it is. A later one takes the place of the "
        "earlier: the opportunity was reopened in between.",
    )


class OpportunityLost(OpportunityEvent, context="opportunities"):
    """An opportunity was lost; `current.lost_reason` is the reason."""

    from_stage: StageKey
    seconds_in_stage: int = Field(ge=0)


class OpportunityReopened(OpportunityEvent, context="opportunities"):
    """A closed opportunity was reopened."""

    from_stage: StageKey
    win: int | None = Field(
        None, ge=1, description="The win that this takes back; absent when it was lost."
    )
