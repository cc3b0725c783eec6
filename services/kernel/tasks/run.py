"""The task run aggregate: its states and transitions. No AWS, no clock, no I/O.

    pending -> processing -> completed | failed
       processing -> retry_pending -> processing   the worker was lost or stopped
       every state that is not final -> cancelled | failed

The engine may repeat a transition (messages are delivered again, steps are retried), so its
transitions return the same run without events when they do not apply. A user's `cancel` raises
RuleViolation instead.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, Self

from pydantic import AwareDatetime, BaseModel

from kernel.domain.aggregate import Aggregate, Change, new_record
from kernel.domain.errors import RuleViolation
from kernel.domain.events import DomainEvent
from kernel.domain.principal import RequestContext
from kernel.tasks.failures import Failure, TaskFailureCode
from kernel.tasks.state import FINAL, TaskRunState, TaskRunStatus

_LOST = "The run was lost while the system was restored. Request it again."


@dataclass(frozen=True, slots=True)
class TaskKind:
    """One kind of task run: its name, the events of its transitions, and its error."""

    name: str
    started: type[DomainEvent]
    completed: type[DomainEvent]
    failed: type[DomainEvent]
    cancelled: type[DomainEvent]
    has_ended: type[RuleViolation]
    """Raised by `cancel` when the run has ended."""
    failure_codes: type[StrEnum] = TaskFailureCode
    """Why its runs fail; includes the members of TaskFailureCode."""


class TaskRun(TaskRunState, Aggregate):
    """A task run with its tenant: the base of a context's aggregate."""

    kind: ClassVar[TaskKind]

    correlation_id: str = ""
    """The correlation id of the request, which all events of this run carry."""
    admitted_at: AwareDatetime | None = None
    """When the run got one of its tenant's slots; None while it waits for one."""

    @classmethod
    def requested(cls, request: RequestContext, run_id: str, at: datetime, **fields: Any) -> Self:
        """A new run of the requester, waiting for a worker; `fields` are those of its kind."""
        principal = request.principal
        return cls(
            **new_record(request.tenant_id, run_id, principal.user_id, at),
            owner_id=principal.user_id,
            team_id=principal.team_id,
            correlation_id=request.correlation_id,
            **fields,
        )

    @property
    def ended(self) -> bool:
        """Whether the status is final."""
        return self.status in FINAL

    def as_restored(self, _current: Self | None, at: datetime) -> Self | None:
        """An ended run as it was. One that had not ended cannot continue: a lost one has failed."""
        if self.ended:
            return self
        return None if _current is not None else self._ended_by_loss(at)

    def as_created_later(self, at: datetime, *, lost: bool) -> Self:
        """The run itself: it was requested, and its file exists. A lost one has failed."""
        return self._ended_by_loss(at) if lost and not self.ended else self

    def _ended_by_loss(self, at: datetime) -> Self:
        code = self.kind.failure_codes(TaskFailureCode.WORKER_LOST.value)
        return self.with_changes(
            status=TaskRunStatus.FAILED, ended_at=at, failure=code, reason=_LOST
        )

    def admit(self, at: datetime) -> Change[Self]:
        """The tenant has a free slot, so the run may be started."""
        return Change(self if self.ended else self.with_changes(admitted_at=at))

    def start(self, at: datetime) -> Change[Self]:
        """A worker starts, possibly in place of one whose loss was not noticed."""
        if self.ended:
            return Change(self)
        after = self.with_changes(
            status=TaskRunStatus.PROCESSING, attempts=self.attempts + 1, started_at=at
        )
        return Change(after, () if self.started_at else (self.kind.started(current=after),))

    def requeue(self, attempt: int) -> Change[Self]:
        """The worker of this attempt stops, and another one starts again; this one is not counted.

        Changes nothing when another attempt has started since.
        """
        if self.status is not TaskRunStatus.PROCESSING or self.attempts != attempt:
            return Change(self)
        attempts = max(0, self.attempts - 1)
        return Change(self.with_changes(status=TaskRunStatus.RETRY_PENDING, attempts=attempts))

    def lose_worker(self) -> Change[Self]:
        """The worker was lost, so another one starts again."""
        if self.status is not TaskRunStatus.PROCESSING:
            return Change(self)
        return Change(self.with_changes(status=TaskRunStatus.RETRY_PENDING))

    def complete(self, outcome: BaseModel, at: datetime) -> Change[Self]:
        """Mark as completed."""
        if self.ended:
            return Change(self)
        after = self.with_changes(status=TaskRunStatus.COMPLETED, ended_at=at, outcome=outcome)
        return Change(after, (self.kind.completed(current=after),))

    def fail(self, failure: Failure, at: datetime) -> Change[Self]:
        """Mark as failed."""
        if self.ended:
            return Change(self)
        after = self.with_changes(
            status=TaskRunStatus.FAILED,
            ended_at=at,
            failure=failure.code,
            reason=failure.message,
        )
        return Change(after, (self.kind.failed(current=after),))

    def cancel(self, by: str, at: datetime) -> Change[Self]:
        """Cancel the run for a user. Raises the kind's `has_ended` when it has ended."""
        if self.ended:
            raise self.kind.has_ended(
                f"This {self.kind.name} has ended already: it is {self.status}."
            )
        after = self.with_changes(status=TaskRunStatus.CANCELLED, ended_at=at, cancelled_by=by)
        return Change(after, (self.kind.cancelled(current=after),))
