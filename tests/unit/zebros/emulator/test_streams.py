"""Mappings of table streams: order, partial failures, halving, attempts, the destination."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from zebros.emulator.streams import Stream

type Answer = dict[str, Any]
type Answering = Callable[[list[str]], Answer]

FILTER = {"Pattern": json.dumps({"dynamodb": {"Keys": {"pk": {"S": [{"prefix": "EVENT#"}]}}}})}


class Rig:
    """A table with a stream, a mapping to a function, and the calls of the function."""

    def __init__(
        self, emulator: Callable[[str], Any], answer: Callable[[list[str]], Answer]
    ) -> None:
        self.tables = emulator("services.dynamodb")
        self.functions = emulator("services.lambda_svc")
        self.sqs = emulator("services.sqs")
        self.calls: list[list[str]] = []
        self._answer = answer
        self.tables._create_table(
            {
                "TableName": "records",
                "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
                "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
                "BillingMode": "PAY_PER_REQUEST",
                "StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
            }
        )
        self.arn = self.tables._tables["records"]["LatestStreamArn"]
        name = "arn:aws:lambda:us-east-1:000000000000:function:relay"
        self.functions._functions["relay"] = {
            "config": {"FunctionName": "relay", "FunctionArn": name, "Version": "$LATEST"}
        }

    def write(self, *names: str) -> None:
        for name in names:
            self.tables._put_item({"TableName": "records", "Item": {"pk": {"S": name}}})

    def execute(self, _record: dict[str, Any], event: dict[str, Any]) -> Answer:
        names = [record["dynamodb"]["Keys"]["pk"]["S"] for record in event["Records"]]
        numbers = {
            record["dynamodb"]["Keys"]["pk"]["S"]: record["dynamodb"]["SequenceNumber"]
            for record in event["Records"]
        }
        self.calls.append(names)
        answer = self._answer(names)
        body = answer.get("body")
        for failure in body.get("batchItemFailures", ()) if isinstance(body, dict) else ():
            if "itemIdentifier" in failure:
                name = failure["itemIdentifier"]
                failure["itemIdentifier"] = numbers.get(name, name)
        return answer

    def mapping(self, **more: Any) -> dict[str, Any]:
        mapping = {
            "UUID": "mapping",
            "EventSourceArn": self.arn,
            "FunctionName": "relay",
            "Enabled": True,
            "StartingPosition": "TRIM_HORIZON",
            "BatchSize": 100,
            "FunctionResponseTypes": ["ReportBatchItemFailures"],
            **more,
        }
        self.functions._esms["mapping"] = mapping
        return mapping

    def dead_letter_queue(self) -> tuple[str, list[dict[str, Any]]]:
        self.sqs._act_create_queue({"QueueName": "dead-letters"}, "")
        queue = self.sqs._queues[self.sqs._queue_url("dead-letters")]
        return queue["attributes"]["QueueArn"], queue["messages"]

    def run(self, mapping: dict[str, Any], steps: int = 50) -> int:
        """Process all batches; returns the number of pauses."""
        stream = Stream(("000000000000", "us-east-1"), mapping)
        pauses = 0
        for _ in range(steps):
            pause = stream.step()
            if pause is None:
                return pauses
            pauses += pause > 0
        raise AssertionError(f"still at work after {steps} steps: {self.calls}")


@pytest.fixture
def rig(emulator: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Rig]:
    def make(answer: Answering) -> Rig:
        made = Rig(emulator, answer)
        monkeypatch.setattr(made.functions, "_execute_function", made.execute)
        return made

    return make


def failing(*poison: str) -> Answering:
    """Reports the poison records of a batch."""
    return lambda names: {
        "body": {"batchItemFailures": [{"itemIdentifier": n} for n in names if n in poison]}
    }


def raising(*poison: str) -> Answering:
    """Fails the whole batch when it has a poison record."""
    return lambda names: (
        {"error": True, "body": {"errorType": "ValueError"}}
        if set(names) & set(poison)
        else {"body": None}
    )


def test_a_reported_failure_counts_as_done_as_shipped(rig: Any) -> None:
    made = rig(failing("b"))
    made.mapping()
    made.write("a", "b", "c")
    made.functions._poll_dynamodb_streams()
    made.functions._poll_dynamodb_streams()
    assert made.calls == [["a", "b", "c"]]


def test_processing_is_retried_from_a_reported_failure(rig: Any) -> None:
    attempts = iter([["b"], ["b"], []])
    made = rig(lambda _names: failing(*next(attempts))(_names))
    made.write("a", "b", "c")
    made.run(made.mapping())
    assert made.calls == [["a", "b", "c"], ["b", "c"], ["b", "c"]]


def test_a_poison_record_blocks_its_stream_for_ever_as_shipped(rig: Any) -> None:
    made = rig(raising("b"))
    made.mapping(BisectBatchOnFunctionError=True, MaximumRetryAttempts=0)
    made.write("a", "b", "c")
    for _ in range(5):
        made.functions._esm_backoff_until.clear()
        made.functions._poll_dynamodb_streams()
    assert made.calls == [["a", "b", "c"]] * 5


def test_a_poison_record_is_isolated_by_halving_and_dead_lettered(rig: Any) -> None:
    made = rig(raising("e"))
    target, messages = made.dead_letter_queue()
    mapping = made.mapping(
        BisectBatchOnFunctionError=True,
        MaximumRetryAttempts=2,
        DestinationConfig={"OnFailure": {"Destination": target}},
    )
    made.write(*"abcdefgh")
    pauses = made.run(mapping)
    done = [name for call in made.calls if "e" not in call for name in call]
    assert done == list("abcdfgh"), "in order, each once, none omitted"
    assert made.calls.count(["e"]) == 3, "one attempt and two more"
    assert pauses == 2
    (message,) = messages
    failure = json.loads(message["body"])
    assert failure["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert failure["DDBStreamBatchInfo"]["batchSize"] == 1


def test_without_a_limit_a_failing_batch_is_retried_until_it_succeeds(rig: Any) -> None:
    left = iter([True] * 4)
    made = rig(lambda names: raising(*(names if next(left, False) else ()))(names))
    made.write("a", "b")
    assert made.run(made.mapping()) == 4
    assert made.calls == [["a", "b"]] * 5


def test_a_record_that_is_too_old_is_dead_lettered(rig: Any, monkeypatch: Any) -> None:
    made = rig(raising("a"))
    target, messages = made.dead_letter_queue()
    mapping = made.mapping(
        MaximumRecordAgeInSeconds=60, DestinationConfig={"OnFailure": {"Destination": target}}
    )
    made.write("a")
    made.tables._stream_records["records"][0]["dynamodb"]["ApproximateCreationDateTime"] -= 61
    made.run(mapping)
    failure = json.loads(messages[0]["body"])
    assert failure["requestContext"]["condition"] == "MaxRecordAgeExceeded"


@pytest.mark.parametrize(
    "answer",
    [
        {"body": {"batchItemFailures": [{"itemIdentifier": "nobody"}]}},
        {"body": {"batchItemFailures": [{"itemIdentifier": ""}]}},
        {"body": {"batchItemFailures": [{}]}},
        {"body": "no json"},
    ],
)
def test_an_invalid_failure_report_fails_the_batch(rig: Any, answer: Answer) -> None:
    answers = iter([answer])
    made = rig(lambda _names: next(answers, {"body": None}))
    made.write("a", "b")
    assert made.run(made.mapping()) == 1
    assert made.calls == [["a", "b"], ["a", "b"]]


def test_a_batch_is_filled_with_records_that_pass_the_filter(rig: Any) -> None:
    made = rig(failing())
    made.write(*(f"{kind}{number}" for number in range(4) for kind in ("STATE", "EVENT#")))
    made.run(made.mapping(BatchSize=3, FilterCriteria={"Filters": [FILTER]}))
    assert made.calls == [["EVENT#0", "EVENT#1", "EVENT#2"], ["EVENT#3"]]


def test_outstanding_records_are_unprocessed_and_pass_the_filter(rig: Any) -> None:
    made = rig(failing())
    made.write("EVENT#1", "STATE1")
    mapping = made.mapping(FilterCriteria={"Filters": [FILTER]})
    stream = Stream(("000000000000", "us-east-1"), mapping)
    assert (stream.outstanding(), stream.ready()) == (1, True)
    made.run(mapping)
    assert (stream.outstanding(), stream.ready()) == (0, False)
