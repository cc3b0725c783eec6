"""Queues lose no message under concurrency, and their cost does not grow with their length."""

import asyncio
import json
import threading
import time
from typing import Any

import pytest

from zebros.emulator import moves, queues

type Message = dict[str, Any]


def send(sqs: Any, name: str, *bodies: str) -> None:
    for body in bodies:
        sqs._act_send_message({"QueueUrl": sqs._queue_url(name), "MessageBody": body}, "")


def bodies(queue: dict[str, Any]) -> list[str]:
    return [one["body"] for one in queue["messages"]]


class Interrupted(list[Message]):
    """A queue's list to which another thread appends while it is read."""

    late: Message | None = None

    def __iter__(self) -> Any:
        yield from list.__iter__(self)
        if self.late is not None:
            late, self.late = self.late, None
            self.append(late)


def interrupted_delete(sqs: Any, queue: dict[str, Any]) -> list[str]:
    """Delete the first of three messages while a fourth is being sent."""
    send(sqs, "work", "one", "two", "three")
    (taken,) = sqs._collect_msgs(queue, 1, 30)
    messages = Interrupted(queue["messages"])
    messages.late = {**taken, "id": "4", "body": "four", "receipt_handle": None, "visible_at": 0}
    queue["messages"] = messages
    handle = {"QueueUrl": sqs._queue_url("work"), "ReceiptHandle": taken["receipt_handle"]}
    sqs._HANDLERS["DeleteMessage"](handle, "")
    if messages.late is not None:  # it was not read to the end: the other thread appends now
        queue["messages"].append(messages.late)
    return bodies(queue)


def test_a_message_sent_during_a_delete_is_lost_when_unpatched(emulator: Any, queue: Any) -> None:
    assert interrupted_delete(emulator("services.sqs"), queue("work")) == ["two", "three"]


def test_a_message_sent_during_a_delete_is_kept(emulator: Any, queue: Any, patched: Any) -> None:
    with patched(queues.apply):
        found = interrupted_delete(emulator("services.sqs"), queue("work"))
    assert found == ["two", "three", "four"]


def test_no_message_is_lost_between_a_sender_and_two_readers(
    emulator: Any, queue: Any, patched: Any
) -> None:
    sqs = emulator("services.sqs")
    with patched(queues.apply):
        work = queue("work")
        got: list[str] = []
        sent = threading.Event()

        def read() -> None:
            while not sent.is_set() or work["messages"]:
                taken = queues.receive(sqs, work, 10, 30)
                got.extend(one["body"] for one in taken)
                queues.delete_by_handle(work, {one["receipt_handle"] for one in taken})

        readers = [threading.Thread(target=read) for _ in range(2)]
        for reader in readers:
            reader.start()
        send(sqs, "work", *(str(number) for number in range(2_000)))
        sent.set()
        for reader in readers:
            reader.join(10)
    assert sorted(map(int, got)) == list(range(2_000))


def test_deleting_twice_is_an_error_when_unpatched_and_none_when_patched(
    emulator: Any, queue: Any, patched: Any
) -> None:
    sqs = emulator("services.sqs")
    work = queue("work")
    send(sqs, "work", "one")
    (taken,) = sqs._collect_msgs(work, 1, 30)
    request = {"QueueUrl": sqs._queue_url("work"), "ReceiptHandle": taken["receipt_handle"]}
    sqs._act_delete_message(request, "")
    with pytest.raises(sqs._Err):
        sqs._act_delete_message(request, "")
    with patched(queues.apply):
        assert sqs._act_delete_message(request, "") == {}


def reads(messages: int, sqs: Any, queue: dict[str, Any]) -> int:
    """How often messages are read to receive one batch of ten."""

    class Counted(dict[str, Any]):
        count = 0

        def __getitem__(self, key: str) -> Any:
            Counted.count += 1
            return super().__getitem__(key)

        def get(self, key: str, default: Any = None) -> Any:
            Counted.count += 1
            return super().get(key, default)

    send(sqs, "work", *(str(number) for number in range(messages)))
    queue["messages"][:] = [Counted(one) for one in queue["messages"]]
    sqs._receive_messages_for_esm(sqs._queue_url("work"), 10)
    return Counted.count


