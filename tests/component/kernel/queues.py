"""A consumer's queue with a dead-letter queue, polled as by Lambda, and events for it."""

import itertools
import json
from collections.abc import Callable, Iterable
from typing import Any

from kernel.domain.ids import new_id
from kernel.runtime import aws

MAX_RECEIVES = 3

Handler = Callable[[dict[str, Any], object], dict[str, Any]]


def event(tenant: str, subject: str, sequence: int, **data: Any) -> dict[str, Any]:
    """An envelope; its data is what the toy consumers of these tests read."""
    return {
        "specversion": "1.0",
        "id": new_id(),
        "source": "zebros.opportunities",
        "type": "OpportunityUpdated",
        "subject": subject,
        "time": "2026-01-31T09:30:00.000Z",
        "tenantid": tenant,
        "sequence": str(sequence),
        "correlationid": "c-1",
        "actor": "ann",
        "origin": "api",
        "data": data,
    }


def body(envelope: dict[str, Any], replayed: bool = False) -> str:
    """The message body that EventBridge sends for an event."""
    event: dict[str, Any] = {"detail-type": envelope["type"], "detail": envelope}
    if replayed:
        event["replay-name"] = "again"
    return json.dumps(event)


_message_ids = itertools.count(1)


def lambda_event(bodies: Iterable[str]) -> dict[str, Any]:
    """A batch as the event source mapping passes it to a function."""
    return {"Records": [{"messageId": f"m{next(_message_ids)}", "body": text} for text in bodies]}


class Queue:
    """An SQS queue with a dead-letter queue."""

    def __init__(self) -> None:
        self.sqs = aws.client("sqs")
        self.dead_url = self.sqs.create_queue(QueueName=new_id())["QueueUrl"]
        arn = self.sqs.get_queue_attributes(QueueUrl=self.dead_url, AttributeNames=["QueueArn"])
        redrive = {
            "deadLetterTargetArn": arn["Attributes"]["QueueArn"],
            "maxReceiveCount": MAX_RECEIVES,
        }
        self.url: str = self.sqs.create_queue(
            QueueName=new_id(),
            Attributes={"VisibilityTimeout": "0", "RedrivePolicy": json.dumps(redrive)},
        )["QueueUrl"]

    def send(self, *bodies: str) -> None:
        """Put messages on the queue, in this order."""
        for text in bodies:
            self.sqs.send_message(QueueUrl=self.url, MessageBody=text)

    def drain(self, handler: Handler, size: int = 10) -> None:
        """Let a function consume all messages; those that keep failing are dead-lettered."""
        while messages := self.sqs.receive_message(
            QueueUrl=self.url, MaxNumberOfMessages=size, WaitTimeSeconds=0
        ).get("Messages", []):
            records = [{"messageId": m["MessageId"], "body": m["Body"]} for m in messages]
            answer = handler({"Records": records}, None)
            failed = {f["itemIdentifier"] for f in answer["batchItemFailures"]}
            for message in messages:
                if message["MessageId"] not in failed:
                    self.sqs.delete_message(
                        QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"]
                    )

    def dead_letters(self) -> list[dict[str, Any]]:
        """Receive the messages of the dead-letter queue."""
        found = []
        while messages := self.sqs.receive_message(
            QueueUrl=self.dead_url, MaxNumberOfMessages=10, WaitTimeSeconds=0
        ).get("Messages", []):
            for message in messages:
                found.append(json.loads(message["Body"]))
                self.sqs.delete_message(
                    QueueUrl=self.dead_url, ReceiptHandle=message["ReceiptHandle"]
                )
        return found
