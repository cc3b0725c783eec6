"""The use cases of the state machine's steps and of the workers; each may be repeated."""

from pydantic import BaseModel

from kernel.domain.clock import Clock
from kernel.runtime.log import logger
from kernel.runtime.metrics import QUEUE_WAIT, TASK_DURATION, TASK_SECONDS, together
from kernel.tasks.failures import STANDARD, FailureCatalogue
from kernel.tasks.repository import RecordedProgress, TaskRunRepository
from kernel.tasks.retry import Recovery, RetryPolicy, recover
from kernel.tasks.run import TaskRun
from kernel.tasks.tiers import Tier

_MAX_PERCENT = 99
"""A run shows 100 % only once it is completed."""


class TaskRunService[R: TaskRun]:
    """The use cases of the task engine for runs of one kind."""

    def __init__(
        self,
        repository: TaskRunRepository[R],
        now: Clock,
        failures: FailureCatalogue = STANDARD,
        policy: RetryPolicy | None = None,
    ) -> None:
        self._repo, self._now, self._failures = repository, now, failures
        self.policy = policy or RetryPolicy()

    def check(self, run: R) -> None:
        """Raise BadParameters when the parameters of the run are wrong; contexts override it."""

    def validate(self, tenant_id: str, run_id: str) -> R | None:
        """The run, or None when there is nothing to do because it ended. Raises BadParameters."""
        run = self._repo.runs.find(tenant_id, run_id)
        if run is None or run.ended:
            return None
        self.check(run)
        return run

    def start(self, tenant_id: str, run_id: str) -> R:
        """Start a run, unless it has ended. Raises NotFound."""
        return self._repo.change(tenant_id, run_id, lambda run: run.start(self._now()))

    def record_progress(self, tenant_id: str, run_id: str, fraction: float, text: str) -> None:
        """Store the progress: a fraction (0..1) and a short text for people."""
        percent = min(_MAX_PERCENT, max(0, int(fraction * 100)))
        self._repo.record_progress(tenant_id, run_id, RecordedProgress(percent, text, self._now()))

    def is_active(self, tenant_id: str, run_id: str) -> bool:
        """Whether a run has neither been cancelled nor ended otherwise."""
        run = self._repo.runs.find(tenant_id, run_id, consistent=False)
        # An eventually consistent read may not find a new run yet.
        return run is None or not run.ended

    def requeue(self, tenant_id: str, run_id: str, attempt: int) -> R:
        """Return a run to the queue, because the worker of this attempt stops."""
        return self._repo.change(tenant_id, run_id, lambda run: run.requeue(attempt))

    def complete(
        self, tenant_id: str, run_id: str, outcome: BaseModel, tier: Tier | None = None
    ) -> R:
        """Mark a run as completed, on a tier if that is known."""
        run = self._repo.change(tenant_id, run_id, lambda run: run.complete(outcome, self._now()))
        return self._log_end(run, tier)

    def fail(self, tenant_id: str, run_id: str, error: str, cause: str = "") -> R:
        """Mark a run as failed."""
        logger().warning("task failed", tenant=tenant_id, run_id=run_id, error=error, cause=cause)
        failure = self._failures.failure(error, cause)
        run = self._repo.change(tenant_id, run_id, lambda run: run.fail(failure, self._now()))
        return self._log_end(run)

    def _log_end(self, run: R, tier: Tier | None = None) -> R:
        """Log how long the run waited and took; once for each time a step is repeated."""
        name, metrics = run.kind.name, []
        created, started, ended = run.created_at, run.started_at, run.ended_at
        if ended is not None:
            took = (ended - created).total_seconds()
            metrics.append(TASK_DURATION.fields(took, name, str(run.status)))
        if started is not None:
            # A wait for the tenant's own other runs says nothing about the workers.
            waited_since = run.admitted_at or created
            metrics.append(QUEUE_WAIT.fields((started - waited_since).total_seconds(), name))
        if started is not None and ended is not None and tier is not None:
            metrics.append(TASK_SECONDS.fields((ended - started).total_seconds(), name, tier))
        logger().info("task ended", run_id=run.id, tenant=run.tenant_id, **together(*metrics))
        return run

    def recover(
        self,
        tenant_id: str,
        run_id: str,
        error: str,
        cause: str = "",
        *,
        tier: Tier = Tier.STANDARD,
        larger: Tier | None = None,
    ) -> Recovery:
        """Decide what happens when no worker completed the task, and record a lost worker.

        `tier` is that of the failed attempt, `larger` the next larger one that is deployed.
        """
        run = self._repo.runs.find(tenant_id, run_id)
        failure = self._failures.failure(error, cause)
        recovery = recover(run, failure, self.policy, self._now(), tier, larger)
        if recovery.worker_lost:
            self._repo.change(tenant_id, run_id, lambda run: run.lose_worker())
        return recovery
