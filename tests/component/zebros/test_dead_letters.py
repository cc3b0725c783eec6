"""Dead letters are listed, shown with their reason, redriven one by one, and discarded."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest

from kernel.storage.packing import pack
from tests.component.zebros.bus import event
from tests.component.zebros.test_redrive_and_resend import (
    Relay,
    waiting,
    with_more,
    without_move_tasks,
)
from tests.component.zebros.test_trace import log
from zebros import cli
from zebros.client.connection import Connection, Deployment
from zebros.operations import dead_letters as letters
from zebros.operations import redrive

QUEUES = ("LakeQueue", "LakeDeadLetters", "TasksDeadLetters", "CustomersRelayDeadLetters")
FAILED = event(1, type="OpportunityWon", correlationid="c-1")
PK = "TENANT#acme#ACCOUNT#a"


@pytest.fixture
def deployment(stack: Deployment, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    """A stack with a consumer, a relay and their queues; the command line uses it."""
    sqs = boto3.client("sqs")
    boto3.client("s3").create_bucket(Bucket="files")
    urls = {name: sqs.create_queue(QueueName=name)["QueueUrl"] for name in QUEUES}
    functions = {name: f"z-{name}" for name in ("Lake", "CustomersRelay", "CustomersApi")}
    more = {"queues": urls, "buckets": {"FilesBucket": "files"}, "functions": functions}
    made = with_more(stack, more)
    monkeypatch.setattr(Connection, "deployment", lambda _self: made)
    monkeypatch.setattr("getpass.getuser", lambda: "nobody")
    without_move_tasks(made, monkeypatch)
    return Deployment(made.resources, None, "us-east-1")


def send(queue: str, body: Any, **attributes: str) -> str:
    """Put a message on a queue; returns its id."""
    sqs = boto3.client("sqs")
    text = body if isinstance(body, str) else json.dumps(body)
    named = {n: {"DataType": "String", "StringValue": v} for n, v in attributes.items()}
    url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]
    sent = sqs.send_message(QueueUrl=url, MessageBody=text, MessageAttributes=named)
    return str(sent["MessageId"])


def unpublished(sk: str = "EVENT#000000000002") -> dict[str, Any]:
    return {
        "unpublished": {
            "table": "table",
            "pk": PK,
            "sk": sk,
            "tenant": "acme",
            "subject": "account/a",
            "correlation_id": "c-2",
            "reason": "cannot be read: KeyError: detail",
        }
    }


STREAM_RECORDS = {
    "requestContext": {"condition": "RetryAttemptsExhausted"},
    "DDBStreamBatchInfo": {"batchSize": 3},
}
UNDELIVERED = {"ERROR_CODE": "NO_PERMISSIONS", "ERROR_MESSAGE": "not allowed"}
KINDS = [
    ({"detail": FAILED}, {}, ("OpportunityWon", "acme", "opportunity/1", "")),
    ({"gap_check": FAILED}, {}, ("gap check", "acme", "opportunity/1", "")),
    (
        {"detail": FAILED},
        UNDELIVERED,
        ("OpportunityWon", "acme", "opportunity/1", "not delivered: NO_PERMISSIONS not allowed"),
    ),
    (
        unpublished(),
        {},
        ("unpublished event", "acme", "account/a", "cannot be read: KeyError: detail"),
    ),
    (STREAM_RECORDS, {}, ("stream records", "", "", "RetryAttemptsExhausted: 3 stream records")),
    (
        {"job": "report", "tenant_id": "acme", "run_id": "R1", "task_token": "secret"},
        {},
        ("task", "acme", "report/R1", ""),
    ),
    ("not JSON", {}, ("unknown", "", "", "")),
    ("[]", {}, ("unknown", "", "", "")),
    ({"detail": "text"}, {}, ("unknown", "", "", "")),
]


@pytest.mark.parametrize(("body", "attributes", "expected"), KINDS)
def test_a_message_says_what_it_is_about(
    deployment: Deployment,
    capsys: pytest.CaptureFixture[str],
    body: Any,
    attributes: dict[str, str],
    expected: tuple[str, str, str, str],
) -> None:
    sent = send("LakeDeadLetters", body, **attributes)
    assert cli.main(["--json", "events", "dead-letters"]) == 0
    (shown,) = json.loads(capsys.readouterr().out)
    assert (shown["what"], shown["tenant"], shown["record"], shown["reason"]) == expected
    assert (shown["id"], shown["queue"]) == (sent, "Lake")
    assert "secret" not in json.dumps(shown), "a task's token would let its reader end the task"
    assert abs(datetime.fromisoformat(shown["sent_at"]) - datetime.now(UTC)) < timedelta(minutes=1)


def test_the_reason_is_the_last_failure_that_the_consumer_logged(
    deployment: Deployment, capsys: pytest.CaptureFixture[str]
) -> None:
    sent = send("LakeDeadLetters", {"detail": FAILED})
    now = datetime.now(UTC)
    for seconds, fault in ((0, "KeyError: first"), (1, "KeyError: name")):
        at = now + timedelta(seconds=seconds)
        log("Lake", at, message="event failed", message_ids=[sent], fault=fault)
    log("Lake", now, message="event failed", message_ids=["another"], fault="KeyError: other")
    assert cli.main(["events", "dead-letters"]) == 0
    heading, row = capsys.readouterr().out.splitlines()
    assert heading.split() == ["queue", "message", "sent", "tenant", "what", "record", "reason"]
    assert row.split()[:2] == ["Lake", sent[:8]]
    assert row.rstrip().endswith("opportunity/1  KeyError: name")


def test_looking_at_messages_leaves_them_visible(deployment: Deployment) -> None:
    for number in range(23):
        send("LakeDeadLetters", {"detail": event(number)})
    queue = redrive.find_queue(redrive.dead_letter_queues(deployment), "Lake")
    with letters.messages_of(deployment, queue) as found:
        assert len(found) == 23
        assert found == sorted(found, key=lambda one: (one.sent_at, one.id))
        assert waiting("LakeDeadLetters") == [], "nobody else processes them meanwhile"
    assert len(waiting("LakeDeadLetters")) == 23


def test_no_more_than_a_bounded_number_is_read(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(letters, "MAX_READ", 10)
    for number in range(12):
        send("LakeDeadLetters", {"detail": event(number)})
    assert cli.main(["--json", "events", "dead-letters", "Lake"]) == 0
    captured = capsys.readouterr()
    assert len(json.loads(captured.out)) == 10
    assert "Lake has more messages than the 10 that are listed." in captured.err


def test_one_message_is_shown_with_the_log_lines_of_its_request(
    deployment: Deployment, capsys: pytest.CaptureFixture[str]
) -> None:
    sent = send("LakeDeadLetters", {"detail": FAILED})
    now = datetime.now(UTC)
    log("Lake", now, message="event failed", message_ids=[sent], fault="KeyError: name")
    log("Lake", now, message="event failed", correlation_ids=["c-1"], fault="KeyError: name")
    log("CustomersApi", now - timedelta(seconds=1), message="request", correlation_id="c-1")
    log("CustomersApi", now, message="request", correlation_id="c-2")
    assert cli.main(["events", "dead-letters", "Lake", sent[:6]]) == 0
    text = capsys.readouterr().out
    for line in (
        f"message         {sent}",
        "tenant          acme",
        "record          opportunity/1",
        "reason          KeyError: name",
        '"type": "OpportunityWon"',
    ):
        assert line in text
    first, second = text.splitlines()[-2:]
    assert first.endswith("CustomersApi  INFO  request")
    assert second.endswith("Lake  INFO  event failed: KeyError: name")
    assert cli.main(["--json", "events", "dead-letters", "Lake", sent]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert [one["function"] for one in shown["log"]] == ["CustomersApi", "Lake"]
    assert (shown["reason"], shown["content"]["detail"]["id"]) == ("KeyError: name", "E1")


def test_an_event_that_was_not_published_is_shown_with_the_log_lines_of_its_request(
    deployment: Deployment, capsys: pytest.CaptureFixture[str]
) -> None:
    sent = send("CustomersRelayDeadLetters", unpublished())
    now = datetime.now(UTC)
    log("CustomersApi", now - timedelta(seconds=1), message="request", correlation_id="c-2")
    log("CustomersApi", now, message="request", correlation_id="c-1")
    log("CustomersRelay", now, message="event cannot be published", correlation_id="c-2")
    command = ["--json", "events", "dead-letters", "CustomersRelay", sent]
    assert cli.main(command) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["correlation_id"] == "c-2"
    assert [one["function"] for one in shown["log"]] == ["CustomersApi", "CustomersRelay"]


@pytest.mark.parametrize(
    "older", [{"unpublished": "text"}, {"unpublished": {"subject": "account/a"}}]
)
def test_a_message_without_a_correlation_id_is_listed(
    deployment: Deployment, capsys: pytest.CaptureFixture[str], older: dict[str, Any]
) -> None:
    send("CustomersRelayDeadLetters", older)
    assert cli.main(["--json", "events", "dead-letters"]) == 0
    (shown,) = json.loads(capsys.readouterr().out)
    assert shown["correlation_id"] == ""


@pytest.mark.parametrize("words", [("dead-letters",), ("redrive",), ("discard", "--reason", "x")])
def test_a_message_that_is_not_there_is_reported(
    deployment: Deployment, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    send("LakeDeadLetters", {"detail": FAILED})
    command, *options = words
    assert cli.main(["events", command, "Lake", "no-such", *options]) == 65
    assert "Lake has no no-such." in capsys.readouterr().err
    assert len(waiting("LakeDeadLetters")) == 1


def test_an_id_that_is_not_unique_is_reported(
    deployment: Deployment, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in (1, 2):
        send("LakeDeadLetters", {"detail": event(number)})
    assert cli.main(["events", "dead-letters", "Lake", ""]) == 0, "an empty id lists the queue"
    capsys.readouterr()
    queue = redrive.find_queue(redrive.dead_letter_queues(deployment), "Lake")
    with letters.messages_of(deployment, queue) as found:
        same = [letters.DeadLetter("Lake", "aa1", one.sent_at, "", {}, "") for one in found]
    with pytest.raises(letters.BadInput, match="2 messages of Lake begin with aa"):
        letters.find(same, "aa", "Lake")


def test_one_message_is_redriven_and_the_others_stay(
    deployment: Deployment, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = [send("LakeDeadLetters", {"detail": event(number)}) for number in range(3)]
    assert cli.main(["events", "redrive", "Lake", ids[1]]) == 0
    assert capsys.readouterr().out == "1 sent to Lake again.\n"
    assert [json.loads(body)["detail"]["id"] for body in waiting("LakeQueue")] == ["E1"]
    assert len(waiting("LakeDeadLetters")) == 2


@pytest.fixture
def relay(deployment: Deployment, cloud: Any, monkeypatch: pytest.MonkeyPatch) -> Relay:
    """The relay's function."""
    service = Relay()
    monkeypatch.setattr(deployment.aws("lambda"), "invoke", service.invoke)
    return service


