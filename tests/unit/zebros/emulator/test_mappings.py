"""Who is woken when, and how a queue's mapping fills its batches."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from zebros.emulator import mappings, queues
from zebros.emulator.queues import Queue

SCOPE = ("000000000000", "us-east-1")


@pytest.fixture(autouse=True)
def nobody() -> Iterator[None]:
    mappings.running.clear()
    yield
    mappings.running.clear()


class Functions:
    """The emulator's functions, of which a queue's mapping needs this much."""

    def __init__(self, emulator: Any, *answers: dict[str, Any]) -> None:
        self._stock = emulator("services.lambda_svc")
        self._answers = iter(answers)
        self.batches: list[list[str]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stock, name)

    def _execute_function(self, _record: Any, event: dict[str, Any]) -> dict[str, Any]:
        self.batches.append([record["body"] for record in event["Records"]])
        answer = next(self._answers, {"body": None})
        for failure in (answer.get("body") or {}).get("batchItemFailures", []):
            failure["itemIdentifier"] = event["Records"][failure["index"]]["messageId"]
        return answer


@pytest.fixture
def source(emulator: Any, queue: Any, mended: Any) -> Iterator[Any]:
    """Makes the mapping of a queue `work`, whose batches are answered with these answers."""
    with mended(queues.apply):

        def make(*answers: dict[str, Any], **more: Any) -> Queue:
            work = queue("work", VisibilityTimeout="30")
            mapping = {
                "UUID": "mapping",
                "EventSourceArn": work["attributes"]["QueueArn"],
                "FunctionName": "consumer",
                "FunctionResponseTypes": ["ReportBatchItemFailures"],
                **more,
            }
            made = Queue(SCOPE, mapping)
            made.functions = Functions(emulator, *answers)
            made.function = lambda: {"config": {"FunctionName": "consumer"}}  # type: ignore[method-assign]
            return made

        yield make


def send(emulator: Any, *bodies: str) -> None:
    sqs = emulator("services.sqs")
    for body in bodies:
        sqs._act_send_message({"QueueUrl": sqs._queue_url("work"), "MessageBody": body}, "")


def work(source: Queue, seconds: float = 3) -> list[list[str]]:
    """Step until nothing is visible and nothing busy; the batches."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        pause = source.step()
        if pause is None and not source._busy:
            return source.functions.batches  # type: ignore[no-any-return]
        time.sleep(pause or 0.001)
    raise AssertionError(source.functions.batches)


def test_a_source_that_has_work_is_nudged_and_no_other(emulator: Any, source: Any) -> None:
    one = source()
    mappings.running["one"] = one
    one.is_alive = lambda: True
    dispatcher = mappings.Dispatcher(emulator("services.lambda_svc"))
    dispatcher.turn()
    assert not one.nudged.is_set()
    send(emulator, "a")
    dispatcher.turn()
    assert one.nudged.is_set(), "also while it is at work"
    one.nudged.clear()
    one._busy = one._limit
    dispatcher.turn()
    assert not one.nudged.is_set(), "the end of a batch will nudge it"


def test_batches_have_the_size_that_was_asked_for(emulator: Any, source: Any) -> None:
    one = source(BatchSize=3, ScalingConfig={"MaximumConcurrency": 1})
    send(emulator, *"abcdefgh")
    assert work(one) == [list("abc"), list("def"), list("gh")]
    assert one.outstanding() == 0


def test_a_batch_waits_for_its_window_unless_it_is_full(emulator: Any, source: Any) -> None:
    one = source(BatchSize=100, MaximumBatchingWindowInSeconds=0.4)
    send(emulator, "a")
    began = time.monotonic()
    assert one.step() == pytest.approx(0.05)
    send(emulator, "b")
    assert work(one) == [["a", "b"]]
    assert time.monotonic() - began >= 0.4
    send(emulator, *(str(number) for number in range(100)))
    assert one.step() == 0, "a full one goes at once"


def test_only_what_failed_of_a_batch_comes_again(emulator: Any, source: Any) -> None:
    answer = {"body": {"batchItemFailures": [{"index": 1}]}}
    one = source(answer, BatchSize=10)
    send(emulator, *"abc")
    work(one)
    (left,) = emulator("services.sqs")._queues.values()
    assert [message["body"] for message in left["messages"]] == ["b"]
    assert left["messages"][0]["visible_at"] > time.time(), "after its visibility timeout"


def test_a_failed_batch_comes_again_as_a_whole(emulator: Any, source: Any) -> None:
    one = source({"error": True, "body": {"errorType": "ValueError"}}, BatchSize=10)
    send(emulator, *"abc")
    work(one)
    assert one.outstanding() == 3
