"""Events this context publishes, with the records they carry: the source of its schemas."""

from enum import StrEnum
from typing import Annotated

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StringConstraints,
    model_validator,
)

from kernel.domain.dates import PlainDate
from kernel.domain.events import DomainEvent, Fields, Name, Snapshot, StreamGap, Text
from kernel.domain.ids import Id
from kernel.domain.money import Money

StageKey = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
PipelineId = Annotated[str, StringConstraints(pattern=r"^(default|[0-7][0-9A-HJKMNP-TV-Z]{25})$")]
DEFAULT_PIPELINE = "default"


class StageKind(StrEnum):
    """What a stage means for the deal in it."""

    OPEN = "open"
    WON = "won"
    LOST = "lost"


class Forecast(StrEnum):
    """Forecast category: how a deal counts in a forecast; omitted ones never do."""

    PIPELINE = "pipeline"
    BEST_CASE = "best_case"
    COMMIT = "commit"
    CLOSED = "closed"
    OMITTED = "omitted"


class Stage(BaseModel):
    """One step of a pipeline."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: StageKey
    name: Name
    probability: int = Field(strict=True, ge=0, le=100, description="Chance of winning, percent.")
    kind: StageKind = StageKind.OPEN
    forecast_category: Forecast = Forecast.PIPELINE


class PipelineFields(Fields):
    """What a caller may set on a pipeline."""

    name: Name
    stages: list[Stage] = Field(min_length=3, max_length=20)

    @model_validator(mode="after")
    def _complete(self) -> "PipelineFields":
        keys = [stage.key for stage in self.stages]
        if len(set(keys)) != len(keys):
            raise ValueError("stages: every key must be there once")
        kinds = [stage.kind for stage in self.stages]
        if kinds.count(StageKind.WON) != 1 or kinds.count(StageKind.LOST) != 1:
            raise ValueError("stages: exactly one must be of kind won and one of kind lost")
        if StageKind.OPEN not in kinds:
            raise ValueError("stages: at least one must be of kind open")
        return self


class PipelineState(Snapshot, PipelineFields):
    """A sales pipeline: the ordered stages a deal goes through."""

    id: PipelineId


class ProductFields(Fields):
    """What a caller may set on a product."""

    name: Name
    code: Annotated[str, StringConstraints(max_length=60, strip_whitespace=True)] | None = None
    family: Name | None = None
    price: Money | None = Field(None, description="List price.")
    active: StrictBool = True


class ProductState(Snapshot, ProductFields):
    """Something we sell."""


class OpportunityFields(Fields):
    """What a caller may set on an opportunity; the stage moves by verbs."""

    name: Name
    account_id: Id | None = None
    contact_id: Id | None = None
    amount: Money | None = Field(None, description="What we expect to earn, or earned.")
    product_id: Id | None = None
    expected_close_on: PlainDate | None = None
    opened_on: PlainDate | None = Field(None, description="When we began to work on it.")
    region: Name | None = None
    description: Text | None = None


class OpportunityState(Snapshot, OpportunityFields):
    """A deal we may win."""

    pipeline_id: PipelineId
    stage: StageKey
    stage_name: Name
    status: StageKind = Field(description="open, won or lost: the kind of its stage.")
    probability: int = Field(ge=0, le=100)
    forecast_category: Forecast
    stage_entered_at: AwareDatetime
    closed_on: PlainDate | None = None
    lost_reason: Name | None = None


class PipelineCreated(DomainEvent, context="opportunities"):
    """A pipeline was set up; the default one, with the tenant's first opportunity in it."""

    current: PipelineState


class ProductCreated(DomainEvent, context="opportunities"):
    """A product entered the catalogue."""

    current: ProductState


class ProductUpdated(DomainEvent, context="opportunities"):
    """A product changed."""

    current: ProductState
    changed: list[str]
    previous: dict[str, object]


class OpportunityEvent(DomainEvent):
    """Base of the events about an opportunity."""

    current: OpportunityState


class OpportunityCreated(OpportunityEvent, context="opportunities"):
    """A deal was opened (or taken over from another system, open or closed)."""


class OpportunityUpdated(OpportunityEvent, context="opportunities"):
    """Fields of a deal, or what is known of a closed one's end, changed.

    `previous` has their earlier values.
    """

    changed: list[str]
    previous: dict[str, object]


class OpportunityAmountChanged(OpportunityEvent, context="opportunities"):
    """What we expect to earn changed."""

    previous_amount: Money | None = None


class OpportunityStageChanged(OpportunityEvent, context="opportunities"):
    """A deal moved to another open stage."""

    from_stage: StageKey
    to_stage: StageKey
    seconds_in_stage: int = Field(ge=0, description="Time spent in `from_stage`, seconds.")


class OpportunityReassigned(OpportunityEvent, context="opportunities"):
    """A deal got another owner or another team, or lost the one it had.

    Who had it before is told whole, also when only the owner or only the team changed.
    """

    previous_owner_id: str | None = None
    previous_team_id: str | None = None


class OpportunityWon(OpportunityEvent, context="opportunities"):
    """A sale was closed in our favour."""

    from_stage: StageKey
    seconds_in_stage: int = Field(ge=0)


class OpportunityLost(OpportunityEvent, context="opportunities"):
    """A sale was lost; `current.lost_reason` says why."""

    from_stage: StageKey
    seconds_in_stage: int = Field(ge=0)


class OpportunityReopened(OpportunityEvent, context="opportunities"):
    """A closed deal was opened again."""

    from_stage: StageKey


class StreamGapDetected(StreamGap, context="opportunities"):
    """A projection of this context waits for an event that has not come."""
