"""Redrives dead-letter queues: sends their messages to the source queue again."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from zebros.client.connection import Deployment
from zebros.errors import BadInput, CliError
from zebros.operations.resend import resend_dead_letters

_SUFFIX = "DeadLetters"
VISIBLE, IN_FLIGHT = "ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"
_UNSUPPORTED = ("InvalidAction", "UnsupportedOperation", "UnknownOperation", "NotImplemented")
"""The error codes of platforms without message move tasks."""


@dataclass(frozen=True, slots=True)
class DeadLetterQueue:
    """A dead-letter queue and its source."""

    name: str
    """`ReportingLake` for ReportingLakeDeadLetters."""
    url: str
    source_url: str | None
    """The source queue; None for a relay, whose source is a table's stream."""
    depth: int
    """The approximate number of messages."""


def dead_letter_queues(deployment: Deployment) -> list[DeadLetterQueue]:
    """Every dead-letter queue of the stack, by name."""
    sqs = deployment.aws("sqs")
    queues = deployment.resources.queues
    result = []
    for logical_id, url in sorted(queues.items()):
        if logical_id.endswith(_SUFFIX):
            name = logical_id.removesuffix(_SUFFIX)
            source = queues.get(f"{name}Queue")
            result.append(DeadLetterQueue(name, url, source, count(sqs, url, VISIBLE)))
    return result


def find_queue(queues: list[DeadLetterQueue], name: str) -> DeadLetterQueue:
    """The queue called ReportingLake, ReportingLakeDeadLetters or ReportingLakeQueue."""
    short = name.removesuffix(_SUFFIX).removesuffix("Queue")
    for queue in queues:
        if queue.name == short:
            return queue
    known = ", ".join(queue.name for queue in queues) or "none"
    raise BadInput(f"The stack has no dead-letter queue {name}.", hint=f"There are: {known}.")


def redrive(
    deployment: Deployment, queue: DeadLetterQueue, pause: Callable[[float], None] = time.sleep
) -> Iterator[int]:
    """Redrive a queue; yields the number of messages so far (for a relay: of events).

    Uses a message move task of SQS. On a platform without them the messages are moved one by one:
    each is sent before it is deleted, so none is lost, and consumers ignore duplicates.
    """
    if queue.source_url is None:
        yield from resend_dead_letters(deployment, queue.name, queue.url, pause)
        return
    sqs = deployment.aws("sqs")
    try:
        # The destination is explicit, because SQS knows the source only of messages that it moved
        # itself, not of those that a rule could not deliver.
        task = sqs.start_message_move_task(
            SourceArn=_arn(sqs, queue.url), DestinationArn=_arn(sqs, queue.source_url)
        )["TaskHandle"]
    except ClientError as error:
        if not error.response["Error"]["Code"].split(".")[-1].startswith(_UNSUPPORTED):
            message = error.response["Error"]["Message"]
            raise CliError(f"The messages cannot be moved: {message}") from error
        yield from _move_one_by_one(sqs, queue, queue.source_url)
        return
    while True:
        tasks = sqs.list_message_move_tasks(SourceArn=_arn(sqs, queue.url), MaxResults=1)
        ours: dict[str, Any] = next(
            (one for one in tasks["Results"] if one.get("TaskHandle", task) == task), {}
        )
        yield int(ours.get("ApproximateNumberOfMessagesMoved", 0))
        if ours.get("Status") == "FAILED":
            reason = ours.get("FailureReason", "no reason")
            raise CliError(f"Moving the messages failed: {reason}.")
        if ours.get("Status") != "RUNNING":
            return
        pause(0.5)


def _move_one_by_one(sqs: Any, queue: DeadLetterQueue, target: str) -> Iterator[int]:
    """Move as many messages as there were at the start, so that none is moved twice."""
    moved = 0
    while moved < max(queue.depth, 1):
        messages = sqs.receive_message(
            QueueUrl=queue.url,
            MaxNumberOfMessages=10,
            WaitTimeSeconds=1,
            VisibilityTimeout=30,
            MessageAttributeNames=["All"],
        ).get("Messages", [])
        if not messages:
            return
        for message in messages:
            sqs.send_message(
                QueueUrl=target,
                MessageBody=message["Body"],
                MessageAttributes=message.get("MessageAttributes", {}),
            )
            sqs.delete_message(QueueUrl=queue.url, ReceiptHandle=message["ReceiptHandle"])
            moved += 1
        yield moved


def _attribute(sqs: Any, url: str, name: str) -> str:
    response = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])
    return str(response["Attributes"][name])


def count(sqs: Any, url: str, *which: str) -> int:
    """The approximate number of messages of a queue: VISIBLE ones, those IN_FLIGHT, or both.

    Both are read in one call: a message that changes sides in between would not be counted.
    """
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=list(which))["Attributes"]
    return sum(int(attributes[name]) for name in which)


def _arn(sqs: Any, url: str) -> str:
    return _attribute(sqs, url, "QueueArn")
