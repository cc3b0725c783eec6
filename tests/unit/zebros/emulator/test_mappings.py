"""When mappings are polled, and how a queue's mapping fills its batches."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from zebros.emulator import mappings, queues
from zebros.emulator.streams import Stream


@pytest.fixture(autouse=True)
def nobody() -> Iterator[None]:
    mappings.running.clear()
    yield
    mappings.running.clear()


class Consumer:
    """A function `consumer`, the mapping of a queue `work` to it, and the batches it was given."""

    def __init__(self, emulator: Any, queue: Any, *answers: dict[str, Any], **mapping: Any) -> None:
        self.functions, self.sqs = emulator("services.lambda_svc"), emulator("services.sqs")
        self._answers = iter(answers)
        self.batches: list[list[str]] = []
        self.queue = queue("work", VisibilityTimeout="30")
        arn = "arn:aws:lambda:us-east-1:000000000000:function:consumer"
        self.functions._functions["consumer"] = {
            "config": {"FunctionName": "consumer", "FunctionArn": arn, "Version": "$LATEST"}
        }
        self.functions._esms["mapping"] = {
            "UUID": "mapping",
            "EventSourceArn": self.queue["attributes"]["QueueArn"],
            "FunctionName": "consumer",
            "FunctionResponseTypes": ["ReportBatchItemFailures"],
            **mapping,
        }

    def execute(self, _record: Any, event: dict[str, Any]) -> dict[str, Any]:
        self.batches.append([record["body"] for record in event["Records"]])
        answer = next(self._answers, {"body": None})
        for failure in (answer.get("body") or {}).get("batchItemFailures", []):
            failure["itemIdentifier"] = event["Records"][failure["index"]]["messageId"]
        return answer

    def send(self, *bodies: str) -> None:
        for body in bodies:
            url = self.sqs._queue_url("work")
            self.sqs._act_send_message({"QueueUrl": url, "MessageBody": body}, "")

    def poll_once(self) -> bool:
        return mappings.poll_once(self.functions, self.functions._iter_all_esms)

    def work(self, seconds: float = 3) -> list[list[str]]:
        """Poll until no message is visible and no batch is running; returns the batches."""
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            if not self.poll_once() and not self.functions._esm_inflight and not self.visible():
                return self.batches
            time.sleep(0.001)
        raise AssertionError(self.batches)

    def visible(self) -> int:
        return queues.count_visible(self.queue, 1)


@pytest.fixture
def consumer(emulator: Any, queue: Any, patched: Any, monkeypatch: Any) -> Iterator[Any]:
    """Makes a consumer whose batches get these results."""

    def make(*answers: dict[str, Any], **mapping: Any) -> Consumer:
        made = Consumer(emulator, queue, *answers, **mapping)
        monkeypatch.setattr(made.functions, "_execute_function", made.execute)
        return made

    with patched(queues.apply, mappings.apply):
        yield make


def test_a_stream_that_has_work_is_woken_and_no_other(emulator: Any, monkeypatch: Any) -> None:
    functions, work = emulator("services.lambda_svc"), {"one": False}

    class Watched(Stream):
        def ready(self) -> bool:
            return work["one"]

        def is_alive(self) -> bool:
            return True

    stream = mappings.running["one"] = Watched(("000000000000", "us-east-1"), {"UUID": "one"})
    mappings.poll_once(functions, list)
    assert not stream.wake.is_set()
    work["one"] = True
    mappings.poll_once(functions, list)
    assert stream.wake.is_set(), "also while it is at work"


def test_a_mapping_respects_its_maximum_concurrency(consumer: Any) -> None:
    one = consumer(BatchSize=1, ScalingConfig={"MaximumConcurrency": 2})
    assert not one.poll_once()
    one.send("a")
    one.functions._esm_inflight["mapping"] = 2
    assert not one.poll_once(), "the end of a batch wakes the poller"
    one.functions._esm_inflight.clear()
    assert one.poll_once()


def test_batches_have_the_configured_size(consumer: Any) -> None:
    one = consumer(BatchSize=3, ScalingConfig={"MaximumConcurrency": 1})
    one.send(*"abcdefgh")
    assert one.work() == [list("abc"), list("def"), list("gh")]
    assert one.queue["messages"] == []


def test_a_batch_waits_for_its_window_unless_it_is_full(consumer: Any) -> None:
    one = consumer(BatchSize=100, MaximumBatchingWindowInSeconds=0.4)
    one.send("a")
    began = time.monotonic()
    assert not one.poll_once()
    assert 0 < mappings._until_next_window() <= 0.4
    one.send("b")
    assert one.work() == [["a", "b"]]
    assert time.monotonic() - began >= 0.4
    one.send(*(str(number) for number in range(100)))
    assert one.poll_once(), "a full one goes at once"


def at_another_port(one: Consumer) -> list[list[str]]:
    """The batches of a queue that was created when the platform had another port."""
    url = one.sqs._queue_url("work")
    elsewhere = url.replace("/000000000000/", ":1/000000000000/")
    assert elsewhere != url
    one.sqs._queues[elsewhere] = one.sqs._queues.pop(url)
    one.sqs._queue_name_to_url["work"] = elsewhere
    one.send("a")
    one.functions._poll_sqs()
    return one.work() if one.functions._esm_inflight or not one.visible() else []


def test_a_queue_of_another_port_has_no_consumer_when_unpatched(
    emulator: Any, queue: Any, monkeypatch: Any
) -> None:
    one = Consumer(emulator, queue)
    monkeypatch.setattr(one.functions, "_execute_function", one.execute)
    assert at_another_port(one) == []


def test_a_queue_of_another_port_keeps_its_consumer(consumer: Any) -> None:
    assert at_another_port(consumer()) == [["a"]]


def test_only_failed_messages_of_a_batch_are_delivered_again(consumer: Any) -> None:
    one = consumer({"body": {"batchItemFailures": [{"index": 1}]}}, BatchSize=10)
    one.send(*"abc")
    one.work()
    assert [message["body"] for message in one.queue["messages"]] == ["b"]
    assert one.queue["messages"][0]["visible_at"] > time.time(), "after its visibility timeout"


def test_a_failed_batch_is_delivered_again_completely(consumer: Any) -> None:
    one = consumer({"error": True, "body": {"errorType": "ValueError"}}, BatchSize=10)
    one.send(*"abc")
    one.work()
    assert len(one.queue["messages"]) == 3


def test_the_mappings_of_kinesis_are_polled_only_if_there_are_any(
    consumer: Any, monkeypatch: Any
) -> None:
    one = consumer()
    polls: list[bool] = []
    monkeypatch.setattr(one.functions, "_poll_kinesis", lambda: bool(polls.append(True)))
    one.poll_once()
    assert polls == []
    arn = "arn:aws:kinesis:us-east-1:000000000000:stream/other"
    one.functions._esms["other"] = {
        "UUID": "other", "EventSourceArn": arn, "FunctionName": "consumer",
    }  # fmt: skip
    one.poll_once()
    assert polls == [True]
