"""What pipelines, products and deals are and what may happen to them. No AWS, no clock, no I/O.

Every transition returns the new state and the events that tell it; nothing here is ever changed in
place.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from kernel.domain.aggregate import Aggregate, born, difference
from kernel.domain.errors import FieldError, Invalid, RuleViolation
from kernel.domain.events import DomainEvent
from opportunities.events import (
    DEFAULT_PIPELINE,
    Forecast,
    OpportunityAmountChanged,
    OpportunityCreated,
    OpportunityFields,
    OpportunityLost,
    OpportunityReassigned,
    OpportunityReopened,
    OpportunityStageChanged,
    OpportunityState,
    OpportunityUpdated,
    OpportunityWon,
    PipelineCreated,
    PipelineFields,
    PipelineState,
    ProductCreated,
    ProductFields,
    ProductState,
    ProductUpdated,
    Stage,
    StageKind,
)

DEFAULT_STAGES = (
    Stage(key="lead", name="Lead", probability=10),
    Stage(key="qualified", name="Qualified", probability=25),
    Stage(key="proposal", name="Proposal", probability=50, forecast_category=Forecast.BEST_CASE),
    Stage(key="negotiation", name="Negotiation", probability=75, forecast_category=Forecast.COMMIT),
    Stage(
        key="won",
        name="Won",
        probability=100,
        kind=StageKind.WON,
        forecast_category=Forecast.CLOSED,
    ),
    Stage(
        key="lost",
        name="Lost",
        probability=0,
        kind=StageKind.LOST,
        forecast_category=Forecast.OMITTED,
    ),
)
_OWNER = frozenset({"owner_id", "team_id"})
_EPOCH = datetime.fromisoformat("2020-01-01T00:00:00+00:00")


class Pipeline(PipelineState, Aggregate):
    """A pipeline with its tenant."""

    @classmethod
    def default(cls, tenant_id: str) -> "Pipeline":
        """The pipeline every tenant has without setting one up; stored once it is used."""
        return cls(
            **born(tenant_id, DEFAULT_PIPELINE, "system", _EPOCH),
            version=1,
            sequence=1,
            name="Sales",
            stages=list(DEFAULT_STAGES),
        )

    @classmethod
    def publish_default(cls, tenant_id: str) -> tuple["Pipeline", PipelineCreated]:
        """The default pipeline, as the tenant's first opportunity in it publishes it."""
        pipeline = cls.default(tenant_id)
        return pipeline, PipelineCreated(current=pipeline)

    @classmethod
    def create(
        cls, tenant_id: str, pipeline_id: str, fields: PipelineFields, by: str, at: datetime
    ) -> tuple["Pipeline", PipelineCreated]:
        """A new pipeline."""
        pipeline = cls(**born(tenant_id, pipeline_id, by, at), **dict(fields))
        return pipeline, PipelineCreated(current=pipeline)

    def stage(self, key: str) -> Stage:
        """A stage by key. Raises Invalid naming the stages there are."""
        for stage in self.stages:
            if stage.key == key:
                return stage
        known = ", ".join(stage.key for stage in self.stages)
        raise Invalid.field("stage", f"is not a stage of pipeline {self.name!r}; it has: {known}")

    def first(self, kind: StageKind) -> Stage:
        """The first stage of a kind."""
        return next(stage for stage in self.stages if stage.kind is kind)


class Product(ProductState, Aggregate):
    """A product with its tenant."""

    @classmethod
    def create(
        cls, tenant_id: str, product_id: str, fields: ProductFields, by: str, at: datetime
    ) -> tuple["Product", ProductCreated]:
        """A new product."""
        product = cls(**born(tenant_id, product_id, by, at), **dict(fields))
        return product, ProductCreated(current=product)

    def update(self, fields: ProductFields) -> tuple["Product", list[DomainEvent]]:
        """Change fields; no event when nothing differs."""
        after = self.with_changes(**dict(fields))
        changed, previous = difference(self, after, ProductFields)
        if not changed:
            return self, []
        return after, [ProductUpdated(current=after, changed=changed, previous=previous)]