def store(cloud: Any, **attributes: Any) -> None:
    """Store the outbox entry that a relay has set aside."""
    key = {"pk": {"S": PK}, "sk": {"S": "EVENT#000000000002"}}
    cloud.put_item(TableName="table", Item={**key, **attributes})


def repaired() -> dict[str, Any]:
    return {"detail": {"B": pack(json.dumps(event(2, source="zebros.customers")))}}


def test_what_a_relay_set_aside_is_published_after_it_was_repaired(
    deployment: Deployment, relay: Relay, cloud: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = (send("CustomersRelayDeadLetters", unpublished()) for _ in range(2))
    store(cloud)
    for words in (["CustomersRelay"], ["CustomersRelay", first]):
        assert cli.main(["events", "redrive", *words]) == 1
        assert "CustomersRelay failed again: 1 events were not published" in capsys.readouterr().err
    store(cloud, **repaired())
    assert cli.main(["events", "redrive", "CustomersRelay", second]) == 0
    assert capsys.readouterr().out == "1 sent to CustomersRelay again.\n"
    assert relay.records[-1]["dynamodb"]["Keys"]["sk"]["S"] == "EVENT#000000000002"


def test_what_the_outbox_no_longer_has_can_only_be_discarded(
    deployment: Deployment, relay: Relay, capsys: pytest.CaptureFixture[str]
) -> None:
    sent = send("CustomersRelayDeadLetters", unpublished())
    assert cli.main(["events", "redrive", "CustomersRelay", sent]) == 1
    error = capsys.readouterr().err
    assert "The outbox no longer has the event EVENT#000000000002 of account/a." in error
    assert "zebros events discard" in error
    assert len(waiting("CustomersRelayDeadLetters")) == 1


def test_all_queues_are_redriven_at_once(
    deployment: Deployment, relay: Relay, cloud: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    store(cloud, **repaired())
    send("CustomersRelayDeadLetters", unpublished())
    send("LakeDeadLetters", {"detail": FAILED})
    assert cli.main(["--json", "events", "redrive", "--all"]) == 0
    assert json.loads(capsys.readouterr().out) == [
        {"queue": "CustomersRelay", "redriven": 1},
        {"queue": "Lake", "redriven": 1},
    ]
    assert cli.main(["events", "redrive", "--all"]) == 0
    assert capsys.readouterr().out == "No queue has dead-letter messages.\n"


@pytest.mark.parametrize("words", [(), ("Lake", "--all")])
def test_redriving_needs_a_queue_or_all(
    deployment: Deployment, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    assert cli.main(["events", "redrive", *words]) == 65
    assert "Name a queue, or --all" in capsys.readouterr().err


def test_a_discarded_message_is_stored_with_reason_and_operator(
    deployment: Deployment, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = [send("LakeDeadLetters", {"detail": event(number)}) for number in range(3)]
    words = ["events", "discard", "Lake", ids[2], ids[0][:9], ids[2], "--reason", " a test event "]
    assert cli.main(words) == 0
    captured = capsys.readouterr()
    assert captured.out == "Discarded 2 messages of Lake.\n"
    assert [json.loads(body)["detail"]["id"] for body in waiting("LakeDeadLetters")] == ["E1"]
    s3 = boto3.client("s3")
    keys = [one["Key"] for one in s3.list_objects_v2(Bucket="files")["Contents"]]
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    assert sorted(keys) == sorted(f"discarded/Lake/{today}/{ids[n]}.json" for n in (0, 2))
    assert all(f"Stored as {key}." in captured.err for key in keys)
    stored = json.load(s3.get_object(Bucket="files", Key=keys[0])["Body"])
    assert stored["reason"] == "a test event"
    assert stored["discarded_by"] == "arn:aws:sts::123456789012:user/moto"
    assert json.loads(stored["body"])["detail"]["type"] == "OpportunityWon"
    assert abs(datetime.fromisoformat(stored["discarded_at"]) - datetime.now(UTC)) < timedelta(1)


def test_on_the_local_platform_the_user_of_the_machine_discards(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    local = Deployment(deployment.resources, "http://127.0.0.1:1", "us-east-1")
    monkeypatch.setattr(Deployment, "aws", lambda _self, service: boto3.client(service))
    monkeypatch.setattr(Connection, "deployment", lambda _self: local)
    send("LakeDeadLetters", {"detail": FAILED})
    words = ["--json", "events", "discard", "Lake", "--all", "--reason", "test"]
    assert cli.main(words) == 0
    (key,) = json.loads(capsys.readouterr().out)["discarded"]
    stored = json.load(boto3.client("s3").get_object(Bucket="files", Key=key)["Body"])
    assert stored["discarded_by"] == "nobody"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--all",), "A reason is missing."),
        (("--all", "--reason", " "), "A reason is missing."),
        (("--reason", "x"), "Name messages, or --all"),
        (("a", "--all", "--reason", "x"), "Name messages, or --all"),
    ],
)
def test_discarding_needs_messages_and_a_reason(
    deployment: Deployment,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    message: str,
) -> None:
    send("LakeDeadLetters", {"detail": FAILED})
    assert cli.main(["events", "discard", "Lake", *words]) == 65
    assert message in capsys.readouterr().err
    assert len(waiting("LakeDeadLetters")) == 1


def test_a_stack_without_dead_letters_says_so(
    deployment: Deployment, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["events", "dead-letters"]) == 0
    assert capsys.readouterr().out == "No queue has dead-letter messages.\n"
    assert cli.main(["events", "dead-letters", "Lake"]) == 0
    assert capsys.readouterr().out == "Lake has no dead-letter messages.\n"
    assert cli.main(["--json", "events", "dead-letters"]) == 0
    assert json.loads(capsys.readouterr().out) == []
