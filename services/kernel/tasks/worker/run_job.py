"""A job that carries out the runs of one kind: what all kinds have in common."""

import errno
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from pydantic import BaseModel

from kernel.domain.errors import Busy, NotFound
from kernel.tasks import failures
from kernel.tasks.failures import BadParameters
from kernel.tasks.job import JobFailed, Task
from kernel.tasks.progress import Interrupted, Progress
from kernel.tasks.run import TaskRun
from kernel.tasks.service import TaskRunService


class RunJob[R: TaskRun]:
    """Carries out runs (kernel.tasks.job.Job); a context's job says how."""

    def __init__(self, runs: TaskRunService[R]) -> None:
        self.runs = runs
        self._started: R | None = None

    def make(self, run: R, progress: Progress) -> BaseModel:
        """Return the outcome that another worker has stored, or do the work; safe to repeat.

        Before the work it calls `ensure_attempt`. Raises what `failure_of` knows.
        """
        raise NotImplementedError

    def ensure_attempt(self, run: R) -> None:
        """Raise JobFailed when too many workers were lost during a run."""
        if run.attempts > self.runs.policy.max_attempts:
            lost = f"{run.attempts - 1} workers were lost during this run."
            raise JobFailed(failures.WORKER_LOST, lost)

    def failure_of(self, fault: Exception) -> JobFailed | None:
        """An expected error as the failure that it is; None for one that is not expected."""
        match fault:
            case BadParameters():
                return JobFailed(failures.BAD_PARAMETERS, str(fault))
            case MemoryError():
                return JobFailed(failures.OUT_OF_MEMORY, str(fault))
            case Busy() | ClientError() | BotoCoreError():
                return JobFailed(failures.WORKER_UNAVAILABLE, str(fault))
            case NotFound():
                return JobFailed(failures.UNEXPECTED, fault.detail)
            case OSError(errno=errno.ENOSPC):
                return JobFailed(failures.DISK_FULL, "The local disk is full.")
        return None

    def run(self, task: Task, progress: Progress) -> dict[str, Any]:
        """Carry out a task, unless it is done or its run has ended; returns the run's outcome."""
        try:
            return self._outcome(task, progress).model_dump(mode="json")
        except (JobFailed, Interrupted):
            raise
        except Exception as fault:
            failed = self.failure_of(fault)
            if failed is None:
                raise
            raise failed from fault

    def record_progress(self, task: Task, fraction: float, text: str) -> None:
        """Store the progress of the run."""
        self.runs.record_progress(*_run_of(task), fraction, text)

    def is_active(self, task: Task) -> bool:
        """Whether the run has neither been cancelled nor ended otherwise."""
        return self.runs.is_active(*_run_of(task))

    def requeue(self, task: Task) -> None:
        """Mark the run as waiting for another worker, if this one had started it."""
        started = self._started
        if started and (started.tenant_id, started.id) == _run_of(task):
            self.runs.requeue(*_run_of(task), started.attempts)

    def _outcome(self, task: Task, progress: Progress) -> BaseModel:
        run = self._started = self.runs.start(*_run_of(task))
        if run.outcome:
            return run.outcome
        if run.ended:
            raise JobFailed(failures.CANCELLED, f"The {run.kind.name} is {run.status}.")
        return self.make(run, progress)


def _run_of(task: Task) -> tuple[str, str]:
    """The tenant and the id of the task's run."""
    return str(task.body["tenant_id"]), str(task.body["run_id"])
