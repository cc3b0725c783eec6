"""What may happen to a task run. No AWS, no clock, no I/O.

    pending -> processing -> completed | failed
       processing -> retry_pending -> processing   the worker was lost, or it stopped
       every state that is not final -> cancelled | failed

What the engine does may be repeated (queues deliver again, steps are retried), so these transitions
return the same run and no event when there is nothing left to do; what people do raises
RuleViolation instead.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Self

from pydantic import BaseModel

from kernel.domain.aggregate import Aggregate, Change
from kernel.domain.errors import RuleViolation
from kernel.domain.events import DomainEvent
from kernel.tasks.failures import Failure
from kernel.tasks.state import FINAL, TaskRunState, TaskRunStatus


@dataclass(frozen=True, slots=True)
class TaskKind:
    """What one kind of task run is called, the events that publish its transitions, its errors."""

    name: str
    started: type[DomainEvent]
    completed: type[DomainEvent]
    failed: type[DomainEvent]
    cancelled: type[DomainEvent]
    has_ended: type[RuleViolation]
    """Raised when a run that has ended is to be cancelled."""


class TaskRun(TaskRunState, Aggregate):
    """A task run with its tenant: the base of a context's aggregate."""

    kind: ClassVar[TaskKind]

    correlation_id: str = ""
    """Of the request; everything done for this run carries it."""

    @property
    def ended(self) -> bool:
        """Whether nothing will happen any more."""
        return self.status in FINAL

    def start(self, at: datetime) -> Change[Self]:
        """A worker begins; also one that replaces a worker whose loss was not noticed."""
        if self.ended:
            return Change(self)
        after = self.with_changes(
            status=TaskRunStatus.PROCESSING, attempts=self.attempts + 1, started_at=at
        )
        return Change(after, () if self.started_at else (self.kind.started(current=after),))

    def requeue(self, attempt: int) -> Change[Self]:
        """The worker of this attempt stops: another one begins anew; the attempt is not counted.

        Nothing changes when another attempt has begun since.
        """
        if self.status is not TaskRunStatus.PROCESSING or self.attempts != attempt:
            return Change(self)
        attempts = max(0, self.attempts - 1)
        return Change(self.with_changes(status=TaskRunStatus.RETRY_PENDING, attempts=attempts))

    def lose_worker(self) -> Change[Self]:
        """The worker was lost: another one begins anew."""
        if self.status is not TaskRunStatus.PROCESSING:
            return Change(self)
        return Change(self.with_changes(status=TaskRunStatus.RETRY_PENDING))

    def complete(self, outcome: BaseModel, at: datetime) -> Change[Self]:
        """The work is done."""
        if self.ended:
            return Change(self)
        after = self.with_changes(status=TaskRunStatus.COMPLETED, ended_at=at, outcome=outcome)
        return Change(after, (self.kind.completed(current=after),))

    def fail(self, failure: Failure, at: datetime) -> Change[Self]:
        """The work will not be done."""
        if self.ended:
            return Change(self)
        after = self.with_changes(
            status=TaskRunStatus.FAILED,
            ended_at=at,
            failure=failure.code,
            reason=failure.sentence,
        )
        return Change(after, (self.kind.failed(current=after),))

    def cancel(self, by: str, at: datetime) -> Change[Self]:
        """A person cancels the run. Raises the kind's `has_ended` when it has ended."""
        if self.ended:
            raise self.kind.has_ended(
                f"This {self.kind.name} has ended already: it is {self.status}."
            )
        after = self.with_changes(status=TaskRunStatus.CANCELLED, ended_at=at, cancelled_by=by)
        return Change(after, (self.kind.cancelled(current=after),))
