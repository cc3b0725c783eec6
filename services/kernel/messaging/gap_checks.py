"""What a projection sends to its own queue: gap checks, and events to be received again."""

import json
from typing import Any

from kernel.domain.cloud_events import CloudEvent
from kernel.runtime.aws import client
from kernel.runtime.settings import ConsumerSettings, read_settings


def schedule_gap_check(parked: CloudEvent) -> None:
    """Send a delayed message: check, after the grace period, what is missing before this event."""
    settings = read_settings(ConsumerSettings)
    if settings.queue_url:
        body = {"gap_check": json.loads(parked.detail)}
        _send(settings.queue_url, body, DelaySeconds=settings.gap_grace_seconds)


def requeue(event: CloudEvent, delay_s: int = 0) -> bool:
    """Send an event as a new message; returns False where no queue is configured."""
    queue_url = read_settings(ConsumerSettings).queue_url
    if not queue_url:
        return False
    body: dict[str, Any] = {"detail": json.loads(event.detail)}
    if event.replayed:
        body["replay-name"] = "requeued"
    _send(queue_url, body, DelaySeconds=delay_s)
    return True


def _send(queue_url: str, body: dict[str, Any], **options: int) -> None:
    client("sqs").send_message(QueueUrl=queue_url, MessageBody=json.dumps(body), **options)
