"""Queues under load, and mappings that read them.

Stock faults: deleting and dead-lettering rebuild the list of messages while other threads
append to it, so that a message sent at that moment is lost; every receive and every delete
walks the whole queue several times, so that a queue of 20,000 takes minutes to empty; deleting
a message twice is an error, which it is not in SQS.

Mended: messages are removed in place, under one lock, from the front part of the list alone;
what a receive walks is what it takes and what is in flight.
"""

import json
import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from zebros.emulator.seams import module, register, replace
from zebros.emulator.sources import Source, reported

_PAYLOAD_BYTES = 5_500_000
"""An invocation carries 6 MB; what a record adds to its body is counted as 600 bytes."""
_RECORD_BYTES = 600
_PAUSE_S = 0.2
_log = logging.getLogger("lambda")
_changing = threading.RLock()
"""Held while messages are taken or removed. Appending needs no lock."""

type Message = dict[str, Any]


def apply() -> None:
    """Exchange the functions that take and remove messages."""
    sqs = module("services.sqs")

    def expire(queue: dict[str, Any]) -> None:
        try:
            kept_s = int(queue["attributes"].get("MessageRetentionPeriod", "345600"))
        except (TypeError, ValueError):
            return
        oldest = time.time() - kept_s
        with _changing:
            messages = queue["messages"]
            # Messages stand in the order of their sending: the first young one ends the search.
            if messages and _enqueued(messages[0]) <= oldest:
                remove(queue, lambda one: _enqueued(one) <= oldest, many=True)

    def dead_letters(queue: dict[str, Any]) -> None:
        policy = redrive(queue)
        target = sqs._queue_by_arn(policy[0]) if policy else None
        if policy is None or target is None:
            return
        now, most = time.time(), policy[1]

        def spent(one: Message) -> bool:
            return bool(one.get("receive_count", 0) >= most and one["visible_at"] <= now)

        with _changing:
            in_front = _received(queue)
            if not any(spent(one) for one in queue["messages"][:in_front]):
                return
            for one in remove(queue, spent, within=in_front):
                target["messages"].append(_moved(one, queue, target, now))
        sqs.esm_wake.set()

    def collect(queue: dict[str, Any], most: int, visibility: int) -> list[Message]:
        with _changing:
            if queue["is_fifo"]:
                taken: list[Message] = sqs._collect_fifo(queue, most, visibility, time.time())
                return taken
            return take(sqs, queue, most, visibility)

    def delete(data: dict[str, Any], url: str) -> dict[str, Any]:
        handle = data.get("ReceiptHandle", "")
        if not handle:
            return delete_stock(data, url)  # type: ignore[no-any-return]  # raises
        queue = sqs._get_q(data.get("QueueUrl", url), "sqs:DeleteMessage")
        delete_by_handle(queue, {handle})
        return {}

    def delete_batch(data: dict[str, Any], url: str) -> dict[str, Any]:
        queue = sqs._get_q(data.get("QueueUrl", url), "sqs:DeleteMessage")
        entries = data.get("Entries", [])
        sqs._validate_batch_entries(entries, "DeleteMessageBatchRequestEntry")
        delete_by_handle(queue, {one.get("ReceiptHandle", "") for one in entries})
        return {"Successful": [{"Id": one["Id"]} for one in entries], "Failed": []}

    replace(sqs, "_expire_retained", expire)
    replace(sqs, "_dlq_sweep", dead_letters)
    replace(sqs, "_collect_msgs", collect)
    delete_stock = replace(sqs, "_act_delete_message", delete)
    register(sqs._HANDLERS, "DeleteMessage", delete)
    replace(sqs, "_act_delete_message_batch", delete_batch)
    register(sqs._HANDLERS, "DeleteMessageBatch", delete_batch)


def remove(
    queue: dict[str, Any],
    doomed: Callable[[Message], bool],
    *,
    within: int | None = None,
    many: bool = False,
) -> list[Message]:
    """Take messages out of the queue, looking at the first `within` of them; what was taken out.

    Unless `many`, the rest of the list is left alone after the last hit. The list stays the same
    object and its tail is not touched: whoever appends meanwhile appends to the queue.
    """
    with _changing:
        messages: list[Message] = queue["messages"]
        end = len(messages) if within is None else min(within, len(messages))
        hits = [place for place in range(end) if doomed(messages[place])]
        if not hits:
            return []
        removed = [messages[place] for place in hits]
        if many or len(hits) > 1:
            first, last, gone = hits[0], hits[-1] + 1, set(hits)
            messages[first:last] = [
                messages[place] for place in range(first, last) if place not in gone
            ]
        else:
            del messages[hits[0]]
        return removed


