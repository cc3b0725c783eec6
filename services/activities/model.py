"""The task aggregate and the texts of timeline entries. No AWS, no I/O."""

import re
from datetime import date, datetime
from typing import ClassVar

from activities.events import (
    NewTask,
    TaskAssigned,
    TaskCancelled,
    TaskCompleted,
    TaskDeferred,
    TaskFields,
    TaskReopened,
    TaskStarted,
    TaskState,
    TaskStatus,
    TaskUpdated,
)
from activities.incoming import Amount, EventData
from kernel.domain.aggregate import Aggregate, Change, changed_fields, new_record
from kernel.domain.errors import RuleViolation
from kernel.domain.events import DomainEvent

_NAMED_FIELDS = 8
"""An entry names no more fields than these; a restored record may have changed in all."""
CLOSED = frozenset({TaskStatus.COMPLETED, TaskStatus.CANCELLED})


class Task(TaskState, Aggregate):
    """A task with its tenant."""

    updated_event: ClassVar[type[DomainEvent]] = TaskUpdated

    @property
    def label(self) -> str:
        """The title."""
        return self.title or ""

    @classmethod
    def create(
        cls, tenant_id: str, task_id: str, fields: NewTask, by: str, at: datetime
    ) -> Change["Task"]:
        """A new task, assigned to its creator by default."""
        task = cls(
            **new_record(tenant_id, task_id, by, at),
            **{**dict(fields), "assignee_id": fields.assignee_id or by},
            status=TaskStatus.NOT_STARTED,
        )
        return Change(task, (TaskAssigned(current=task),))

    @property
    def closed(self) -> bool:
        """Whether the task is completed or cancelled."""
        return self.status in CLOSED

    def update(self, fields: TaskFields) -> Change["Task"]:
        """Change fields; a change of assignee is published as its own event."""
        after = self.with_fields(fields)
        changed, previous = changed_fields(self, after, TaskFields)
        events: list[DomainEvent] = []
        if set(changed) - {"assignee_id"}:
            events.append(TaskUpdated(current=after, changed=changed, previous=previous))
        if "assignee_id" in changed:
            events.append(TaskAssigned(current=after, previous_assignee_id=self.assignee_id))
        return Change(after, tuple(events)) if events else Change(self)

    def start(self) -> Change["Task"]:
        """Mark as in progress. Raises RuleViolation when it is, or is closed."""
        if self.closed or self.status is TaskStatus.IN_PROGRESS:
            raise self._already()
        after = self.with_changes(status=TaskStatus.IN_PROGRESS)
        return Change(after, (TaskStarted(current=after),))

    def defer(self, due_on: date) -> Change["Task"]:
        """Defer to another day; deferred to the same day again, nothing changes."""
        self._ensure_open()
        after = self.with_changes(status=TaskStatus.DEFERRED, due_on=due_on)
        if after == self:
            return Change(self)
        return Change(after, (TaskDeferred(current=after, previous_due_on=self.due_on),))

    def cancel(self) -> Change["Task"]:
        """Mark as cancelled; only an open task can be."""
        self._ensure_open()
        after = self.with_changes(status=TaskStatus.CANCELLED)
        return Change(after, (TaskCancelled(current=after),))

    def complete(self, by: str, at: datetime) -> Change["Task"]:
        """Mark as completed; only an open task can be."""
        self._ensure_open()
        after = self.with_changes(status=TaskStatus.COMPLETED, completed_at=at, completed_by=by)
        return Change(after, (TaskCompleted(current=after),))

    def reopen(self) -> Change["Task"]:
        """Mark as not started again."""
        if not self.closed:
            raise RuleViolation("The task is open already.")
        after = self.with_changes(
            status=TaskStatus.NOT_STARTED, completed_at=None, completed_by=None
        )
        return Change(after, (TaskReopened(current=after),))

    def _ensure_open(self) -> None:
        if self.closed:
            raise self._already()

    def _already(self) -> RuleViolation:
        advice = " Reopen it first." if self.closed else ""
        return RuleViolation(f"The task is {self.status.replace('_', ' ')} already.{advice}")


def timeline_text(kind: str, event_type: str, data: EventData) -> str:
    """The text of the timeline entry for an event about a record of type `kind`."""
    current = data.current
    name = current.display_name(kind)
    worth = f", {current.amount.formatted()}" if current.amount else ""
    match what := event_type.removeprefix(kind.capitalize()):
        case "Created":
            return f"New {kind}: {name}{worth}"
        case "Updated":
            return f"{name}: changed {_listed(data.changed)}"
        case "AmountChanged":
            before = data.previous_amount.formatted() if data.previous_amount else "none"
            now = current.amount.formatted() if current.amount else "none"
            return f"{name}: amount {before} → {now}"
        case "Corrected":
            return f"{name}: corrected {_corrections(data)}"
        case "StageChanged":
            return f"{name}: moved to {current.stage_name}"
        case "Reassigned" if data.previous_owner_id == current.owner_id:
            team = f"team {current.team_id}" if current.team_id else "no team"
            return f"{name}: now with {team}"
        case "Reassigned":
            return f"{name}: now with {current.owner_id or 'nobody'}"
        case "Won":
            return f"Won: {name}{worth}"
        case "Lost":
            reason = f" ({current.lost_reason})" if current.lost_reason else ""
            return f"Lost: {name}{worth}{reason}"
        case "Assigned":
            due = f", due {current.due_on}" if current.due_on else ""
            return f"Task for {current.assignee_id}: {name}{due}"
        case "Completed":
            return f"Done: {name}"
        case "Deferred":
            return f"{name}: deferred to {current.due_on}"
        case _:
            # Any other event shows its name: OpportunityWentStale is "went stale".
            return f"{name}: {re.sub(r'(?<=[a-z])(?=[A-Z])', ' ', what).lower()}"


def _corrections(data: EventData) -> str:
    """The names of corrected fields, and what was there before if people can read it."""
    parts = []
    for field in data.changed:
        name = field.replace("_", " ")
        if field not in ("amount", "closed_on", "lost_reason"):
            parts.append(name)
            continue
        before, now = data.previous.get(field), getattr(data.current, field)
        if field == "amount":
            before = Amount.model_validate(before).formatted() if before else None
            now = now.formatted() if now else None
        parts.append(f"{name} ({before or 'none'} → {now or 'none'})")
    return ", ".join(parts)


def _listed(fields: list[str]) -> str:
    """The names of fields, for people."""
    named = ", ".join(field.replace("_", " ") for field in fields[:_NAMED_FIELDS])
    more = len(fields) - _NAMED_FIELDS
    return f"{named} and {more} more" if more > 0 else named
