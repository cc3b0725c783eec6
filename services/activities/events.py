"""The events of this context and the state they carry; the source of the event schemas."""

from enum import StrEnum
from typing import Annotated

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
)

from kernel.domain.dates import BusinessDate
from kernel.domain.events import (
    DomainEvent,
    Fields,
    Name,
    Snapshot,
    StreamDivergence,
    StreamGap,
    Text,
    UserId,
    empty,
)
from kernel.domain.ids import Id
from kernel.domain.patterns import described

_RELATED_TYPE = described(
    "^(account|contact|opportunity)$", "must be account, contact or opportunity"
)


class TaskStatus(StrEnum):
    """The state of a task."""

    NOT_STARTED = "not_started"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    DEFERRED = "deferred"
    CANCELLED = "cancelled"


class Related(BaseModel):
    """A record a task is about."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: Annotated[str, StringConstraints(pattern=_RELATED_TYPE)]
    id: Id


def _without_repetitions(related: list[Related]) -> list[Related]:
    if len({(one.type, one.id) for one in related}) != len(related):
        raise ValueError("must name every record once")
    return related


class TaskDetails(Fields):
    """What a task is about."""

    title: Name
    description: Text | None = None
    due_on: BusinessDate | None = Field(None, description="A day, without a time of day.")
    related: Annotated[list[Related], AfterValidator(_without_repetitions)] = Field(
        default_factory=list,
        max_length=5,
        exclude_if=empty,
        description="The records it is about; their timelines show its events too.",
    )


class NewTask(TaskDetails):
    """A task to create, for oneself or for someone else."""

    assignee_id: UserId | None = Field(None, description="The user to do it; default: the caller.")


class TaskFields(TaskDetails):
    """What a caller may change on a task; the status has its own routes."""

    assignee_id: UserId = Field(description="The user to do it.")


class TaskState(Snapshot, TaskFields):
    """A task for a user, with a status and an optional due date."""

    status: TaskStatus
    completed_at: AwareDatetime | None = None
    completed_by: UserId | None = None


class TaskEvent(DomainEvent):
    """Base of the events about a task."""

    current: TaskState


class TaskAssigned(TaskEvent, context="activities"):
    """A task was created with an assignee, or assigned to someone else."""

    previous_assignee_id: str | None = None


class TaskUpdated(TaskEvent, context="activities"):
    """Fields of a task changed; `previous` has their earlier values."""

    changed: list[str]
    previous: dict[str, object]


class TaskCompleted(TaskEvent, context="activities"):
    """A task was completed."""


class TaskStarted(TaskEvent, context="activities"):
    """Work on an open task began."""


class TaskDeferred(TaskEvent, context="activities"):
    """An open task was deferred to another day."""

    previous_due_on: BusinessDate | None = None


class TaskCancelled(TaskEvent, context="activities"):
    """An open task was cancelled: it will not be done."""


class TaskReopened(TaskEvent, context="activities"):
    """A completed or cancelled task was reopened."""


class StreamGapDetected(StreamGap, context="activities"):
    """A projection of this context waits for an event that has not arrived."""


class StreamDiverged(StreamDivergence, context="activities"):
    """A projection of this context has applied events that a restored table no longer has."""
