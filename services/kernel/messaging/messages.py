"""A batch of SQS messages with events; each message succeeds or fails independently."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from kernel.domain.clock import milliseconds_since, utc_now
from kernel.domain.cloud_events import CloudEvent
from kernel.messaging.naming import EventNames, names_in, names_of
from kernel.runtime.faults import describe
from kernel.runtime.log import logger
from kernel.runtime.metrics import EVENT_LAG
from kernel.runtime.work import working_on


@dataclass(frozen=True, slots=True)
class Message:
    """One SQS message, and the event in it."""

    id: str
    event: CloudEvent
    is_gap_check: bool = False
    """Whether it is not an event to apply but a check for gaps before a parked event."""

    @classmethod
    def parse(cls, record: dict[str, Any]) -> "Message":
        """Read a record of a Lambda event. Raises ValueError, KeyError or TypeError."""
        body = json.loads(record["body"])
        if "gap_check" in body:
            return cls(record["messageId"], CloudEvent.parse(body["gap_check"]), is_gap_check=True)
        # EventBridge marks what comes from an archive with `replay-name`.
        event = CloudEvent.parse(body["detail"], replayed="replay-name" in body)
        return cls(record["messageId"], event)


class MessageBatch:
    """The messages of one invocation.

    A message that fails is delivered again, and moved to the dead-letter queue when it keeps
    failing; the rest of the batch is not affected.
    """

    def __init__(self, consumer: str, event: dict[str, Any]) -> None:
        self._consumer, self._records = consumer, event["Records"]
        self._failed: list[str] = []

    def messages(self) -> Iterator[Message]:
        """The messages that can be parsed; the others are marked as failed."""
        for record in self._records:
            try:
                yield Message.parse(record)
            except Exception as error:
                self._failed.append(record["messageId"])
                with working_on(partial(names_in, [record])):
                    log_failure(self._consumer, error, [record["messageId"]])

    @contextmanager
    def isolate(self, *messages: Message) -> Iterator[None]:
        """Fail these messages, and no others, when the block raises."""
        try:
            with working_on(partial(_named, messages)):
                yield
        except Exception as error:
            self.fail(messages, error)

    def fail(self, messages: Sequence[Message], error: Exception) -> None:
        """Mark messages as failed, so that SQS delivers them again."""
        failed = [message.id for message in messages]
        log_failure(self._consumer, error, failed, [message.event for message in messages])
        self._failed += failed

    def response(self) -> dict[str, Any]:
        """The partial batch response for SQS."""
        return {"batchItemFailures": [{"itemIdentifier": one} for one in self._failed]}


def log_consumed(consumer: str, event: CloudEvent, outcome: str = "applied") -> None:
    """Log a consumed event; `zebros events trace` reads this line."""
    lag: dict[str, Any] = {}
    if outcome == "applied" and not event.replayed:
        lag = EVENT_LAG.fields(milliseconds_since(event.time, utc_now()), consumer)
    logger().info(
        "event consumed",
        consumer=consumer,
        outcome=outcome,
        event_id=event.id,
        event_type=event.type,
        subject=event.subject,
        sequence=event.sequence,
        tenant=event.tenant_id,
        correlation_id=event.correlation_id,
        replayed=event.replayed,
        **lag,
    )


def log_failure(
    consumer: str, error: Exception, message_ids: Sequence[str], events: Sequence[CloudEvent] = ()
) -> None:
    """Log why messages failed; `zebros events trace` and `dead-letters` read this line."""
    logger().exception(
        "event failed",
        consumer=consumer,
        message_ids=message_ids,
        **(names_of(map(_names, events)) if events else {}),
        fault=describe(error),
    )


def _named(messages: Sequence[Message]) -> dict[str, Any]:
    return names_of(_names(message.event) for message in messages)


def _names(event: CloudEvent) -> EventNames:
    return EventNames(event.id, event.subject, event.tenant_id, event.correlation_id)
