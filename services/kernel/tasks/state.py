"""The published state of a task run: its status, and how it ended."""

from enum import StrEnum

from pydantic import AwareDatetime, BaseModel, Field

from kernel.domain.events import Snapshot, Text


class TaskRunStatus(StrEnum):
    """The status of a task run; the last three are final."""

    PENDING = "pending"
    PROCESSING = "processing"
    RETRY_PENDING = "retry_pending"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


FINAL = frozenset({TaskRunStatus.COMPLETED, TaskRunStatus.FAILED, TaskRunStatus.CANCELLED})
WAITING = frozenset({TaskRunStatus.PENDING, TaskRunStatus.RETRY_PENDING})
"""The statuses of a run that waits for a worker."""


class TaskRunState(Snapshot):
    """One request for background work and its result; `owner_id` is the user who requested it.

    A context adds its parameters and narrows `failure` and `outcome` to its own types.
    """

    status: TaskRunStatus = TaskRunStatus.PENDING
    attempts: int = Field(0, ge=0, description="How many attempts were made.")
    started_at: AwareDatetime | None = Field(None, description="When the last attempt began.")
    ended_at: AwareDatetime | None = None
    failure: str | None = None
    reason: Text | None = Field(None, description="Why it failed, as a sentence for the user.")
    cancelled_by: str | None = None
    outcome: BaseModel | None = Field(None, description="Present when the run is completed.")
