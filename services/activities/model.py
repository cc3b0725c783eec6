"""What tasks are and what may happen to them; how an event reads on a timeline. No AWS, no I/O."""

import re
from datetime import datetime

from activities.events import (
    NewTask,
    TaskAssigned,
    TaskCompleted,
    TaskFields,
    TaskReopened,
    TaskState,
    TaskStatus,
    TaskUpdated,
)
from activities.incoming import Told
from kernel.domain.aggregate import Aggregate, born, difference
from kernel.domain.errors import RuleViolation
from kernel.domain.events import DomainEvent

CLOSED = frozenset({TaskStatus.COMPLETED, TaskStatus.CANCELLED})


class Task(TaskState, Aggregate):
    """A task with its tenant."""

    @classmethod
    def create(
        cls, tenant_id: str, task_id: str, fields: NewTask, by: str, at: datetime
    ) -> tuple["Task", TaskAssigned]:
        """A new task; it is the creator's own unless it is given to someone."""
        task = cls(
            **born(tenant_id, task_id, by, at),
            **{**dict(fields), "assignee_id": fields.assignee_id or by},
            status=TaskStatus.NOT_STARTED,
        )
        return task, TaskAssigned(current=task)

    @property
    def closed(self) -> bool:
        """Whether nothing is left to do."""
        return self.status in CLOSED

    def update(self, fields: TaskFields) -> tuple["Task", list[DomainEvent]]:
        """Change fields; giving it to someone else is an event of its own."""
        after = self.with_changes(**dict(fields))
        changed, previous = difference(self, after, TaskFields)
        events: list[DomainEvent] = []
        if set(changed) - {"assignee_id"}:
            events.append(TaskUpdated(current=after, changed=changed, previous=previous))
        if "assignee_id" in changed:
            events.append(TaskAssigned(current=after, previous_assignee_id=self.assignee_id))
        return (after if events else self), events

    def complete(self, by: str, at: datetime) -> tuple["Task", TaskCompleted]:
        """Done."""
        if self.closed:
            raise RuleViolation(f"The task is {self.status} already.")
        after = self.with_changes(status=TaskStatus.COMPLETED, completed_at=at, completed_by=by)
        return after, TaskCompleted(current=after)

    def reopen(self) -> tuple["Task", TaskReopened]:
        """To be done again."""
        if not self.closed:
            raise RuleViolation("The task is open already.")
        after = self.with_changes(
            status=TaskStatus.NOT_STARTED, completed_at=None, completed_by=None
        )
        return after, TaskReopened(current=after)


def sentence(kind: str, event_type: str, told: Told) -> str:
    """How an event about a record of a kind (`opportunity`) reads on a timeline."""
    current = told.current
    name = current.called(kind)
    worth = f", {current.amount.written()}" if current.amount else ""
    match what := event_type.removeprefix(kind.capitalize()):
        case "Created":
            return f"New {kind}: {name}{worth}"
        case "Updated":
            fields = ", ".join(field.replace("_", " ") for field in told.changed)
            return f"{name}: changed {fields}"
        case "AmountChanged":
            before = told.previous_amount.written() if told.previous_amount else "none"
            now = current.amount.written() if current.amount else "none"
            return f"{name}: amount {before} → {now}"
        case "StageChanged":
            return f"{name}: moved to {current.stage_name}"
        case "Reassigned" if told.previous_owner_id == current.owner_id:
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
        case _:
            # Events that this table does not know (yet): OpportunityWentStale is "went stale".
            return f"{name}: {re.sub(r'(?<=[a-z])(?=[A-Z])', ' ', what).lower()}"
