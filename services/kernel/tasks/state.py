"""The published state of a task run: where it stands, and how it ended."""

from enum import StrEnum

from pydantic import AwareDatetime, BaseModel, Field

from kernel.domain.events import Snapshot, Text


class TaskRunStatus(StrEnum):
    """Where a task run stands; the last three are final."""

    PENDING = "pending"
    PROCESSING = "processing"
    RETRY_PENDING = "retry_pending"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


FINAL = frozenset({TaskRunStatus.COMPLETED, TaskRunStatus.FAILED, TaskRunStatus.CANCELLED})
WAITING = frozenset({TaskRunStatus.PENDING, TaskRunStatus.RETRY_PENDING})
"""Waiting for a worker."""


class TaskRunState(Snapshot):
    """One request for work in the background and what became of it; `owner_id` asked for it.

    A context adds its parameters, and narrows `failure` and `outcome` to types of its own.
    """

    status: TaskRunStatus = TaskRunStatus.PENDING
    attempts: int = Field(0, ge=0, description="How often a worker began.")
    started_at: AwareDatetime | None = Field(None, description="When a worker last began.")
    ended_at: AwareDatetime | None = None
    failure: str | None = None
    reason: Text | None = Field(None, description="Why it failed, for the person who asked.")
    cancelled_by: str | None = None
    outcome: BaseModel | None = Field(None, description="Once it is completed.")
