"""Decides what happens when no worker completed a task. Pure functions."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from kernel.tasks import failures
from kernel.tasks.failures import Failure, TaskFailureCode
from kernel.tasks.run import TaskRun
from kernel.tasks.state import WAITING

_CLOCK_MARGIN = 0.95
"""Allows for Step Functions' timers, which start a little before the run's timestamps."""


class Next(StrEnum):
    """Where the state machine continues."""

    QUEUE = "queue"
    FAIL = "fail"
    END = "end"


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and for how long a task is attempted."""

    max_attempts: int = 4
    """How many workers may be lost during one run."""
    max_seconds: int = 3600
    """How long a run may wait for a worker, and how long a worker may take."""
    first_pause_seconds: int = 2
    """The pause before the second attempt; it doubles with every further attempt."""
    max_pause_seconds: int = 60
    waiting_pause_seconds: int = 5
    """The pause before a task that no worker received is queued again."""

    def pause(self, attempts: int) -> int:
        """Seconds to wait after this many lost workers."""
        doubled = self.first_pause_seconds * 2 ** max(0, attempts - 1)
        return int(min(self.max_pause_seconds, doubled))


@dataclass(frozen=True, slots=True)
class Recovery:
    """The next step of the state machine, the reason, and the pause before it."""

    next: Next
    error: str
    cause: str
    seconds: int = 0
    worker_lost: bool = False
    """Whether the run's worker is considered lost, so that the run waits for another one."""


def recover(run: TaskRun | None, failure: Failure, policy: RetryPolicy, now: datetime) -> Recovery:
    """Decide whether to queue the task again, fail the run, or end because it has ended.

    A heartbeat is missed when the worker is lost, but also while the task waits for a worker.
    """
    if run is None or run.ended:
        return Recovery(Next.END, failure.error, failure.cause)
    if not failure.retryable:
        return Recovery(Next.FAIL, failure.error, failure.cause)
    if run.status in WAITING:
        if _over(run.updated_at, policy, now):
            return Recovery(Next.FAIL, failures.NO_WORKER, "")
        pause = policy.waiting_pause_seconds
        return Recovery(Next.QUEUE, failure.error, failure.cause, pause)
    timed_out = failure.code == TaskFailureCode.TIMED_OUT
    if timed_out and _over(run.started_at, policy, now):
        return Recovery(Next.FAIL, failures.TIMED_OUT, "")
    if run.attempts >= policy.max_attempts:
        if timed_out:
            return Recovery(Next.FAIL, failures.WORKER_LOST, "")
        return Recovery(Next.FAIL, failure.error, failure.cause)
    pause = policy.pause(run.attempts)
    return Recovery(Next.QUEUE, failure.error, failure.cause, pause, worker_lost=True)


def _over(since: datetime | None, policy: RetryPolicy, now: datetime) -> bool:
    """Whether the policy's time has passed since an instant."""
    allowed = timedelta(seconds=policy.max_seconds * _CLOCK_MARGIN)
    return since is not None and now - since >= allowed
