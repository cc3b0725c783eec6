"""Dead letters: how many there are, and back they go to the queue they came from."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from zebros.client.connection import Deployment
from zebros.errors import BadInput, Trouble
from zebros.operations.relays import resend

DEAD = "DeadLetters"
_NOT_OFFERED = ("InvalidAction", "UnsupportedOperation", "UnknownOperation", "NotImplemented")


@dataclass(frozen=True, slots=True)
class DeadLetterQueue:
    """A dead-letter queue and the queue it belongs to."""

    name: str
    """`ReportingLake` for ReportingLakeDeadLetters."""
    url: str
    source_url: str | None
    """None where letters come from no queue: a relay's come from a table's stream."""
    depth: int


def dead_letter_queues(deployment: Deployment) -> list[DeadLetterQueue]:
    """Every dead-letter queue of the stack, with its depth, by name."""
    sqs = deployment.aws("sqs")
    queues = deployment.resources.queues
    found = []
    for logical_id, url in sorted(queues.items()):
        if logical_id.endswith(DEAD):
            name = logical_id.removesuffix(DEAD)
            source = queues.get(f"{name}Queue")
            found.append(DeadLetterQueue(name, url, source, _depth(sqs, url)))
    return found


def chosen(queues: list[DeadLetterQueue], name: str) -> DeadLetterQueue:
    """The queue someone named: ReportingLake, ReportingLakeDeadLetters or ReportingLakeQueue."""
    wanted = name.removesuffix(DEAD).removesuffix("Queue")
    for queue in queues:
        if queue.name == wanted:
            return queue
    known = ", ".join(queue.name for queue in queues) or "none"
    raise BadInput(f"The stack has no dead letters called {name}.", hint=f"There are: {known}.")


def redrive(
    deployment: Deployment, queue: DeadLetterQueue, pause: Callable[[float], None] = time.sleep
) -> Iterator[int]:
    """Send dead letters back; yields how many have gone so far (of a relay's: how many events).

    SQS's own move task does it where there is one, else they are moved one by one: sent first and
    then deleted, so that none can be lost (a consumer recognises one that comes twice).
    """
    if queue.source_url is None:
        yield from resend(deployment, queue.name, queue.url, pause)
        return
    sqs = deployment.aws("sqs")
    try:
        # The destination is told: SQS knows that of letters it moved here itself, and not of those
        # that the rule left here because it could not reach the queue.
        task = sqs.start_message_move_task(
            SourceArn=_arn(sqs, queue.url), DestinationArn=_arn(sqs, queue.source_url)
        )["TaskHandle"]
    except ClientError as fault:
        if not fault.response["Error"]["Code"].split(".")[-1].startswith(_NOT_OFFERED):
            raise Trouble(
                f"The letters cannot be moved: {fault.response['Error']['Message']}"
            ) from fault
        yield from _one_by_one(sqs, queue, queue.source_url)
        return
    while True:
        told = sqs.list_message_move_tasks(SourceArn=_arn(sqs, queue.url), MaxResults=1)
        mine: dict[str, Any] = next(
            (one for one in told["Results"] if one.get("TaskHandle", task) == task), {}
        )
        yield int(mine.get("ApproximateNumberOfMessagesMoved", 0))
        if mine.get("Status") == "FAILED":
            raise Trouble(f"Moving the letters failed: {mine.get('FailureReason', 'no reason')}.")
        if mine.get("Status") != "RUNNING":
            return
        pause(0.5)


def _one_by_one(sqs: Any, queue: DeadLetterQueue, target: str) -> Iterator[int]:
    """At most as many as there were: one that fails again must not go round for ever."""
    moved = 0
    while moved < max(queue.depth, 1):
        got = sqs.receive_message(
            QueueUrl=queue.url,
            MaxNumberOfMessages=10,
            WaitTimeSeconds=1,
            VisibilityTimeout=30,
            MessageAttributeNames=["All"],
        ).get("Messages", [])
        if not got:
            return
        for message in got:
            sqs.send_message(
                QueueUrl=target,
                MessageBody=message["Body"],
                MessageAttributes=message.get("MessageAttributes", {}),
            )
            sqs.delete_message(QueueUrl=queue.url, ReceiptHandle=message["ReceiptHandle"])
            moved += 1
        yield moved


def _depth(sqs: Any, url: str) -> int:
    name = "ApproximateNumberOfMessages"
    return int(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])["Attributes"][name])


def _arn(sqs: Any, url: str) -> str:
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    return str(found["Attributes"]["QueueArn"])
