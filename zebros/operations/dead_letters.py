"""Dead-letter messages: read without removing them, moved back, or discarded with a reason.

SQS has no way to look at a message: reading receives it, and hides it from others until its
visibility timeout, which is set back to zero at the end.

There are five kinds, by who gave up: a consumer (SQS moves the message after five receives), a rule
that could not deliver an event, a relay (an outbox entry that cannot be published), Lambda (a range
of a table's stream that a relay failed on), and workers (a task).
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from zebros.client.connection import Deployment
from zebros.errors import BadInput, CliError
from zebros.operations import function_logs
from zebros.operations.redrive import DeadLetterQueue

MAX_READ = 1_000
"""Messages of one queue that are read at most."""
_HIDDEN_S = 60
_LOG_MARGIN = timedelta(minutes=5)
"""How long before a message was sent its event's log lines are searched."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One dead-letter message."""

    queue: str
    """`ReportingLake` for ReportingLakeDeadLetters."""
    id: str
    """The id of the SQS message."""
    sent_at: datetime
    body: str
    attributes: dict[str, str]
    """The message attributes that EventBridge adds when a rule cannot deliver an event."""
    handle: str
    """The receipt handle; valid while the message is hidden."""

    @property
    def content(self) -> dict[str, Any]:
        """The body as JSON, without the token of a task; empty when it is not a JSON object."""
        try:
            content = json.loads(self.body)
        except ValueError:
            return {}
        if not isinstance(content, dict):
            return {}
        content.pop("task_token", None)
        return content

    @property
    def event(self) -> dict[str, Any]:
        """The event's envelope, empty for other kinds of messages."""
        content = self.content
        event = content.get("detail") or content.get("gap_check")
        return event if isinstance(event, dict) else {}

    @property
    def unpublished(self) -> dict[str, Any]:
        """What names an outbox entry that a relay cannot publish; empty for other messages."""
        unpublished = self.content.get("unpublished")
        return unpublished if isinstance(unpublished, dict) else {}

    @property
    def tenant(self) -> str:
        """The tenant, empty when the message does not name one."""
        task, unpublished = self.content, self.unpublished
        named = self.event.get("tenantid") or task.get("tenant_id") or unpublished.get("tenant")
        return str(named or "")

    @property
    def record(self) -> str:
        """The record that it is about, such as `opportunity/<id>`; empty when none is named."""
        content = self.content
        if "run_id" in content:
            return f"{content.get('job', 'task')}/{content['run_id']}"
        return str(self.event.get("subject") or self.unpublished.get("subject") or "")

    @property
    def what(self) -> str:
        """What it is: the type of an event, or the kind of another message."""
        content = self.content
        if "gap_check" in content:
            return "gap check"
        if self.event:
            return str(self.event.get("type", "event"))
        if self.unpublished:
            return "unpublished event"
        if "DDBStreamBatchInfo" in content:
            return "stream records"
        return "task" if "run_id" in content else "unknown"

    @property
    def correlation_id(self) -> str:
        """The correlation id of the event or task, empty when there is none."""
        task, unpublished = self.content, self.unpublished
        named = (
            self.event.get("correlationid")
            or task.get("correlation_id")
            or unpublished.get("correlation_id")
        )
        return str(named or "")

    @property
    def own_reason(self) -> str:
        """Why it is here, as far as the message itself says."""
        content = self.content
        if self.unpublished:
            return str(self.unpublished.get("reason", ""))
        if "DDBStreamBatchInfo" in content:
            condition = (content.get("requestContext") or {}).get("condition", "")
            size = content["DDBStreamBatchInfo"].get("batchSize")
            return f"{condition}: {size} stream records" if size else str(condition)
        if "ERROR_CODE" in self.attributes:
            text = self.attributes.get("ERROR_MESSAGE", "")
            return f"not delivered: {self.attributes['ERROR_CODE']} {text}".rstrip()
        return ""

    def document(self) -> dict[str, Any]:
        """The message as JSON."""
        return {
            "queue": self.queue,
            "id": self.id,
            "sent_at": self.sent_at.isoformat(),
            "what": self.what,
            "tenant": self.tenant,
            "record": self.record,
            "correlation_id": self.correlation_id,
            "content": self.content or self.body,
        }