def delete_by_handle(queue: dict[str, Any], handles: set[str]) -> None:
    """Remove the messages with these receipt handles; unknown handles are none of our business."""
    with _changing:
        wanted = handles - {""}
        messages: list[Message] = queue["messages"]
        end = 0
        for message in messages:
            if not wanted:
                break
            end += 1
            wanted = wanted - {message.get("receipt_handle")}
        remove(queue, lambda one: one.get("receipt_handle") in handles, within=end)


def take(
    sqs: Any, queue: dict[str, Any], most: int, visibility: int, size: int | None = None
) -> list[Message]:
    """The first visible messages, now in flight: `most` at most, `size` bytes at most."""
    taken: list[Message] = []
    room, now = size, time.time()
    with _changing:
        for message in queue["messages"]:
            if len(taken) >= most:
                break
            if message.get("visible_at", 0) > now:
                continue
            sqs._ensure_msg_fields(message)
            if room is not None:
                room -= len(message["body"]) + _RECORD_BYTES
                if room < 0 and taken:
                    break
            message["receipt_handle"] = sqs.new_uuid()
            message["visible_at"] = now + visibility
            message["receive_count"] += 1
            if message.get("first_receive_at") is None:
                message["first_receive_at"] = now
            taken.append(message)
    return taken


def redrive(queue: dict[str, Any]) -> tuple[str, int] | None:
    """The dead-letter queue's ARN and the number of receives that lead there."""
    try:
        policy = json.loads(queue["attributes"].get("RedrivePolicy") or "null")
        return (policy["deadLetterTargetArn"], int(policy["maxReceiveCount"])) if policy else None
    except (ValueError, TypeError, KeyError):
        return None


def _received(queue: dict[str, Any]) -> int:
    """How far into the list messages were received already: what was never received is behind."""
    messages = queue["messages"]
    last = 0
    unseen = 0
    for place, message in enumerate(messages, start=1):
        if message.get("receive_count", 0):
            last, unseen = place, 0
        else:
            unseen += 1
            if unseen > 1_000:  # a message given back early may stand behind some newer ones
                break
    return last


def _enqueued(message: Message) -> float:
    return float(message.get("enqueued_at") or message.get("sent_at") or time.time())


def _moved(message: Message, queue: dict[str, Any], target: dict[str, Any], now: float) -> Message:
    moved = {**message, "receipt_handle": None, "visible_at": now}
    moved["sys"] = {**message.get("sys", {})}
    moved["sys"].setdefault("DeadLetterQueueSourceArn", queue["attributes"].get("QueueArn", ""))
    if target.get("is_fifo"):
        moved["enqueued_at"] = now
    return moved


