"""StartMessageMoveTask, ListMessageMoveTasks, CancelMessageMoveTask: dead letters go back.

Stock fault: the emulator's SQS does not know these actions ("InvalidAction").

Mended in a small way: a task moves what is visible in a dead-letter queue when it starts, to
the queue each message came from or to DestinationArn, and ends. Moved messages count as new.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_StartMessageMoveTask.html
"""

import base64
import json
import threading
import time
from collections import defaultdict
from typing import Any

from zebros.emulator.queues import redrive, remove
from zebros.emulator.seams import module, register

_LISTED = 10


def apply() -> None:
    """Teach SQS the three actions."""
    queues = module("services.sqs")
    tasks: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)

    def start(data: dict[str, Any], _url: str) -> dict[str, Any]:
        arn = data.get("SourceArn", "")
        source = _queue(queues, arn)
        senders = _senders(queues, arn)
        if not senders:
            message = "Source queue must be configured as a Dead Letter Queue."
            raise queues._Err("InvalidParameterValue", message)
        if any(task["Status"] == "RUNNING" for task in tasks[arn]):
            message = "There is already a task running. Only one active task is allowed per queue."
            raise queues._Err("UnsupportedOperation", message)
        target = _queue(queues, data["DestinationArn"]) if data.get("DestinationArn") else None
        handle = json.dumps({"taskId": queues.new_uuid(), "sourceArn": arn}).encode()
        task = {
            "TaskHandle": base64.b64encode(handle).decode(),
            "Status": "RUNNING",
            "SourceArn": arn,
            "ApproximateNumberOfMessagesMoved": 0,
            "ApproximateNumberOfMessagesToMove": len(source["messages"]),
            "StartedTimestamp": int(time.time() * 1000),
        }
        if target:
            task["DestinationArn"] = data["DestinationArn"]
        tasks[arn].insert(0, task)
        pace = int(data.get("MaxNumberOfMessagesPerSecond") or 0)
        module("core.concurrency").spawn_background(
            _move, queues, task, source, target, senders, pace, thread_name="move-messages"
        )
        return {"TaskHandle": task["TaskHandle"]}

    def listed(data: dict[str, Any], _url: str) -> dict[str, Any]:
        _queue(queues, data.get("SourceArn", ""))
        most = min(int(data.get("MaxResults") or 1), _LISTED)
        shown = []
        for task in tasks[data["SourceArn"]][:most]:
            running = task["Status"] == "RUNNING"
            shown.append({k: v for k, v in task.items() if k != "TaskHandle" or running})
        return {"Results": shown}

    def cancel(data: dict[str, Any], _url: str) -> dict[str, Any]:
        for task in (task for of_queue in tasks.values() for task in of_queue):
            if task["TaskHandle"] == data.get("TaskHandle") and task["Status"] == "RUNNING":
                task["Status"] = "CANCELLING"
                moved = task["ApproximateNumberOfMessagesMoved"]
                return {"ApproximateNumberOfMessagesMoved": moved}
        raise queues._Err("ResourceNotFoundException", "The task is not running.")

    register(queues._HANDLERS, "StartMessageMoveTask", start)
    register(queues._HANDLERS, "ListMessageMoveTasks", listed)
    register(queues._HANDLERS, "CancelMessageMoveTask", cancel)


def _queue(queues: Any, arn: str) -> dict[str, Any]:
    queue: dict[str, Any] | None = queues._queue_by_arn(arn)
    if queue is None:
        message = "The resource that you specified for the SourceArn parameter doesn't exist."
        raise queues._Err("ResourceNotFoundException", message)
    return queue


def _senders(queues: Any, arn: str) -> list[str]:
    """The queues whose dead letters go there."""
    found = []
    for queue in queues._queues.values():
        policy = redrive(queue)
        if policy and policy[0] == arn:
            found.append(queue["attributes"]["QueueArn"])
    return found


def _move(
    queues: Any,
    task: dict[str, Any],
    source: dict[str, Any],
    target: dict[str, Any] | None,
    senders: list[str],
    pace: int,
) -> None:
    now = time.time()
    ready = [one["id"] for one in source["messages"] if one["visible_at"] <= now]
    waiting = threading.Event()
    for identifier in ready:
        if task["Status"] != "RUNNING":
            break
        for message in _taken(source, identifier):
            back = target or queues._queue_by_arn(
                (message.get("sys") or {}).get("DeadLetterQueueSourceArn") or senders[0]
            )
            back["messages"].append(_fresh(queues, message))
            task["ApproximateNumberOfMessagesMoved"] += 1
            queues.esm_wake.set()
        if pace:
            waiting.wait(1 / pace)
    task["Status"] = "COMPLETED" if task["Status"] == "RUNNING" else "CANCELLED"


def _taken(source: dict[str, Any], identifier: str) -> list[dict[str, Any]]:
    return remove(source, lambda one: one["id"] == identifier)


def _fresh(queues: Any, message: dict[str, Any]) -> dict[str, Any]:
    now = time.time()
    return {
        **message,
        "id": queues.new_uuid(),
        "receipt_handle": None,
        "sent_at": now,
        "visible_at": now,
        "receive_count": 0,
        "first_receive_at": None,
        "sys": {"SenderId": "sqs", "SentTimestamp": str(int(now * 1000))},
    }
