"""The SQS queue from which workers receive their tasks."""

import json
from typing import Any

from kernel.tasks.job import Task
from kernel.tasks.worker.best_effort import best_effort


class TaskQueue:
    """One queue. Only `receive` raises; other errors are logged, and the message reappears."""

    def __init__(self, sqs: Any, url: str, visibility_timeout: int) -> None:
        self._sqs, self._url = sqs, url
        self._visibility_timeout = visibility_timeout

    def receive(self, wait_seconds: int) -> list[dict[str, Any]]:
        """At most one message. Raises ClientError or BotoCoreError."""
        answer = self._sqs.receive_message(
            QueueUrl=self._url,
            MaxNumberOfMessages=1,
            WaitTimeSeconds=wait_seconds,
            VisibilityTimeout=self._visibility_timeout,
            AttributeNames=["ApproximateReceiveCount"],
        )
        messages: list[dict[str, Any]] = answer.get("Messages", [])
        return messages

    def extend(self, task: Task) -> None:
        """Keep the task invisible to other workers for another visibility timeout."""
        self._change_visibility(task, self._visibility_timeout)

    def requeue(self, task: Task) -> None:
        """Make the task visible to other workers at once."""
        self._change_visibility(task, 0)

    def delete(self, task: Task) -> None:
        """Remove a task that has ended."""
        best_effort(
            "delete",
            lambda: self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=task.receipt),
        )

    def _change_visibility(self, task: Task, seconds: int) -> None:
        best_effort(
            "change visibility",
            lambda: self._sqs.change_message_visibility(
                QueueUrl=self._url, ReceiptHandle=task.receipt, VisibilityTimeout=seconds
            ),
        )


def parse_task(message: dict[str, Any]) -> Task:
    """An SQS message as a task. Raises ValueError, KeyError or TypeError when it is not one."""
    body = json.loads(message["Body"])
    return Task(
        job=str(body["job"]),
        body=body,
        token=str(body["task_token"]),
        receipt=message["ReceiptHandle"],
        receives=int(message.get("Attributes", {}).get("ApproximateReceiveCount", 1)),
    )
