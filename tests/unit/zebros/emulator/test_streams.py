"""Event source mappings of table streams: order, failures, bisection, retries, OnFailure."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from zebros.emulator.streams import Stream

type Answer = dict[str, Any]
type Responder = Callable[[list[str]], Answer]
"""What the function returns for a batch, by the names of its records."""

FILTER = {"Pattern": json.dumps({"dynamodb": {"Keys": {"pk": {"S": [{"prefix": "EVENT#"}]}}}})}


class Rig:
    """A table with a stream, a mapping to a function, and the calls of the function."""

    def __init__(self, emulator: Callable[[str], Any], answer: Responder) -> None:
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
        """Record a call; in its failures, sequence numbers replace the names of records."""
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
        """Process all batches; return the number of pauses before retries."""
        stream = Stream(("000000000000", "us-east-1"), mapping)
        pauses = 0
        for _ in range(steps):
            pause = stream.step()
            if pause is None:
                return pauses
            pauses += pause > 0
        raise AssertionError(f"not finished after {steps} steps: {self.calls}")


@pytest.fixture
def make_rig(emulator: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Rig]:
    def make(answer: Responder) -> Rig:
        rig = Rig(emulator, answer)
        monkeypatch.setattr(rig.functions, "_execute_function", rig.execute)
        return rig

    return make


def failing(*poison: str) -> Responder:
    """A function that reports the poison records of a batch as failed."""
    return lambda names: {
        "body": {"batchItemFailures": [{"itemIdentifier": n} for n in names if n in poison]}
    }


def raising(*poison: str) -> Responder:
    """A function that raises for a batch with a poison record."""
    return lambda names: (
        {"error": True, "body": {"errorType": "ValueError"}}
        if set(names) & set(poison)
        else {"body": None}
    )


def test_the_unpatched_emulator_ignores_reported_failures(make_rig: Any) -> None:
    rig = make_rig(failing("b"))
    rig.mapping()
    rig.write("a", "b", "c")
    rig.functions._poll_dynamodb_streams()
    rig.functions._poll_dynamodb_streams()
    assert rig.calls == [["a", "b", "c"]]


def test_processing_is_retried_from_a_reported_failure(make_rig: Any) -> None:
    failures = iter([["b"], ["b"], []])
    rig = make_rig(lambda names: failing(*next(failures))(names))
    rig.write("a", "b", "c")
    rig.run(rig.mapping())
    assert rig.calls == [["a", "b", "c"], ["b", "c"], ["b", "c"]]


def test_in_the_unpatched_emulator_a_poison_record_blocks_its_stream(make_rig: Any) -> None:
    rig = make_rig(raising("b"))
    rig.mapping(BisectBatchOnFunctionError=True, MaximumRetryAttempts=0)
    rig.write("a", "b", "c")
    for _ in range(5):
        rig.functions._esm_backoff_until.clear()
        rig.functions._poll_dynamodb_streams()
    assert rig.calls == [["a", "b", "c"]] * 5


def test_a_poison_record_is_isolated_by_bisection_and_dead_lettered(make_rig: Any) -> None:
    rig = make_rig(raising("e"))
    target, messages = rig.dead_letter_queue()
    mapping = rig.mapping(
        BisectBatchOnFunctionError=True,
        MaximumRetryAttempts=2,
        DestinationConfig={"OnFailure": {"Destination": target}},
    )
    rig.write(*"abcdefgh")
    pauses = rig.run(mapping)
    done = [name for call in rig.calls if "e" not in call for name in call]
    assert done == list("abcdfgh"), "the others are processed once, in order"
    assert rig.calls.count(["e"]) == 3, "one attempt and two retries"
    assert pauses == 2
    (message,) = messages
    failure = json.loads(message["body"])
    assert failure["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert failure["DDBStreamBatchInfo"]["batchSize"] == 1


def test_without_a_limit_a_failing_batch_is_retried_until_it_succeeds(make_rig: Any) -> None:
    failures = iter([True] * 4)
    rig = make_rig(lambda names: raising(*(names if next(failures, False) else ()))(names))
    rig.write("a", "b")
    assert rig.run(rig.mapping()) == 4
    assert rig.calls == [["a", "b"]] * 5


def test_a_record_that_is_too_old_is_dead_lettered(make_rig: Any, monkeypatch: Any) -> None:
    rig = make_rig(raising("a"))
    target, messages = rig.dead_letter_queue()
    mapping = rig.mapping(
        MaximumRecordAgeInSeconds=60, DestinationConfig={"OnFailure": {"Destination": target}}
    )
    rig.write("a")
    rig.tables._stream_records["records"][0]["dynamodb"]["ApproximateCreationDateTime"] -= 61
    rig.run(mapping)
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
def test_an_invalid_failure_report_fails_the_batch(make_rig: Any, answer: Answer) -> None:
    answers = iter([answer])
    rig = make_rig(lambda _names: next(answers, {"body": None}))
    rig.write("a", "b")
    assert rig.run(rig.mapping()) == 1
    assert rig.calls == [["a", "b"], ["a", "b"]]


def test_a_batch_is_filled_with_records_that_pass_the_filter(make_rig: Any) -> None:
    rig = make_rig(failing())
    rig.write(*(f"{kind}{number}" for number in range(4) for kind in ("STATE", "EVENT#")))
    rig.run(rig.mapping(BatchSize=3, FilterCriteria={"Filters": [FILTER]}))
    assert rig.calls == [["EVENT#0", "EVENT#1", "EVENT#2"], ["EVENT#3"]]


def test_only_unprocessed_records_that_pass_the_filter_are_outstanding(make_rig: Any) -> None:
    rig = make_rig(failing())
    rig.write("EVENT#1", "STATE1")
    mapping = rig.mapping(FilterCriteria={"Filters": [FILTER]})
    stream = Stream(("000000000000", "us-east-1"), mapping)
    assert (stream.outstanding(), stream.ready()) == (1, True)
    rig.run(mapping)
    assert (stream.outstanding(), stream.ready()) == (0, False)