def test_receiving_reads_the_whole_queue_when_unpatched(emulator: Any, queue: Any) -> None:
    assert reads(5_000, emulator("services.sqs"), queue("work")) > 5_000


def test_receiving_reads_only_the_received_messages(
    emulator: Any, queue: Any, patched: Any
) -> None:
    with patched(queues.apply):
        assert reads(5_000, emulator("services.sqs"), queue("work")) < 500


def test_messages_received_too_often_are_moved_to_the_dead_letter_queue(
    emulator: Any, queue: Any, patched: Any
) -> None:
    sqs = emulator("services.sqs")
    dead_letters = queue("dead-letters")
    policy = {"deadLetterTargetArn": dead_letters["attributes"]["QueueArn"], "maxReceiveCount": 2}
    with patched(queues.apply):
        work = queue("work", RedrivePolicy=json.dumps(policy))
        send(sqs, "work", "poison", "fine")
        for _ in range(2):
            (taken,) = sqs._collect_msgs(work, 1, 0)
            assert taken["body"] == "poison"
        sqs._dlq_sweep(work)
        assert bodies(work) == ["fine"]
        assert bodies(dead_letters) == ["poison"]
        source = dead_letters["messages"][0]["sys"]["DeadLetterQueueSourceArn"]
        assert source == work["attributes"]["QueueArn"]


def test_old_messages_expire_and_new_ones_stay(emulator: Any, queue: Any, patched: Any) -> None:
    sqs = emulator("services.sqs")
    with patched(queues.apply):
        work = queue("work", MessageRetentionPeriod="60")
        send(sqs, "work", "old", "older", "young")
        for one in work["messages"][:2]:
            one["sent_at"] = time.time() - 61
        sqs._expire_retained(work)
        assert bodies(work) == ["young"]


def test_a_batch_ends_before_the_payload_is_too_large(
    emulator: Any, queue: Any, patched: Any
) -> None:
    sqs = emulator("services.sqs")
    with patched(queues.apply):
        work = queue("work")
        send(sqs, "work", *("x" * 100_000 for _ in range(20)))
        assert len(queues.receive(sqs, work, 1_000, 30, 1_000_000)) == 9
        assert len(queues.receive(sqs, work, 1_000, 30, 10)) == 1, (
            "one is received even if it is too large"
        )


def test_move_tasks_are_unknown_when_unpatched(emulator: Any) -> None:
    assert "StartMessageMoveTask" not in emulator("services.sqs")._HANDLERS


def test_dead_letter_messages_are_moved_to_their_source_queue(
    emulator: Any, queue: Any, patched: Any
) -> None:
    sqs = emulator("services.sqs")
    dead_letters = queue("dead-letters")
    arn = dead_letters["attributes"]["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 1})
    with patched(queues.apply, moves.apply):
        first, second = (queue(name, RedrivePolicy=policy) for name in ("first", "second"))
        for name, source in (("first", first), ("second", second)):
            send(sqs, name, f"from {name}")
            sqs._collect_msgs(source, 1, 0)
            sqs._dlq_sweep(source)
        assert bodies(dead_letters) == ["from first", "from second"]
        asyncio.run(_moved(sqs, arn))
        assert (bodies(dead_letters), bodies(first), bodies(second)) == (
            [],
            ["from first"],
            ["from second"],
        )
        assert first["messages"][0]["receive_count"] == 0, "a moved message counts as new"


async def _moved(sqs: Any, arn: str) -> None:
    started = await sqs._dispatch("StartMessageMoveTask", {"SourceArn": arn}, "")
    assert started["TaskHandle"]
    for _ in range(100):
        answer = await sqs._dispatch("ListMessageMoveTasks", {"SourceArn": arn}, "")
        if answer["Results"][0]["Status"] == "COMPLETED":
            assert answer["Results"][0]["ApproximateNumberOfMessagesMoved"] == 2
            return
        await asyncio.sleep(0.02)
    raise AssertionError(answer)


def test_only_the_messages_of_a_dead_letter_queue_can_be_moved(
    emulator: Any, queue: Any, patched: Any
) -> None:
    sqs = emulator("services.sqs")
    arn = queue("work")["attributes"]["QueueArn"]
    with patched(queues.apply, moves.apply), pytest.raises(sqs._Err, match="Dead Letter"):
        sqs._HANDLERS["StartMessageMoveTask"]({"SourceArn": arn}, "")
