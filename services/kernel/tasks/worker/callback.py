"""Heartbeats and results for the Step Functions state that waits with a task's token."""

import json
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from kernel.runtime.faults import describe
from kernel.runtime.log import logger
from kernel.tasks.job import JobFailed, Task

_MAX_CAUSE = 4_000
_NOBODY_WAITS = frozenset({"TaskTimedOut", "TaskDoesNotExist", "InvalidToken"})
"""The state timed out, was stopped, or has its result already."""


class TaskCallback:
    """The callback side of `.waitForTaskToken`."""

    def __init__(self, states: Any) -> None:
        self._states = states

    def heartbeat(self, task: Task) -> bool:
        """Send a heartbeat; returns False only when the state no longer waits."""
        try:
            self._states.send_task_heartbeat(taskToken=task.token)
        except (ClientError, BotoCoreError) as fault:
            if nobody_waits(fault):
                return False
            logger().warning("heartbeat failed", fault=describe(fault))
        return True

    def succeed(self, task: Task, outcome: dict[str, Any]) -> None:
        """End the task with its outcome. Raises ClientError or BotoCoreError."""
        self._states.send_task_success(taskToken=task.token, output=json.dumps(outcome))

    def fail(self, task: Task, failure: JobFailed) -> None:
        """End the task with an error. Raises ClientError or BotoCoreError."""
        self._states.send_task_failure(
            taskToken=task.token, error=failure.error, cause=failure.cause[:_MAX_CAUSE]
        )


def nobody_waits(fault: Exception) -> bool:
    """Whether a call failed because no state waits for the token any more."""
    return isinstance(fault, ClientError) and fault.response["Error"]["Code"] in _NOBODY_WAITS
