"""StartMessageMoveTask and ListMessageMoveTasks, which redrive dead-letter queues.

Without this patch: SQS does not have these actions ("InvalidAction").

Fix: a task moves the visible messages of a dead-letter queue to their source queues or to
DestinationArn, before the call returns. Moved messages count as new.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_StartMessageMoveTask.html
"""

import json
import time
from collections import defaultdict
from typing import Any

from zebros.emulator.patching import module, register
from zebros.emulator.queues import changing, delete_by_handle, receive


def apply() -> None:
    """Add the two actions to SQS."""
    sqs = module("services.sqs")
    tasks: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)

    def start(data: dict[str, Any], _url: str) -> dict[str, Any]:
        arn = data.get("SourceArn", "")
        source, senders = sqs._queue_by_arn(arn), _senders(sqs, arn)
        if not senders:
            message = "Source queue must be configured as a Dead Letter Queue."
            raise sqs._Err("InvalidParameterValue", message)
        target = sqs._queue_by_arn(data.get("DestinationArn", ""))
        task = {
            "SourceArn": arn,
            "StartedTimestamp": int(time.time() * 1000),
            "ApproximateNumberOfMessagesMoved": _move(sqs, source, target, senders[0]),
            "Status": "COMPLETED",
        }
        tasks[arn].insert(0, task)
        return {"TaskHandle": sqs.new_uuid()}

    def listed(data: dict[str, Any], _url: str) -> dict[str, Any]:
        return {"Results": tasks[data.get("SourceArn", "")][: int(data.get("MaxResults") or 1)]}

    register(sqs._HANDLERS, "StartMessageMoveTask", start)
    register(sqs._HANDLERS, "ListMessageMoveTasks", listed)


def _senders(sqs: Any, arn: str) -> list[str]:
    """The queues whose dead-letter queue this is."""
    return [
        queue["attributes"]["QueueArn"]
        for queue in sqs._queues.values()
        if json.loads(queue["attributes"].get("RedrivePolicy") or "{}").get("deadLetterTargetArn")
        == arn
    ]


def _move(sqs: Any, source: dict[str, Any], target: dict[str, Any] | None, sender: str) -> int:
    """Move the visible messages; returns their number."""
    with changing:
        moved = receive(sqs, source, len(source["messages"]), 0)
        for message in moved:
            origin = (message.get("sys") or {}).get("DeadLetterQueueSourceArn") or sender
            now = time.time()
            new = {
                "id": sqs.new_uuid(),
                "receipt_handle": None,
                "sent_at": now,
                "visible_at": now,
                "receive_count": 0,
                "first_receive_at": None,
                "sys": {"SenderId": "sqs", "SentTimestamp": str(int(now * 1000))},
            }
            (target or sqs._queue_by_arn(origin))["messages"].append({**message, **new})
        delete_by_handle(source, {message["receipt_handle"] for message in moved})
    sqs.esm_wake.set()
    return len(moved)