@contextmanager
def messages_of(deployment: Deployment, queue: DeadLetterQueue) -> Iterator[list[DeadLetter]]:
    """The messages of a queue, oldest first and at most MAX_READ, which nobody else sees meanwhile.

    They are visible again when the block ends, unless they were deleted.
    """
    sqs = deployment.aws("sqs")
    found: dict[str, DeadLetter] = {}
    try:
        for received in _received(sqs, queue.url):
            message = _dead_letter(queue.name, received)
            found[message.id] = message
        yield sorted(found.values(), key=lambda one: (one.sent_at, one.id))
    finally:
        for message in found.values():
            with suppress(ClientError):  # deleted meanwhile
                sqs.change_message_visibility(
                    QueueUrl=queue.url, ReceiptHandle=message.handle, VisibilityTimeout=0
                )


def find(found: list[DeadLetter], message_id: str, queue: str) -> DeadLetter:
    """The message whose id begins with `message_id`. Raises BadInput unless it is exactly one."""
    fitting = [one for one in found if one.id.startswith(message_id)]
    if len(fitting) == 1:
        return fitting[0]
    problem = f"{len(fitting)} messages of {queue} begin with" if fitting else f"{queue} has no"
    raise BadInput(
        f"{problem} {message_id}.", hint=f"`zebros events dead-letters {queue}` lists them."
    )


def reason(deployment: Deployment, message: DeadLetter) -> str:
    """Why a message is here: as it says itself, else as its function logged the last failure."""
    if message.own_reason:
        return message.own_reason
    last = ""
    since = message.sent_at - _LOG_MARGIN
    for line in function_logs.find(deployment, message.id, since, message.queue):
        if line.fields.get("message") == "event failed":
            last = str(line.fields.get("fault", ""))
    return last


def log_lines(deployment: Deployment, message: DeadLetter) -> list[function_logs.LogLine]:
    """What all functions logged about the request or event behind a message, by time."""
    term = message.correlation_id or message.id
    found = function_logs.find(deployment, term, message.sent_at - _LOG_MARGIN)
    return sorted(found, key=lambda line: line.at)


def move_back(deployment: Deployment, queue: DeadLetterQueue, message: DeadLetter) -> None:
    """Send one message to its source queue; it is deleted here after it was sent."""
    if queue.source_url is None:
        raise CliError(f"{queue.name} reads no queue.")
    deployment.aws("sqs").send_message(QueueUrl=queue.source_url, MessageBody=message.body)
    remove(deployment, queue, message)


def remove(deployment: Deployment, queue: DeadLetterQueue, message: DeadLetter) -> None:
    """Delete one message."""
    deployment.aws("sqs").delete_message(QueueUrl=queue.url, ReceiptHandle=message.handle)


def discard(
    deployment: Deployment, queue: DeadLetterQueue, message: DeadLetter, why: str, by: str
) -> str:
    """Delete a message after it was stored with the reason; returns the key of the stored file.

    The file is in the bucket of the CRM's files, so a message that was discarded by mistake can be
    read there.
    """
    key = f"discarded/{queue.name}/{message.sent_at:%Y-%m-%d}/{message.id}.json"
    kept = {
        **message.document(),
        "body": message.body,
        "discarded_at": datetime.now(UTC).isoformat(),
        "discarded_by": by,
        "reason": why,
    }
    deployment.aws("s3").put_object(
        Bucket=deployment.resources.bucket("FilesBucket"),
        Key=key,
        Body=json.dumps(kept, ensure_ascii=False).encode(),
        ContentType="application/json",
    )
    remove(deployment, queue, message)
    return key


def _received(sqs: Any, url: str) -> Iterator[dict[str, Any]]:
    count = 0
    while count < MAX_READ:
        messages = sqs.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=10,
            WaitTimeSeconds=0,
            VisibilityTimeout=_HIDDEN_S,
            AttributeNames=["All"],
            MessageAttributeNames=["All"],
        ).get("Messages", [])
        if not messages:
            return
        count += len(messages)
        yield from messages


def _dead_letter(queue: str, message: dict[str, Any]) -> DeadLetter:
    sent_ms = int((message.get("Attributes") or {}).get("SentTimestamp", 0))
    named = message.get("MessageAttributes") or {}
    return DeadLetter(
        queue,
        str(message["MessageId"]),
        datetime.fromtimestamp(sent_ms / 1000, UTC),
        str(message["Body"]),
        {name: str(one.get("StringValue", "")) for name, one in named.items()},
        str(message["ReceiptHandle"]),
    )
