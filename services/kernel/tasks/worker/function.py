"""A Lambda function as a worker: each invocation carries out one task with the job that it names.

The state machine invokes it and waits for the result, so it needs no queue, no token and no
heartbeats: a function that ends without a result is noticed at once. Progress is recorded and
cancellation checked as by any worker (supervision.py). A failure of the task is a result, not an
error of the function, so that alarms on the function's errors show its own faults only.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from kernel.runtime.log import logger
from kernel.runtime.work import working_on
from kernel.tasks.failures import CANCELLED, OUT_OF_TIME
from kernel.tasks.job import Interruption, Job, JobFailed, Task
from kernel.tasks.worker.execution import Execution
from kernel.tasks.worker.supervision import Supervisor
from kernel.tasks.worker.temporary_files import temporary_files
from kernel.tasks.worker.timing import WorkerTiming

_RESERVE_SECONDS = 30.0
"""The time before the function's end at which its job is asked to stop."""
_GRACE_SECONDS = 20.0
"""How long the job may take to stop; the rest of the reserve is for the result."""


class LambdaContext(Protocol):
    """The part of Lambda's context object that is used."""

    def get_remaining_time_in_millis(self) -> int:
        """The time until Lambda ends the invocation."""


class TaskFunction:
    """A Lambda handler; `jobs` are by name, and `folder` is for temporary files.

    It returns {"outcome": …, "failure": …}, one of which is null; a failure has the members Error
    and Cause, as the state machine catches them from other states.
    """

    def __init__(
        self,
        jobs: Callable[[], Mapping[str, Job]],
        folder: Callable[[], Path],
        timing: WorkerTiming | None = None,
    ) -> None:
        self._jobs, self._folder = jobs, folder
        self._timing = replace(timing or WorkerTiming(), grace_period=_GRACE_SECONDS)

    def __call__(self, event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
        """Carry out one task."""
        # Neither a token nor a receipt: the result of the invocation ends the task.
        task = Task(str(event["job"]), event, token="", receipt="", receives=1)
        stopping = threading.Event()
        supervisor = Supervisor(lambda _: True, self._timing, stopping)
        seconds = context.get_remaining_time_in_millis() / 1000 - _RESERVE_SECONDS
        alarm = threading.Timer(max(0.0, seconds), stopping.set)
        alarm.daemon = True
        alarm.start()
        try:
            with working_on(task.named), temporary_files(self._folder()):
                execution = Execution(self._jobs()[task.job], task)
                ended = supervisor.supervise(execution)
        finally:
            alarm.cancel()
        failure = _failure(execution, ended)
        outcome = None if failure else execution.outcome
        logger().info("task ended", task=task.loggable(), outcome=_ending(failure))
        return {"outcome": outcome, "failure": failure}


def _failure(execution: Execution, ended: bool) -> dict[str, str] | None:
    """Why the task has no outcome; `ended` is False when its job did not stop in time."""
    if not ended or execution.interrupted:
        if execution.control.interruption is Interruption.STOPPING:
            return _named(JobFailed(OUT_OF_TIME, "The function's time ended."))
        return _named(JobFailed(CANCELLED, "The run was cancelled."))
    return _named(execution.failure) if execution.failure else None


def _named(failure: JobFailed) -> dict[str, str]:
    return {"Error": failure.error, "Cause": failure.cause}


def _ending(failure: dict[str, str] | None) -> str:
    return failure["Error"] if failure else "succeeded"
