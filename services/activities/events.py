"""Facts this context publishes, with the records they carry: the source of its schemas."""

from datetime import date
from enum import StrEnum
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from kernel.events import DomainEvent, Fields, Name, Snapshot, StreamGap, Text, UserId
from kernel.ids import Id


class TaskStatus(StrEnum):
    """Where a task stands."""

    NOT_STARTED = "not_started"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    DEFERRED = "deferred"
    CANCELLED = "cancelled"


class RecordType(StrEnum):
    """What a task may be about, and what has a timeline."""

    ACCOUNT = "account"
    CONTACT = "contact"
    OPPORTUNITY = "opportunity"
    TASK = "task"


class Related(BaseModel):
    """A record a task is about."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: Annotated[str, StringConstraints(pattern="^(account|contact|opportunity)$")]
    id: Id


class TaskFields(Fields):
    """What a caller may set on a task; its status moves by verbs."""

    title: Name
    description: Text | None = None
    due_on: date | None = Field(None, description="A day, without a time of day.")
    assignee_id: UserId | None = Field(None, description="Who is to do it; default: you.")
    related: list[Related] = Field(
        default_factory=list, max_length=5, exclude_if=lambda related: not related
    )


class TaskState(Snapshot, TaskFields):
    """Something to do."""

    status: TaskStatus
    completed_at: AwareDatetime | None = None
    completed_by: UserId | None = None


class TaskEvent(DomainEvent):
    """Base of the facts about a task."""

    current: TaskState


class TaskAssigned(TaskEvent, context="activities"):
    """A task was given to someone: a new one, or one that was somebody else's."""

    previous_assignee_id: str | None = None


class TaskUpdated(TaskEvent, context="activities"):
    """Fields of a task changed; `previous` has their earlier values."""

    changed: list[str]
    previous: dict[str, object]


class TaskCompleted(TaskEvent, context="activities"):
    """A task was done."""


class TaskReopened(TaskEvent, context="activities"):
    """A task that was done is to be done again."""


class StreamGapDetected(StreamGap, context="activities"):
    """A projection of this context waits for a fact that has not come."""