@dataclass(frozen=True, slots=True)
class Closing:
    """How and when a deal ended, for deals taken over from elsewhere; None is not known."""

    closed_on: date | None = None
    lost_reason: str | None = None

    def check(self, kind: StageKind) -> None:
        """Raise Invalid for what a deal in a stage of this kind does not have."""
        if self.closed_on is not None and kind is StageKind.OPEN:
            raise Invalid.field("closed_on", "is for a stage of kind won or lost; this one is open")
        if self.lost_reason is not None and kind is not StageKind.LOST:
            raise Invalid.field("lost_reason", f"is for a stage of kind lost; this one is {kind}")


class Opportunity(OpportunityState, Aggregate):
    """A deal with its tenant."""

    @classmethod
    def create(
        cls,
        tenant_id: str,
        opportunity_id: str,
        fields: OpportunityFields,
        pipeline: Pipeline,
        stage: Stage,
        by: str,
        at: datetime,
        closing: Closing | None = None,
    ) -> tuple["Opportunity", list[DomainEvent]]:
        """A new deal; in a closed stage it is taken over closed, with a second event saying so."""
        start = stage if stage.kind is StageKind.OPEN else pipeline.first(StageKind.OPEN)
        opened = cls(
            **born(tenant_id, opportunity_id, by, at),
            **dict(fields),
            pipeline_id=pipeline.id,
            stage_entered_at=at,
            **_standing(start),
        )
        deal, more = opened._brought(stage, closing or Closing(), at)
        return deal, [OpportunityCreated(current=opened), *more]

    def update(
        self, fields: OpportunityFields, closing: Closing | None = None
    ) -> tuple["Opportunity", list[DomainEvent]]:
        """Change fields and, where it is given, what is known of a closed deal's end.

        Another amount and another owner are events of their own; none when nothing differs.
        """
        closing = closing or Closing()
        closing.check(self.status)
        after = self.with_changes(
            **dict(fields),
            closed_on=closing.closed_on or self.closed_on,
            lost_reason=closing.lost_reason or self.lost_reason,
        )
        changed, previous = difference(self, after, OpportunityState)
        if "opened_on" in changed or "closed_on" in changed:
            after._check_days("closed_on" if "closed_on" in changed else "opened_on")
        events: list[DomainEvent] = []
        if set(changed) - {"amount", *_OWNER}:
            events.append(OpportunityUpdated(current=after, changed=changed, previous=previous))
        if "amount" in changed:
            events.append(OpportunityAmountChanged(current=after, previous_amount=self.amount))
        if _OWNER.intersection(changed):
            events.append(self._reassigned(after))
        return (after if events else self), events

    def taken_over(
        self, fields: OpportunityFields, stage: Stage | None, closing: Closing, at: datetime
    ) -> tuple["Opportunity", list[DomainEvent]]:
        """As another system has it now: its fields, its stage (None: as it is), how it ended."""
        if stage is None or stage.key == self.stage:
            return self.update(fields, closing)
        updated, events = self.update(fields)
        deal, more = updated._brought(stage, closing, at)
        return deal, events + more

    def move(self, stage: Stage, at: datetime) -> tuple["Opportunity", list[DomainEvent]]:
        """To another open stage; won and lost have verbs of their own, which ask for more."""
        self._must_be_open("moved")
        if stage.kind is not StageKind.OPEN:
            verb = "won" if stage.kind is StageKind.WON else "lost"
            raise RuleViolation(f"Stage {stage.key!r} closes the deal; use POST …/{verb}.")
        if stage.key == self.stage:
            return self, []
        after = self.with_changes(stage_entered_at=at, **_standing(stage))
        event = OpportunityStageChanged(
            current=after,
            from_stage=self.stage,
            to_stage=stage.key,
            seconds_in_stage=self._seconds(at),
        )
        return after, [event]

    def win(
        self, stage: Stage, at: datetime, closed_on: date | None = None
    ) -> tuple["Opportunity", OpportunityWon]:
        """Close in our favour."""
        self._must_be_open("won")
        after = self.with_changes(
            stage_entered_at=at,
            closed_on=closed_on or at.date(),
            lost_reason=None,
            **_standing(stage),
        )
        after._check_days("closed_on")
        return after, OpportunityWon(
            current=after, from_stage=self.stage, seconds_in_stage=self._seconds(at)
        )

    def lose(
        self, stage: Stage, at: datetime, reason: str, closed_on: date | None = None
    ) -> tuple["Opportunity", OpportunityLost]:
        """Close as lost; without a reason there is nothing to learn from it."""
        self._must_be_open("lost")
        if not reason.strip():
            raise Invalid.field("lost_reason", "is required: say why the deal was lost")
        after = self.with_changes(
            stage_entered_at=at,
            closed_on=closed_on or at.date(),
            lost_reason=reason.strip(),
            **_standing(stage),
        )
        after._check_days("closed_on")
        return after, OpportunityLost(
            current=after, from_stage=self.stage, seconds_in_stage=self._seconds(at)
        )

    def reopen(self, stage: Stage, at: datetime) -> tuple["Opportunity", OpportunityReopened]:
        """Back to an open stage."""
        if self.status is StageKind.OPEN:
            raise RuleViolation("The opportunity is open already.")
        if stage.kind is not StageKind.OPEN:
            raise Invalid.field("stage", "must be an open stage")
        after = self.with_changes(
            stage_entered_at=at, closed_on=None, lost_reason=None, **_standing(stage)
        )
        return after, OpportunityReopened(current=after, from_stage=self.stage)

    def reassign(
        self, owner_id: str, team_id: str | None
    ) -> tuple["Opportunity", list[DomainEvent]]:
        """Give it to another owner or team."""
        if (owner_id, team_id) == (self.owner_id, self.team_id):
            return self, []
        after = self.with_changes(owner_id=owner_id, team_id=team_id)
        return after, [self._reassigned(after)]

    def _reassigned(self, after: "Opportunity") -> OpportunityReassigned:
        return OpportunityReassigned(
            current=after, previous_owner_id=self.owner_id, previous_team_id=self.team_id
        )

    def _brought(
        self, stage: Stage, closing: Closing, at: datetime
    ) -> tuple["Opportunity", list[DomainEvent]]:
        """To the stage another system has it in; reopening is left to those who may."""
        closing.check(stage.kind)
        if self.status is not StageKind.OPEN:
            detail = f"The deal is {self.status}; reopen it before it goes to {stage.name!r}."
            raise RuleViolation(detail, errors=(FieldError("stage", "needs an open deal"),))
        if stage.kind is StageKind.OPEN:
            return self.move(stage, at)
        closed, event = (
            self.win(stage, at, closing.closed_on)
            if stage.kind is StageKind.WON
            else self.lose(stage, at, closing.lost_reason or "", closing.closed_on)
        )
        return closed, [event]

    def _must_be_open(self, verb: str) -> None:
        if self.status is not StageKind.OPEN:
            raise RuleViolation(
                f"Only an open opportunity can be {verb}; this one is {self.status}. Reopen it "
                "first."
            )

    def _seconds(self, at: datetime) -> int:
        return max(0, int((at - self.stage_entered_at).total_seconds()))

    def _check_days(self, given: str) -> None:
        """Raise Invalid naming `given` (opened_on or closed_on) when it ends before it begins."""
        if self.opened_on and self.closed_on and self.closed_on < self.opened_on:
            if given == "opened_on":
                raise Invalid.field("opened_on", f"is after closed_on ({self.closed_on})")
            raise Invalid.field("closed_on", f"is before opened_on ({self.opened_on})")


def _standing(stage: Stage) -> dict[str, Any]:
    """The attributes a deal takes from the stage it is in."""
    return {
        "stage": stage.key,
        "stage_name": stage.name,
        "status": stage.kind,
        "probability": stage.probability,
        "forecast_category": stage.forecast_category,
    }
