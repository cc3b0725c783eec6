"""The end of a task: its result is sent and its message deleted, or it is requeued."""

import time
from collections.abc import Callable

from botocore.exceptions import BotoCoreError, ClientError

from kernel.runtime.faults import describe
from kernel.runtime.log import logger
from kernel.tasks.failures import CANCELLED
from kernel.tasks.job import Interruption, JobFailed
from kernel.tasks.worker.best_effort import best_effort
from kernel.tasks.worker.callback import TaskCallback, nobody_waits
from kernel.tasks.worker.execution import Execution
from kernel.tasks.worker.queue import TaskQueue
from kernel.tasks.worker.timing import backoff

_ATTEMPTS = 4


class OutcomeSender:
    """Sends results; deletes a message only when its result was accepted or no longer expected."""

    def __init__(
        self, queue: TaskQueue, callback: TaskCallback, beat: Callable[[], None] = lambda: None
    ) -> None:
        self._queue, self._callback, self._beat = queue, callback, beat

    def send(self, execution: Execution, ended: bool) -> str:
        """End the task of an execution; returns how it ended, for the log.

        `ended` is False when the job did not stop in time and still runs.
        """
        task, reason = execution.task, execution.control.interruption
        gave_up = execution.interrupted or not ended
        if gave_up and reason is Interruption.STOPPING:
            best_effort("requeue", lambda: execution.job.requeue(task))
            self._queue.requeue(task)
            return "requeued"
        if gave_up and reason is Interruption.ABANDONED:
            self._queue.delete(task)
            return "abandoned"
        answered = self._answer(execution)
        if answered is None:
            # The queue delivers the task again, and the next worker finds it done.
            return "not answered"
        self._queue.delete(task)
        return answered

    def _answer(self, execution: Execution) -> str | None:
        """Send the result to the state machine; returns None when it cannot be reached."""
        failure = execution.failure or JobFailed(CANCELLED, "The run was cancelled.")
        result = "succeeded" if execution.outcome is not None else failure.error
        for attempt in range(1, _ATTEMPTS + 1):
            self._beat()
            try:
                if execution.outcome is not None:
                    self._callback.succeed(execution.task, execution.outcome)
                else:
                    self._callback.fail(execution.task, failure)
                return result
            except (ClientError, BotoCoreError) as fault:
                if nobody_waits(fault):
                    return f"{result}, nobody waited"
                logger().warning("state machine does not answer", fault=describe(fault))
                time.sleep(backoff(attempt) / 4)
        return None
