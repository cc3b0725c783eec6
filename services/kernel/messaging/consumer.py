"""Consumers: events from a queue; duplicates, reordering and replays change nothing.

Two kinds, each declared with the detail-types it consumes (the template's rule must name the same):
  Reactor     acts on single events; its effect must be idempotent by the event's id
  Projection  applies every event of a subject in sequence; a later event waits (parked) until the
              missing one comes, and a gap that stays open is reported as StreamGapDetected
An event that cannot be handled fails alone: SQS redelivers it and in the end keeps it in the
dead-letter queue, while the rest of the batch goes on.
"""

import json
from collections.abc import Callable, Iterable
from typing import Any

from kernel.domain.envelope import CloudEvent, unseal
from kernel.runtime.log import logger

ALL = "*"
"""Consumes every event."""


class Message:
    """One SQS message: its id, and the event in it."""

    __slots__ = ("body", "id", "receives")

    def __init__(self, record: dict[str, Any]) -> None:
        self.id: str = record["messageId"]
        self.body: dict[str, Any] = json.loads(record["body"])
        self.receives = int(record.get("attributes", {}).get("ApproximateReceiveCount", 1))

    def event(self) -> CloudEvent:
        """The event; EventBridge marks what comes from an archive with `replay-name`."""
        return unseal(self.body["detail"], replayed="replay-name" in self.body)


class Reactor:
    """Calls a function per event; declared as `reactor = Reactor("inbox", types=[...])`."""

    def __init__(
        self, name: str, *, types: Iterable[str], react: Callable[[CloudEvent], None]
    ) -> None:
        self.name, self.types, self._react = name, frozenset(types), react

    def __call__(self, event: dict[str, Any], _context: object) -> dict[str, Any]:
        """The Lambda handler (SQS, partial batch failures)."""
        failed: list[str] = []
        for record in event["Records"]:
            try:
                message = Message(record)
                cloud_event = message.event()
                if ALL in self.types or cloud_event.type in self.types:
                    self._react(cloud_event)
                    consumed(self.name, cloud_event)
                else:
                    consumed(self.name, cloud_event, "ignored")
            except Exception as fault:
                report(self.name, record, fault)
                failed.append(record["messageId"])
        return failures(failed)


def consumed(consumer: str, event: CloudEvent, outcome: str = "applied") -> None:
    """One log line per event: what `zebros events trace` reads."""
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
    )


def report(consumer: str, record: dict[str, Any], fault: Exception) -> None:
    """Log why a message failed; it will come again, and end in the dead-letter queue."""
    logger().exception(
        "event failed", consumer=consumer, message_id=record.get("messageId"), fault=repr(fault)
    )


def failures(message_ids: Iterable[str]) -> dict[str, Any]:
    """The partial batch response SQS event sources understand."""
    return {"batchItemFailures": [{"itemIdentifier": m} for m in message_ids]}
