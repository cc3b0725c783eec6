"""The opportunity aggregate: its rules and transitions. No AWS, no clock, no I/O."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import ClassVar

from kernel.domain.aggregate import Aggregate, Change, changed_fields, new_record
from kernel.domain.errors import FieldError, Invalid, RuleViolation
from kernel.domain.events import DomainEvent
from opportunities.events.opportunities import (
    OpportunityAmountChanged,
    OpportunityChanges,
    OpportunityCorrected,
    OpportunityCreated,
    OpportunityFields,
    OpportunityLost,
    OpportunityReassigned,
    OpportunityReopened,
    OpportunityStageChanged,
    OpportunityState,
    OpportunityUpdated,
    OpportunityWon,
)
from opportunities.events.pipelines import Stage, StageKind
from opportunities.model.pipelines import Pipeline, stage_attributes
from opportunities.model.rights import figures

_OWNER_FIELDS = frozenset({"owner_id", "team_id"})
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class CloseDetails:
    """When and why an opportunity was closed, in an import or a correction; None: unknown."""

    closed_on: date | None = None
    lost_reason: str | None = None

    @classmethod
    def corrected(cls, changes: OpportunityChanges, kind: StageKind) -> "CloseDetails":
        """The details that a caller changes. Raises Invalid for one that is removed."""
        for name, has_it in (
            ("closed_on", kind is not StageKind.OPEN),
            ("lost_reason", kind is StageKind.LOST),
        ):
            if has_it and name in changes.model_fields_set and getattr(changes, name) is None:
                raise Invalid.field(name, f"may be corrected, but not removed: this one is {kind}")
        return cls(changes.closed_on, changes.lost_reason)

    def check(self, kind: StageKind) -> None:
        """Raise Invalid for a detail that does not fit a stage of this kind."""
        if self.closed_on is not None and kind is StageKind.OPEN:
            raise Invalid.field("closed_on", "is for a stage of kind won or lost; this one is open")
        if self.lost_reason is not None and kind is not StageKind.LOST:
            raise Invalid.field("lost_reason", f"is for a stage of kind lost; this one is {kind}")


class Opportunity(OpportunityState, Aggregate):
    """An opportunity with its tenant."""

    updated_event: ClassVar[type[DomainEvent]] = OpportunityUpdated

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
        today: date,
        close_details: CloseDetails | None = None,
    ) -> Change["Opportunity"]:
        """A new opportunity. For a closed stage, its creation and its closing are two events.

        `today` is the day on which it was closed when the details do not name one.
        """
        start = stage if stage.kind is StageKind.OPEN else pipeline.first_stage(StageKind.OPEN)
        opened = cls(
            **new_record(tenant_id, opportunity_id, by, at),
            **dict(fields),
            pipeline_id=pipeline.id,
            stage_entered_at=at,
            **stage_attributes(start),
        )
        opened._check_expected_day("expected_close_on")
        moved = opened._import_stage(stage, close_details or CloseDetails(), at, today)
        return Change(moved.state, (OpportunityCreated(current=opened), *moved.events))

    def update(
        self, fields: OpportunityFields, today: date, close_details: CloseDetails | None = None
    ) -> Change["Opportunity"]:
        """Change fields and, if given, the closing details of a closed opportunity.

        A change of amount, a change of owner or team and a correction of closed figures have their
        own events. `today` is the tenant's.
        """
        close_details = close_details or CloseDetails()
        close_details.check(self.status)
        after = self.with_fields(
            fields,
            closed_on=close_details.closed_on or self.closed_on,
            lost_reason=close_details.lost_reason or self.lost_reason,
        )
        changed, previous = changed_fields(self, after, OpportunityState)
        if "opened_on" in changed or "closed_on" in changed:
            after._check_closing_day("closed_on" if "closed_on" in changed else "opened_on", today)
        if "opened_on" in changed or "expected_close_on" in changed:
            after._check_expected_day(
                "expected_close_on" if "expected_close_on" in changed else "opened_on"
            )
        events: list[DomainEvent] = []
        if set(changed) - {"amount", *_OWNER_FIELDS}:
            events.append(OpportunityUpdated(current=after, changed=changed, previous=previous))
        if "amount" in changed:
            events.append(OpportunityAmountChanged(current=after, previous_amount=self.amount))
        if _OWNER_FIELDS.intersection(changed):
            events.append(self._reassigned(after))
        if corrected := figures(self.status, changed):
            before = {name: previous[name] for name in corrected if name in previous}
            events.append(OpportunityCorrected(current=after, changed=corrected, previous=before))
        return Change(after, tuple(events)) if events else Change(self)

    def apply_import(
        self,
        fields: OpportunityFields,
        stage: Stage | None,
        close_details: CloseDetails,
        at: datetime,
        today: date,
    ) -> Change["Opportunity"]:
        """Update from an imported record: fields, stage (None: unchanged) and closing details."""
        if stage is None or stage.key == self.stage:
            return self.update(fields, today, close_details)
        updated = self.update(fields, today)
        moved = updated.state._import_stage(stage, close_details, at, today)
        return Change(moved.state, updated.events + moved.events)

    def move(self, stage: Stage, at: datetime) -> Change["Opportunity"]:
        """Move to another open stage."""
        self._ensure_open("moved")
        if stage.kind is not StageKind.OPEN:
            verb = "won" if stage.kind is StageKind.WON else "lost"
            raise RuleViolation(f"Stage {stage.key!r} closes the opportunity; use POST …/{verb}.")
        if stage.key == self.stage:
            return Change(self)
        after = self.with_changes(stage_entered_at=at, **stage_attributes(stage))
        event = OpportunityStageChanged(
            current=after,
            from_stage=self.stage,
            to_stage=stage.key,
            seconds_in_stage=self._seconds_in_stage(at),
        )
        return Change(after, (event,))

    def win(
        self, stage: Stage, at: datetime, today: date, closed_on: date | None
    ) -> Change["Opportunity"]:
        """Close as won, by default on `today`, the tenant's."""
        self._ensure_open("won")
        after = self._closed(stage, at, today, closed_on, None)
        after = after.with_changes(wins=self.wins + 1)
        event = OpportunityWon(
            current=after,
            from_stage=self.stage,
            seconds_in_stage=self._seconds_in_stage(at),
            win=after.wins,
        )
        return Change(after, (event,))

    def lose(
        self, stage: Stage, at: datetime, reason: str, today: date, closed_on: date | None
    ) -> Change["Opportunity"]:
        """Close as lost, by default on `today`. Raises Invalid without a reason."""
        self._ensure_open("lost")
        if not reason.strip():
            raise Invalid.field("lost_reason", "is required: say why the opportunity was lost")
        after = self._closed(stage, at, today, closed_on, reason.strip())
        event = OpportunityLost(
            current=after, from_stage=self.stage, seconds_in_stage=self._seconds_in_stage(at)
        )
        return Change(after, (event,))

    def reopen(self, stage: Stage, at: datetime) -> Change["Opportunity"]:
        """Reopen in an open stage."""
        if self.status is StageKind.OPEN:
            raise RuleViolation("The opportunity is open already.")
        if stage.kind is not StageKind.OPEN:
            raise Invalid.field("stage", "must be an open stage")
        won = self.status is StageKind.WON
        # A record that was won before wins were counted has one.
        after = self.with_changes(
            stage_entered_at=at,
            closed_on=None,
            lost_reason=None,
            wins=max(self.wins, int(won)),
            **stage_attributes(stage),
        )
        win = after.wins if won else None
        event = OpportunityReopened(current=after, from_stage=self.stage, win=win)
        return Change(after, (event,))

    def reassign(self, owner_id: str, team_id: str | None) -> Change["Opportunity"]:
        """Change owner and team. Without a difference, there is no event."""
        if (owner_id, team_id) == (self.owner_id, self.team_id):
            return Change(self)
        after = self.with_changes(owner_id=owner_id, team_id=team_id)
        return Change(after, (self._reassigned(after),))

    def _reassigned(self, after: "Opportunity") -> OpportunityReassigned:
        return OpportunityReassigned(
            current=after, previous_owner_id=self.owner_id, previous_team_id=self.team_id
        )

    def _import_stage(
        self, stage: Stage, close_details: CloseDetails, at: datetime, today: date
    ) -> Change["Opportunity"]:
        """Move to the stage of the imported record. An import cannot reopen an opportunity."""
        close_details.check(stage.kind)
        if self.status is not StageKind.OPEN:
            detail = (
                f"The opportunity is {self.status}; reopen it before it goes to {stage.name!r}."
            )
            raise RuleViolation(detail, errors=(FieldError("stage", "needs an open opportunity"),))
        closed_on = close_details.closed_on
        match stage.kind:
            case StageKind.OPEN:
                return self.move(stage, at)
            case StageKind.WON:
                return self.win(stage, at, today, closed_on)
            case StageKind.LOST:
                return self.lose(stage, at, close_details.lost_reason or "", today, closed_on)

    def _closed(
        self,
        stage: Stage,
        at: datetime,
        today: date,
        closed_on: date | None,
        lost_reason: str | None,
    ) -> "Opportunity":
        after = self.with_changes(
            stage_entered_at=at,
            closed_on=closed_on or today,
            lost_reason=lost_reason,
            **stage_attributes(stage),
        )
        after._check_closing_day("closed_on", today)
        return after

    def _ensure_open(self, verb: str) -> None:
        if self.status is not StageKind.OPEN:
            raise RuleViolation(
                f"Only an open opportunity can be {verb}; this one is {self.status}. Reopen it "
                "first."
            )

    def _seconds_in_stage(self, at: datetime) -> int:
        return max(0, int((at - self.stage_entered_at).total_seconds()))

    def _check_closing_day(self, given: str, today: date) -> None:
        """Raise Invalid, naming the field `given`, for a closing day too early or too late.

        One day of tolerance, because the caller's calendar may be ahead of the tenant's.
        """
        if self.closed_on is None:
            return
        if given == "closed_on" and self.closed_on > today + _DAY:
            raise Invalid.field("closed_on", f"is after tomorrow ({today + _DAY})")
        if self.opened_on and self.closed_on < self.opened_on:
            if given == "opened_on":
                raise Invalid.field("opened_on", f"is after closed_on ({self.closed_on})")
            raise Invalid.field("closed_on", f"is before opened_on ({self.opened_on})")

    def _check_expected_day(self, given: str) -> None:
        """Raise Invalid, naming the field `given`, when expected_close_on is before opened_on."""
        if not self.opened_on or not self.expected_close_on:
            return
        if self.expected_close_on < self.opened_on:
            if given == "opened_on":
                raise Invalid.field(
                    "opened_on", f"is after expected_close_on ({self.expected_close_on})"
                )
            raise Invalid.field("expected_close_on", f"is before opened_on ({self.opened_on})")


def own_fields(fields: OpportunityFields) -> OpportunityFields:
    """An opportunity's own fields out of more, still with the set of those that were sent."""
    names = OpportunityFields.model_fields.keys()
    return OpportunityFields.model_construct(
        _fields_set=fields.model_fields_set & names, **{n: getattr(fields, n) for n in names}
    )