class Queue(Source):
    """One queue; batches are handed to threads, as many as the mapping allows."""

    def __init__(self, scope: tuple[str, str], mapping: dict[str, Any]) -> None:
        super().__init__(scope, mapping)
        self.sqs = module("services.sqs")
        self._busy = 0
        self._limit = 1
        self._counting = threading.Lock()
        self._window_ends: float | None = None
        self._pause_until = 0.0

    def step(self) -> float | None:
        queue, function = self._queue(), self.function()
        if queue is None or function is None:
            return None
        if self._pause_until > time.monotonic():
            return self._pause_until - time.monotonic()
        limit = self.functions._sqs_esm_concurrency(
            self.mapping, function, function.get("config"), queue
        )
        self._limit = limit
        if self._busy >= limit:
            return None  # the end of a batch nudges
        self.sqs._expire_retained(queue)
        self.sqs._dlq_sweep(queue)
        size = int(self.mapping.get("BatchSize", 10))
        pause = self._wait_for_more(queue, size)
        if pause is not None:
            return pause
        visibility = int(queue["attributes"].get("VisibilityTimeout", "30"))
        if queue["is_fifo"]:
            batch = self.sqs._collect_msgs(queue, min(size, 10), visibility)
        else:
            batch = take(self.sqs, queue, size, visibility, _PAYLOAD_BYTES)
        if not batch:
            return None
        self._start(function, queue, batch)
        return 0

    def ready(self) -> bool:
        if self._busy >= self._limit:
            return False
        with module("core.responses").request_scope(*self.scope):
            queue = self._queue()
            return queue is not None and visible(queue, 1) > 0

    def outstanding(self) -> int:
        queue = self._queue()
        return len(queue["messages"]) if queue else 0

    def _queue(self) -> dict[str, Any] | None:
        queue: dict[str, Any] | None = self.sqs._queue_by_arn(self.mapping["EventSourceArn"])
        return queue

    def _wait_for_more(self, queue: dict[str, Any], size: int) -> float | None:
        """Seconds to wait until the batch is full or its window over; None when it may go.

        A pause is short, because nothing but a look tells when the batch is full.
        """
        window = float(self.mapping.get("MaximumBatchingWindowInSeconds") or 0)
        if not window:
            return None
        ready, now = visible(queue, size), time.monotonic()
        if not ready:
            self._window_ends = None
            return None
        if self._window_ends is None:
            self._window_ends = now + window
        if ready >= size or now >= self._window_ends:
            self._window_ends = None
            return None
        return min(0.05, self._window_ends - now)

    def _start(self, function: dict[str, Any], queue: dict[str, Any], batch: list[Message]) -> None:
        records = [self._record(message) for message in batch]
        kept = self.functions._apply_filter_criteria(records, self.mapping)
        if len(kept) < len(records):
            passed = {record["receiptHandle"] for record in kept}
            dropped = {one["receipt_handle"] for one in batch} - passed
            delete_by_handle(queue, dropped)
            batch = [one for one in batch if one["receipt_handle"] in passed]
        if not batch:
            return
        with self._counting:
            self._busy += 1
        module("core.concurrency").spawn_background(
            self._call, function, queue, batch, kept, thread_name="queue-batch"
        )

    def _call(
        self,
        function: dict[str, Any],
        queue: dict[str, Any],
        batch: list[Message],
        records: list[dict[str, Any]],
    ) -> None:
        try:
            answer = self.functions._execute_function(function, {"Records": records})
            failed = reported(self.mapping, answer)
            identifiers = {one["id"] for one in batch}
            if answer.get("error") or failed is None or not failed.issubset(identifiers):
                self.mapping["LastProcessingResult"] = "FAILED"
                # What failed stays invisible for a while; a broken function must not spin.
                self._pause_until = time.monotonic() + _PAUSE_S
                return
            done = {one["receipt_handle"] for one in batch if one["id"] not in failed}
            delete_by_handle(queue, done)
            self.mapping["LastProcessingResult"] = (
                f"OK - {len(done)} records, {len(batch) - len(done)} failed"
            )
        finally:
            with self._counting:
                self._busy -= 1
            self.nudged.set()

    def _record(self, message: Message) -> dict[str, Any]:
        """https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html"""
        account, region = self.scope
        system = message.get("sys") or {}
        optional = {
            "AWSTraceHeader": system.get("AWSTraceHeader"),
            "DeadLetterQueueSourceArn": system.get("DeadLetterQueueSourceArn"),
            "MessageGroupId": message.get("group_id"),
            "MessageDeduplicationId": message.get("dedup_id"),
            "SequenceNumber": message.get("seq"),
        }
        return {
            "messageId": message["id"],
            "receiptHandle": message["receipt_handle"],
            "body": message["body"],
            "attributes": {
                "ApproximateReceiveCount": str(message["receive_count"]),
                "SentTimestamp": str(int(message["sent_at"] * 1000)),
                "SenderId": account,
                "ApproximateFirstReceiveTimestamp": str(int(message["first_receive_at"] * 1000)),
                **{name: str(value) for name, value in optional.items() if value},
            },
            "messageAttributes": self.functions._sqs_message_attributes_to_camel_case(
                message.get("message_attributes") or {}
            ),
            "md5OfBody": message.get("md5_body") or "",
            "eventSource": "aws:sqs",
            "eventSourceARN": self.mapping["EventSourceArn"],
            "awsRegion": region,
        }


def visible(queue: dict[str, Any], most: int) -> int:
    """How many messages could be taken now; counted up to `most`."""
    now, count = time.time(), 0
    with _changing:
        for message in queue["messages"]:
            if message.get("visible_at", 0) <= now:
                count += 1
                if count >= most:
                    break
    return count
