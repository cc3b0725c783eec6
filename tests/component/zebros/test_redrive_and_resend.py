"""Dead-letter messages are sent to their queue or relay again, and none is lost."""

import io
import json
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from kernel.domain.cloud_events import to_json
from kernel.messaging import relay
from kernel.storage.packing import pack
from tests.component.zebros.bus import event, received
from zebros import cli
from zebros.client.connection import Connection, Deployment
from zebros.client.stack import Resources, read
from zebros.contract import contract
from zebros.errors import BadInput, CliError
from zebros.operations import redrive, resend, tail

TEMPLATE = {
    "Resources": {
        "ReportingLakeQueue": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "main"}},
        "ReportingLakeDeadLetters": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "dlq"}},
        "CustomersRelayDeadLetters": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "r"}},
    }
}


@pytest.fixture
def dead_letters(stack: Deployment, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    """A stack with dead-letter queues, on a platform without message move tasks."""
    boto3.client("cloudformation").create_stack(
        StackName="zebros", TemplateBody=json.dumps(TEMPLATE)
    )
    without_move_tasks(stack, monkeypatch)
    return with_more(stack, read(boto3.client("cloudformation"), "zebros").by_kind)


def without_move_tasks(stack: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the platform have no message move tasks."""

    def reject(**_: Any) -> None:
        error = {"Error": {"Code": "InvalidAction", "Message": "Unknown action"}}
        raise ClientError(error, "StartMessageMoveTask")  # type: ignore[arg-type]

    monkeypatch.setattr(stack.aws("sqs"), "start_message_move_task", reject)


def with_more(stack: Deployment, more: dict[str, dict[str, str]]) -> Deployment:
    """The same stack with more resources."""
    return Deployment(Resources({**stack.resources.by_kind, **more}), None, "us-east-1")


def waiting(queue: str) -> list[str]:
    sqs = boto3.client("sqs")
    url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]
    bodies: list[str] = []
    while found := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        bodies += [message["Body"] for message in found]
    return bodies


def test_dead_letter_messages_are_sent_to_their_queue(dead_letters: Deployment) -> None:
    sqs = boto3.client("sqs")
    for number in range(23):
        sqs.send_message(
            QueueUrl=sqs.get_queue_url(QueueName="dlq")["QueueUrl"], MessageBody=f"message {number}"
        )
    queue = redrive.find_queue(redrive.dead_letter_queues(dead_letters), "ReportingLakeDeadLetters")
    assert (queue.name, queue.depth) == ("ReportingLake", 23)
    assert max(redrive.redrive(dead_letters, queue, pause=lambda _: None)) == 23
    assert sorted(waiting("main")) == sorted(f"message {n}" for n in range(23))
    assert waiting("dlq") == []


def test_an_empty_dead_letter_queue_moves_nothing(dead_letters: Deployment) -> None:
    queue = redrive.find_queue(redrive.dead_letter_queues(dead_letters), "ReportingLake")
    assert max(redrive.redrive(dead_letters, queue, pause=lambda _: None), default=0) == 0


def test_a_platform_with_move_tasks_moves_the_messages(
    dead_letters: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks = [
        {"TaskHandle": "t", "Status": "RUNNING", "ApproximateNumberOfMessagesMoved": 4},
        {"Status": "COMPLETED", "ApproximateNumberOfMessagesMoved": 9},
    ]
    sqs = dead_letters.aws("sqs")
    monkeypatch.setattr(sqs, "start_message_move_task", lambda **_: {"TaskHandle": "t"})
    monkeypatch.setattr(sqs, "list_message_move_tasks", lambda **_: {"Results": [tasks.pop(0)]})
    queue = redrive.find_queue(redrive.dead_letter_queues(dead_letters), "ReportingLake")
    assert list(redrive.redrive(dead_letters, queue, pause=lambda _: None)) == [4, 9]


def test_a_failed_move_has_a_reason(
    dead_letters: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    sqs = dead_letters.aws("sqs")
    tasks = {"Results": [{"Status": "FAILED", "FailureReason": "AccessDenied"}]}
    monkeypatch.setattr(sqs, "start_message_move_task", lambda **_: {"TaskHandle": "t"})
    monkeypatch.setattr(sqs, "list_message_move_tasks", lambda **_: tasks)
    queue = redrive.find_queue(redrive.dead_letter_queues(dead_letters), "ReportingLake")
    with pytest.raises(CliError, match="AccessDenied"):
        list(redrive.redrive(dead_letters, queue, pause=lambda _: None))


def test_an_unknown_queue_lists_the_known_ones(dead_letters: Deployment) -> None:
    with pytest.raises(BadInput) as rejected:
        redrive.find_queue(redrive.dead_letter_queues(dead_letters), "ReportngLake")
    assert "CustomersRelay, ReportingLake" in rejected.value.hint


class Relay:
    """In place of the Lambda service: calls the relay's handler, or fails."""

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []
        self.broken = False

    def invoke(self, **asked: Any) -> dict[str, Any]:
        assert asked["FunctionName"] == "z-CustomersRelay", asked
        if self.broken:
            body = b'{"errorMessage": "the bus is down"}'
            return {"FunctionError": "Unhandled", "Payload": io.BytesIO(body)}
        event = json.loads(asked["Payload"])
        self.records += event["Records"]
        return {"Payload": io.BytesIO(json.dumps(relay.handler(event, None)).encode())}


@pytest.fixture
def relayed(
    dead_letters: Deployment, cloud: Any, monkeypatch: pytest.MonkeyPatch
) -> tuple[Deployment, Relay]:
    """Five events in a table's stream, three of them in a dead-letter message of the relay."""
    for number in range(1, 6):
        for kind in ("EVENT", "STATE"):
            detail = pack(to_json(event(number, source="zebros.customers")))
            cloud.put_item(
                TableName="table",
                Item={
                    "pk": {"S": f"p{number}"},
                    "sk": {"S": f"{kind}#1"},
                    "detail": {"B": detail},
                },
            )
    arn = cloud.describe_table(TableName="table")["Table"]["LatestStreamArn"]
    streams = boto3.client("dynamodbstreams")
    shard = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"][0]["ShardId"]
    start = streams.get_shard_iterator(
        StreamArn=arn, ShardId=shard, ShardIteratorType="TRIM_HORIZON"
    )["ShardIterator"]
    numbers = [
        one["dynamodb"]["SequenceNumber"]
        for one in streams.get_records(ShardIterator=start)["Records"]
    ]
    info = {
        "shardId": shard,
        "streamArn": arn,
        "startSequenceNumber": numbers[2],
        "endSequenceNumber": numbers[7],
    }
    sqs = boto3.client("sqs")
    sqs.send_message(
        QueueUrl=sqs.get_queue_url(QueueName="r")["QueueUrl"],
        MessageBody=json.dumps({"DDBStreamBatchInfo": info}),
    )
    lambda_service = Relay()
    monkeypatch.setattr(dead_letters.aws("lambda"), "invoke", lambda_service.invoke)
    return with_more(
        dead_letters, {"functions": {"CustomersRelay": "z-CustomersRelay"}}
    ), lambda_service


def test_the_events_of_a_relays_dead_letter_message_are_published(
    relayed: tuple[Deployment, Relay],
) -> None:
    deployment, lambda_service = relayed
    queue = redrive.find_queue(redrive.dead_letter_queues(deployment), "CustomersRelay")
    with tail.subscribe(deployment, tail.Filter()) as subscription:
        assert list(redrive.redrive(deployment, queue)) == [3]
        assert sorted(received(subscription)) == ["E2", "E3", "E4"]
    assert len(lambda_service.records) == 3
    assert waiting("r") == []


def test_a_message_remains_when_the_relay_fails_again(relayed: tuple[Deployment, Relay]) -> None:
    deployment, lambda_service = relayed
    lambda_service.broken = True
    queue = redrive.find_queue(redrive.dead_letter_queues(deployment), "CustomersRelay")
    with pytest.raises(CliError, match="CustomersRelay failed again: the bus is down"):
        list(redrive.redrive(deployment, queue))
    assert remaining(deployment) == 1


class Pages:
    """In place of the stream: returns empty pages before its own."""

    def __init__(self, streams: Any, empty: int) -> None:
        self.get, self.empty = streams.get_records, empty

    def get_records(self, **asked: Any) -> dict[str, Any]:
        if self.empty:
            self.empty -= 1
            return {"Records": [], "NextShardIterator": asked["ShardIterator"]}
        page: dict[str, Any] = self.get(**asked)
        return page


def remaining(deployment: Deployment) -> int:
    """The number of the relay's messages that can be received."""
    return redrive.find_queue(redrive.dead_letter_queues(deployment), "CustomersRelay").depth


def test_an_empty_page_is_not_the_end_of_the_stream(
    relayed: tuple[Deployment, Relay], monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment, lambda_service = relayed
    streams = deployment.aws("dynamodbstreams")
    monkeypatch.setattr(streams, "get_records", Pages(streams, 5).get_records)
    queue = redrive.find_queue(redrive.dead_letter_queues(deployment), "CustomersRelay")
    pauses: list[float] = []
    assert list(redrive.redrive(deployment, queue, pauses.append)) == [3]
    assert len(lambda_service.records) == 3
    assert len(pauses) == 5


def test_a_message_remains_until_its_whole_range_was_read(
    relayed: tuple[Deployment, Relay], monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment, lambda_service = relayed
    streams = deployment.aws("dynamodbstreams")
    monkeypatch.setattr(streams, "get_records", Pages(streams, 1_000_000).get_records)
    queue = redrive.find_queue(redrive.dead_letter_queues(deployment), "CustomersRelay")
    with pytest.raises(
        CliError, match="did not return all records of a dead-letter message of CustomersRelay"
    ):
        list(redrive.redrive(deployment, queue, lambda _: None))
    assert (lambda_service.records, remaining(deployment)) == ([], 1)


def test_a_message_remains_when_its_shard_ended_early(
    relayed: tuple[Deployment, Relay], monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment, lambda_service = relayed
    streams = deployment.aws("dynamodbstreams")
    get = streams.get_records
    monkeypatch.setattr(
        streams, "get_records", lambda **asked: {"Records": get(**asked)["Records"][:2]}
    )
    queue = redrive.find_queue(redrive.dead_letter_queues(deployment), "CustomersRelay")
    with pytest.raises(CliError, match="did not return all"):
        list(redrive.redrive(deployment, queue, lambda _: None))
    assert (lambda_service.records, remaining(deployment)) == ([], 1)


@pytest.mark.parametrize(
    ("code", "raised"),
    [("TrimmedDataAccessException", CliError), ("LimitExceededException", ClientError)],
)
def test_a_message_remains_when_the_stream_fails_or_has_expired(
    relayed: tuple[Deployment, Relay],
    monkeypatch: pytest.MonkeyPatch,
    code: str,
    raised: type[Exception],
) -> None:
    deployment, lambda_service = relayed

    def reject(**_: Any) -> None:
        raise ClientError({"Error": {"Code": code, "Message": "no"}}, "GetShardIterator")

    monkeypatch.setattr(deployment.aws("dynamodbstreams"), "get_shard_iterator", reject)
    queue = redrive.find_queue(redrive.dead_letter_queues(deployment), "CustomersRelay")
    with pytest.raises(raised, match="no longer has" if raised is CliError else code):
        list(redrive.redrive(deployment, queue, lambda _: None))
    assert (lambda_service.records, remaining(deployment)) == ([], 1)


ACCOUNT = "01J9ZK4V3W8Q5D2T7Y6R1XNMHB"


@pytest.fixture
def outbox(relayed: tuple[Deployment, Relay], cloud: Any) -> tuple[Deployment, Relay]:
    """A record of acme with three events in its outbox."""
    for sequence in (1, 2, 3):
        envelope = event(sequence, source="zebros.customers", subject=f"account/{ACCOUNT}")
        item = {
            "pk": {"S": f"TENANT#acme#ACCOUNT#{ACCOUNT}"},
            "sk": {"S": f"EVENT#{sequence:012d}"},
            "detail": {"B": pack(to_json({**envelope, "sequence": str(sequence)}))},
        }
        cloud.put_item(TableName="table", Item=item)
    deployment, lambda_service = relayed
    tables = {one.table: "table" for one in contract().records.values()}
    return with_more(deployment, {"tables": tables}), lambda_service


@pytest.mark.parametrize("target", [ACCOUNT, f"account/{ACCOUNT}"])
def test_the_events_in_an_outbox_are_published_again_by_the_relay(
    outbox: tuple[Deployment, Relay], target: str
) -> None:
    deployment, lambda_service = outbox
    with tail.subscribe(deployment, tail.Filter()) as subscription:
        sent = resend.resend_outbox(deployment, "acme", [target])
        assert list(sent) == [(f"account/{ACCOUNT}", 3)]
        assert received(subscription) == ["E1", "E2", "E3"]
    assert len(lambda_service.records) == 3


def test_resend_prints_the_number_of_events(
    outbox: tuple[Deployment, Relay],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(Connection, "deployment", lambda _self: outbox[0])
    assert cli.main(["events", "resend", ACCOUNT]) == 0
    assert capsys.readouterr().out == f"Sent 3 events about account/{ACCOUNT}.\n"
    assert cli.main(["--json", "events", "resend", f"account/{ACCOUNT}"]) == 0
    assert json.loads(capsys.readouterr().out) == {"subject": f"account/{ACCOUNT}", "resent": 3}


@pytest.mark.parametrize("words", [(), ("--json",)])
def test_events_sent_before_a_failure_are_printed_once(
    outbox: tuple[Deployment, Relay],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
) -> None:
    deployment, lambda_service = outbox
    monkeypatch.setattr(Connection, "deployment", lambda _self: deployment)
    targets = (ACCOUNT, f"account/{ACCOUNT}", f"contact/{ACCOUNT}")
    assert cli.main([*words, "events", "resend", *targets]) == 65
    captured = capsys.readouterr()
    (line,) = captured.out.splitlines()
    assert f"account/{ACCOUNT}" in line
    assert f"has no events about contact/{ACCOUNT}" in captured.err
    assert len(lambda_service.records) == 3


def test_a_failed_or_empty_resend_is_reported(outbox: tuple[Deployment, Relay]) -> None:
    deployment, lambda_service = outbox
    for target, tenant in ((f"account/{ACCOUNT}", "globex"), (f"contact/{ACCOUNT}", "acme")):
        with pytest.raises(BadInput, match=f"outbox of tenant {tenant} has no events"):
            list(resend.resend_outbox(deployment, tenant, [target]))
    with pytest.raises(BadInput, match="is not an id"):
        list(resend.resend_outbox(deployment, "acme", ["nonsense"]))
    lambda_service.broken = True
    with pytest.raises(CliError, match="CustomersRelay failed again: the bus is down"):
        list(resend.resend_outbox(deployment, "acme", [ACCOUNT]))


def test_a_message_without_batch_info_is_reported(dead_letters: Deployment) -> None:
    sqs = boto3.client("sqs")
    url = sqs.get_queue_url(QueueName="r")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="not a message of Lambda")
    queue = redrive.find_queue(redrive.dead_letter_queues(dead_letters), "CustomersRelay")
    with pytest.raises(CliError, match="has neither DDBStreamBatchInfo nor unpublished"):
        list(redrive.redrive(dead_letters, queue))
