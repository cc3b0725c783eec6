"""Dead letters go back to their queue, or to their relay, and none is lost on the way."""

import io
import json
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from kernel.domain.cloud_events import to_json
from kernel.messaging import relay
from kernel.storage.packing import pack
from tests.component.zebros.bus import all_of, event
from zebros import cli
from zebros.client.connection import Connection, Deployment
from zebros.client.stack import Resources, read
from zebros.errors import BadInput, Trouble
from zebros.operations import events, redrive, relays, tail

TEMPLATE = {
    "Resources": {
        "ReportingLakeQueue": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "main"}},
        "ReportingLakeDeadLetters": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "dlq"}},
        "CustomersRelayDeadLetters": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "r"}},
    }
}


@pytest.fixture
def letters(stack: Deployment, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    """A stack with a dead-letter queue, on a platform that has no move tasks."""
    boto3.client("cloudformation").create_stack(
        StackName="zebros", TemplateBody=json.dumps(TEMPLATE)
    )

    def refuse(**_: Any) -> None:
        error = {"Error": {"Code": "InvalidAction", "Message": "Unknown action"}}
        raise ClientError(error, "StartMessageMoveTask")  # type: ignore[arg-type]

    monkeypatch.setattr(stack.aws("sqs"), "start_message_move_task", refuse)
    return with_more(stack, read(boto3.client("cloudformation"), "zebros").by_kind)


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


def test_dead_letters_go_back_to_their_queue(letters: Deployment) -> None:
    sqs = boto3.client("sqs")
    for number in range(23):
        sqs.send_message(
            QueueUrl=sqs.get_queue_url(QueueName="dlq")["QueueUrl"], MessageBody=f"letter {number}"
        )
    queue = redrive.chosen(redrive.dead_letter_queues(letters), "ReportingLakeDeadLetters")
    assert (queue.name, queue.depth) == ("ReportingLake", 23)
    assert max(redrive.redrive(letters, queue, pause=lambda _: None)) == 23
    assert sorted(waiting("main")) == sorted(f"letter {n}" for n in range(23))
    assert waiting("dlq") == []


def test_an_empty_dead_letter_queue_is_no_work(letters: Deployment) -> None:
    queue = redrive.chosen(redrive.dead_letter_queues(letters), "ReportingLake")
    assert max(redrive.redrive(letters, queue, pause=lambda _: None), default=0) == 0


def test_where_the_platform_has_a_move_task_it_does_the_work(
    letters: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = [
        {"TaskHandle": "t", "Status": "RUNNING", "ApproximateNumberOfMessagesMoved": 4},
        {"Status": "COMPLETED", "ApproximateNumberOfMessagesMoved": 9},
    ]
    sqs = letters.aws("sqs")
    monkeypatch.setattr(sqs, "start_message_move_task", lambda **_: {"TaskHandle": "t"})
    monkeypatch.setattr(sqs, "list_message_move_tasks", lambda **_: {"Results": [told.pop(0)]})
    queue = redrive.chosen(redrive.dead_letter_queues(letters), "ReportingLake")
    assert list(redrive.redrive(letters, queue, pause=lambda _: None)) == [4, 9]


def test_a_move_that_fails_says_why(letters: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    sqs = letters.aws("sqs")
    told = {"Results": [{"Status": "FAILED", "FailureReason": "AccessDenied"}]}
    monkeypatch.setattr(sqs, "start_message_move_task", lambda **_: {"TaskHandle": "t"})
    monkeypatch.setattr(sqs, "list_message_move_tasks", lambda **_: told)
    queue = redrive.chosen(redrive.dead_letter_queues(letters), "ReportingLake")
    with pytest.raises(Trouble, match="AccessDenied"):
        list(redrive.redrive(letters, queue, pause=lambda _: None))


def test_a_queue_there_is_not_names_those_there_are(letters: Deployment) -> None:
    with pytest.raises(BadInput) as refused:
        redrive.chosen(redrive.dead_letter_queues(letters), "ReportngLake")
    assert "CustomersRelay, ReportingLake" in refused.value.hint


class Relay:
    """Stands for the Lambda service: runs the relay's own handler, or fails."""

    def __init__(self) -> None:
        self.handed: list[dict[str, Any]] = []
        self.broken = False

    def invoke(self, **asked: Any) -> dict[str, Any]:
        assert asked["FunctionName"] == "z-CustomersRelay"
        if self.broken:
            body = b'{"errorMessage": "the bus is down"}'
            return {"FunctionError": "Unhandled", "Payload": io.BytesIO(body)}
        event = json.loads(asked["Payload"])
        self.handed += event["Records"]
        return {"Payload": io.BytesIO(json.dumps(relay.handler(event, None)).encode())}


@pytest.fixture
def relayed(
    letters: Deployment, cloud: Any, monkeypatch: pytest.MonkeyPatch
) -> tuple[Deployment, Relay]:
    """Five events in a table's stream, of which three ended in a dead letter of the relay."""
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
    stands = Relay()
    monkeypatch.setattr(letters.aws("lambda"), "invoke", stands.invoke)
    return with_more(letters, {"functions": {"CustomersRelay": "z-CustomersRelay"}}), stands


def test_a_relays_letter_brings_its_events_to_the_bus(relayed: tuple[Deployment, Relay]) -> None:
    deployment, stands = relayed
    queue = redrive.chosen(redrive.dead_letter_queues(deployment), "CustomersRelay")
    with tail.tapped(deployment, tail.Filter()) as tap:
        assert list(redrive.redrive(deployment, queue)) == [3]
        assert sorted(all_of(tap)) == ["F2", "F3", "F4"]
    assert len(stands.handed) == 3
    assert waiting("r") == []


def test_a_relay_that_fails_again_keeps_its_letter(relayed: tuple[Deployment, Relay]) -> None:
    deployment, stands = relayed
    stands.broken = True
    queue = redrive.chosen(redrive.dead_letter_queues(deployment), "CustomersRelay")
    with pytest.raises(Trouble, match="CustomersRelay failed again: the bus is down"):
        list(redrive.redrive(deployment, queue))
    assert redrive.dead_letter_queues(deployment)[0].depth == 0
    assert kept_back(deployment) == "1"


class Pages:
    """Stands in front of the stream: pages without a record come before (or instead of) its own."""

    def __init__(self, streams: Any, empty: int) -> None:
        self.get, self.empty = streams.get_records, empty

    def get_records(self, **asked: Any) -> dict[str, Any]:
        if self.empty:
            self.empty -= 1
            return {"Records": [], "NextShardIterator": asked["ShardIterator"]}
        page: dict[str, Any] = self.get(**asked)
        return page


def kept_back(deployment: Deployment) -> str:
    """How many letters of the relay are neither deleted nor to be had for a minute."""
    sqs, name = boto3.client("sqs"), "ApproximateNumberOfMessagesNotVisible"
    url = sqs.get_queue_url(QueueName="r")["QueueUrl"]
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])
    return str(found["Attributes"][name])


def test_empty_pages_of_the_stream_end_nothing(
    relayed: tuple[Deployment, Relay], monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment, stands = relayed
    streams = deployment.aws("dynamodbstreams")
    monkeypatch.setattr(streams, "get_records", Pages(streams, 5).get_records)
    queue = redrive.chosen(redrive.dead_letter_queues(deployment), "CustomersRelay")
    pauses: list[float] = []
    assert list(redrive.redrive(deployment, queue, pauses.append)) == [3]
    assert len(stands.handed) == 3
    assert len(pauses) == 5


def test_a_letter_stays_until_its_whole_stretch_was_read(
    relayed: tuple[Deployment, Relay], monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment, stands = relayed
    streams = deployment.aws("dynamodbstreams")
    monkeypatch.setattr(streams, "get_records", Pages(streams, 1_000_000).get_records)
    queue = redrive.chosen(redrive.dead_letter_queues(deployment), "CustomersRelay")
    with pytest.raises(Trouble, match="did not give all that a dead letter of CustomersRelay"):
        list(redrive.redrive(deployment, queue, lambda _: None))
    assert (stands.handed, kept_back(deployment)) == ([], "1")


def test_a_letter_stays_when_its_shard_ended_early(
    relayed: tuple[Deployment, Relay], monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment, stands = relayed
    streams = deployment.aws("dynamodbstreams")
    get = streams.get_records
    monkeypatch.setattr(
        streams, "get_records", lambda **asked: {"Records": get(**asked)["Records"][:2]}
    )
    queue = redrive.chosen(redrive.dead_letter_queues(deployment), "CustomersRelay")
    with pytest.raises(Trouble, match="did not give all"):
        list(redrive.redrive(deployment, queue, lambda _: None))
    assert (stands.handed, kept_back(deployment)) == ([], "1")


@pytest.mark.parametrize(
    ("code", "raised"),
    [("TrimmedDataAccessException", Trouble), ("LimitExceededException", ClientError)],
)
def test_a_letter_stays_when_the_stream_refuses_and_only_a_lost_stretch_is_called_lost(
    relayed: tuple[Deployment, Relay],
    monkeypatch: pytest.MonkeyPatch,
    code: str,
    raised: type[Exception],
) -> None:
    deployment, stands = relayed

    def refuse(**_: Any) -> None:
        raise ClientError({"Error": {"Code": code, "Message": "no"}}, "GetShardIterator")

    monkeypatch.setattr(deployment.aws("dynamodbstreams"), "get_shard_iterator", refuse)
    queue = redrive.chosen(redrive.dead_letter_queues(deployment), "CustomersRelay")
    with pytest.raises(raised, match="no longer has" if raised is Trouble else code):
        list(redrive.redrive(deployment, queue, lambda _: None))
    assert (stands.handed, kept_back(deployment)) == ([], "1")


ACCOUNT = "01J9ZK4V3W8Q5D2T7Y6R1XNMHB"


@pytest.fixture
def outbox(relayed: tuple[Deployment, Relay], cloud: Any) -> tuple[Deployment, Relay]:
    """A record of acme with three events in the outbox of its table."""
    for sequence in (1, 2, 3):
        told = event(sequence, source="zebros.customers", subject=f"account/{ACCOUNT}")
        item = {
            "pk": {"S": f"TENANT#acme#ACCOUNT#{ACCOUNT}"},
            "sk": {"S": f"EVENT#{sequence:012d}"},
            "detail": {"B": pack(to_json({**told, "sequence": str(sequence)}))},
        }
        cloud.put_item(TableName="table", Item=item)
    deployment, stands = relayed
    tables = {table: "table" for _, table in events.CONTEXTS.values()}
    return with_more(deployment, {"tables": tables}), stands


@pytest.mark.parametrize("target", [ACCOUNT, f"account/{ACCOUNT}"])
def test_what_the_outbox_holds_is_sent_again_by_its_relay(
    outbox: tuple[Deployment, Relay], target: str
) -> None:
    deployment, stands = outbox
    with tail.tapped(deployment, tail.Filter()) as tap:
        sent = relays.resend_outbox(deployment, "acme", [target])
        assert list(sent) == [(f"account/{ACCOUNT}", 3)]
        assert all_of(tap) == ["F1", "F2", "F3"]
    assert len(stands.handed) == 3


def test_the_command_line_says_how_much_was_sent(
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
def test_what_was_sent_before_a_resend_failed_is_told_once(
    outbox: tuple[Deployment, Relay],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
) -> None:
    deployment, stands = outbox
    monkeypatch.setattr(Connection, "deployment", lambda _self: deployment)
    targets = (ACCOUNT, f"account/{ACCOUNT}", f"contact/{ACCOUNT}")
    assert cli.main([*words, "events", "resend", *targets]) == 65
    told = capsys.readouterr()
    (line,) = told.out.splitlines()
    assert f"account/{ACCOUNT}" in line
    assert f"holds no events about contact/{ACCOUNT}" in told.err
    assert len(stands.handed) == 3


def test_a_resend_that_fails_or_finds_nothing_says_so(outbox: tuple[Deployment, Relay]) -> None:
    deployment, stands = outbox
    for target, tenant in ((f"account/{ACCOUNT}", "globex"), (f"contact/{ACCOUNT}", "acme")):
        with pytest.raises(BadInput, match=f"outbox of tenant {tenant} holds no events"):
            list(relays.resend_outbox(deployment, tenant, [target]))
    with pytest.raises(BadInput, match="is no id"):
        list(relays.resend_outbox(deployment, "acme", ["nonsense"]))
    stands.broken = True
    with pytest.raises(Trouble, match="CustomersRelay failed again: the bus is down"):
        list(relays.resend_outbox(deployment, "acme", [ACCOUNT]))


def test_a_letter_that_names_no_stream_says_so(letters: Deployment) -> None:
    sqs = boto3.client("sqs")
    url = sqs.get_queue_url(QueueName="r")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="not what a stream sends")
    queue = redrive.chosen(redrive.dead_letter_queues(letters), "CustomersRelay")
    with pytest.raises(Trouble, match="names no stretch of a stream"):
        list(redrive.redrive(letters, queue))
