"""Decides what happens when no worker completed a task. Pure functions."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from kernel.tasks import failures
from kernel.tasks.failures import Failure, TaskFailureCode
from kernel.tasks.run import TaskRun
from kernel.tasks.state import WAITING
from kernel.tasks.tiers import Tier

_CLOCK_MARGIN = 0.95
"""Allows for Step Functions' timers, which start a little before the run's timestamps."""


class Next(StrEnum):
    """Where the state machine continues."""

    FUNCTION = "function"
    QUEUE = "queue"
    FAIL = "fail"
    END = "end"

    @classmethod
    def to(cls, tier: Tier) -> "Next":
        """Where a task of this tier is carried out."""
        return cls.FUNCTION if tier is Tier.FUNCTION else cls.QUEUE


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and for how long a task is attempted."""

    max_attempts: int = 4
    """How many workers may be lost during one run."""
    max_wait_seconds: int = 3600
    """How long a run may wait for a worker."""
    max_seconds: int = 3600
    """How long a worker may take, as the state machine's timeout says."""
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
    tier: Tier = Tier.STANDARD
    """The tier of the next attempt."""


def recover(
    run: TaskRun | None,
    failure: Failure,
    policy: RetryPolicy,
    now: datetime,
    tier: Tier = Tier.STANDARD,
    larger: Tier | None = None,
) -> Recovery:
    """Decide whether to queue the task again, fail the run, or end because it has ended.

    `tier` is that of the failed attempt, `larger` the next larger one that is deployed. A heartbeat
    is missed when the worker is lost, but also while the task waits for a worker.
    """
    if run is None or run.ended:
        return Recovery(Next.END, failure.error, failure.cause)
    if failure.by_size and larger:
        return Recovery(Next.to(larger), failure.error, failure.cause, 0, True, larger)
    if failure.by_size and tier is Tier.FUNCTION:
        return Recovery(Next.FAIL, failures.WORKER_REQUIRED, failure.cause)
    if not failure.retryable:
        return Recovery(Next.FAIL, failure.error, failure.cause)
    return _again(run, failure, policy, now, tier)


def _again(
    run: TaskRun, failure: Failure, policy: RetryPolicy, now: datetime, tier: Tier
) -> Recovery:
    """Another attempt on the same tier, unless there were enough."""
    if run.status in WAITING:
        if _limit_reached(run.updated_at, policy.max_wait_seconds, now):
            return Recovery(Next.FAIL, failures.NO_WORKER, "")
        pause = policy.waiting_pause_seconds
        return Recovery(Next.to(tier), failure.error, failure.cause, pause, tier=tier)
    timed_out = failure.code == TaskFailureCode.TIMED_OUT
    if timed_out and _limit_reached(run.started_at, policy.max_seconds, now):
        return Recovery(Next.FAIL, failures.TIMED_OUT, "")
    if run.attempts >= policy.max_attempts:
        if timed_out:
            return Recovery(Next.FAIL, failures.WORKER_LOST, "")
        return Recovery(Next.FAIL, failure.error, failure.cause)
    pause = policy.pause(run.attempts)
    return Recovery(Next.to(tier), failure.error, failure.cause, pause, True, tier)


def _limit_reached(since: datetime | None, seconds: int, now: datetime) -> bool:
    """Whether so much of a policy's time has passed since an instant."""
    allowed = timedelta(seconds=seconds * _CLOCK_MARGIN)
    return since is not None and now - since >= allowed
