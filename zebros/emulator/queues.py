"""SQS queues under load: receiving, deleting and dead-lettering of messages.

Without this patch: deleting, expiring and dead-lettering build a new list of messages while other
threads append to the old one, so that a message sent at that moment is lost; every receive and
every delete reads the whole queue several times; a mapping gets at most ten messages; deleting a
message twice is an error, unlike in SQS; after a start with another port no mapping finds its
queue.

Fix: messages are removed in place and under one lock; only the front of the queue is read, because
messages are in sending order and those received already come first; a queue keeps its first URL.
"""

import threading
import time
from itertools import islice, takewhile
from typing import Any

from zebros.emulator.patching import module, register, replace

_PAYLOAD_BYTES = 5_500_000
"""An invocation may have 6 MB; a record is counted as its body and 600 bytes."""
_RECORD_BYTES = 600
changing = threading.RLock()
"""Locked while messages are received or removed. Appending needs no lock."""

type Message = dict[str, Any]


def apply() -> None:
    """Replace the functions that receive and remove messages."""
    sqs = module("services.sqs")

    def url_of(name: str) -> str:
        return sqs._queue_name_to_url.get(name) or original_url(name)  # type: ignore[no-any-return]

    def expire(queue: dict[str, Any]) -> None:
        oldest = time.time() - int(queue["attributes"].get("MessageRetentionPeriod", "345600"))
        with changing:
            messages = queue["messages"]
            expired = sum(1 for _ in takewhile(lambda message: _sent(message) <= oldest, messages))
            del messages[:expired]

    def sweep(queue: dict[str, Any]) -> None:
        with changing:
            messages, now = queue["messages"], time.time()
            received = takewhile(
                lambda message: message.get("receive_count") or message["visible_at"] > now,
                messages,
            )
            front = {**queue, "messages": list(received)}
            end = len(front["messages"])
            original_sweep(front)
            messages[:end] = front["messages"]

    def receive_for_mapping(url: str, limit: int) -> list[Message]:
        queue = sqs._get_q(url)
        visibility = int(queue["attributes"].get("VisibilityTimeout", "30"))
        with changing:
            sqs._expire_retained(queue)
            sqs._dlq_sweep(queue)
            return receive(sqs, queue, limit, visibility, _PAYLOAD_BYTES)

    def delete(data: dict[str, Any], url: str) -> dict[str, Any]:
        if not data.get("ReceiptHandle"):
            return original_delete(data, url)  # type: ignore[no-any-return]  # raises
        queue = sqs._get_q(data.get("QueueUrl", url), "sqs:DeleteMessage")
        delete_by_handle(queue, {data["ReceiptHandle"]})
        return {}

    def delete_batch(data: dict[str, Any], url: str) -> dict[str, Any]:
        queue = sqs._get_q(data.get("QueueUrl", url), "sqs:DeleteMessage")
        entries = data.get("Entries", [])
        sqs._validate_batch_entries(entries, "DeleteMessageBatchRequestEntry")
        delete_by_handle(queue, {one.get("ReceiptHandle") for one in entries})
        return {"Successful": [{"Id": one["Id"]} for one in entries], "Failed": []}

    original_url = replace(sqs, "_queue_url", url_of)
    replace(sqs, "_expire_retained", expire)
    original_sweep = replace(sqs, "_dlq_sweep", sweep)
    replace(sqs, "_collect_msgs", lambda *arguments: receive(sqs, *arguments))
    replace(sqs, "_receive_messages_for_esm", receive_for_mapping)
    replace(
        sqs,
        "_delete_messages_for_esm",
        lambda url, handles: delete_by_handle(sqs._get_q(url), handles),
    )
    original_delete = replace(sqs, "_act_delete_message", delete)
    register(sqs._HANDLERS, "DeleteMessage", delete)
    replace(sqs, "_act_delete_message_batch", delete_batch)
    register(sqs._HANDLERS, "DeleteMessageBatch", delete_batch)


def receive(
    sqs: Any, queue: dict[str, Any], limit: int, visibility: int, size: int | None = None
) -> list[Message]:
    """Receive the first visible messages: at most `limit`, and at most `size` bytes."""
    messages: list[Message] = []
    room, now = size, time.time()
    with changing:
        if queue["is_fifo"]:
            return sqs._collect_fifo(queue, min(limit, 10), visibility, now)  # type: ignore[no-any-return]
        for message in queue["messages"]:
            if len(messages) >= limit:
                break
            if message.get("visible_at", 0) > now:
                continue
            sqs._ensure_msg_fields(message)
            if room is not None:
                room -= len(message["body"]) + _RECORD_BYTES
                if room < 0 and messages:
                    break
            message["receipt_handle"] = sqs.new_uuid()
            message["visible_at"] = now + visibility
            message["receive_count"] += 1
            if message.get("first_receive_at") is None:
                message["first_receive_at"] = now
            messages.append(message)
    return messages


def delete_by_handle(queue: dict[str, Any], handles: set[Any]) -> None:
    """Remove the messages with these receipt handles; unknown handles are ignored."""
    doomed = {handle for handle in handles if handle}
    with changing:
        messages: list[Message] = queue["messages"]
        missing, end = len(doomed), 0
        for message in messages:
            end += 1
            missing -= message.get("receipt_handle") in doomed
            if missing <= 0:
                break
        # Only the part that was read is replaced, because other threads append meanwhile.
        messages[:end] = [one for one in messages[:end] if one.get("receipt_handle") not in doomed]


def count_visible(queue: dict[str, Any], limit: int) -> int:
    """The number of messages that can be received now, counted up to `limit`."""
    now = time.time()
    with changing:
        ready = (one for one in queue["messages"] if one.get("visible_at", 0) <= now)
        return sum(1 for _ in islice(ready, limit))


def _sent(message: Message) -> float:
    return float(message.get("enqueued_at") or message.get("sent_at") or time.time())
