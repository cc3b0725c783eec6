"""An opportunity's win is traced by its table, the logs, the rules and the lake."""

import gzip
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest

from tests.component.zebros import in_process
from zebros.client.connection import Deployment
from zebros.client.stack import Resources
from zebros.errors import BadInput
from zebros.operations.record_events import events_of_record
from zebros.operations.trace import Step, traces

TABLES = (
    *("Customers", "Contacts", "Opportunities", "Activities", "Reporting", "Notifications"),
    *("Scaling", "Imports"),
)
FUNCTIONS = (
    "OpportunitiesApi",
    "OpportunitiesRelay",
    "ActivitiesEvents",
    "NotificationsEvents",
    "ReportingLake",
)
RESOURCES = Resources(
    {
        "buses": {"Bus": "bus"},
        "buckets": {"LakeBucket": "lake"},
        "tables": {f"{name}Table": "opportunities" for name in TABLES},
        "functions": {name: f"z-{name}" for name in FUNCTIONS},
    }
)


@pytest.fixture
def stack(cloud: Any, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    in_process.create_tables(cloud, monkeypatch)
    boto3.client("s3").create_bucket(Bucket="lake")
    return Deployment(RESOURCES, None, "us-east-1")


def won_opportunity() -> tuple[str, str]:
    """Creates and wins an opportunity; returns its id and the correlation id of both requests."""
    with in_process.client() as crm:
        created = crm.post("/opportunities", {"name": "Hall 3", "owner_id": "maya"})
        path = f"/opportunities/{created['id']}/won"
        crm.request("POST", path, body={}, headers={"If-Match": "*"})
        return created["id"], crm.correlation_id


def log(function: str, at: datetime, **fields: Any) -> None:
    """Writes a line to a function's log, as Powertools does."""
    logs, group = boto3.client("logs"), f"/aws/lambda/z-{function}"
    known = logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
    if not known:
        logs.create_log_group(logGroupName=group)
        logs.create_log_stream(logGroupName=group, logStreamName="s")
    line = {"level": "INFO", "timestamp": at.isoformat(timespec="milliseconds"), **fields}
    logs.put_log_events(
        logGroupName=group,
        logStreamName="s",
        logEvents=[{"timestamp": int(at.timestamp() * 1000), "message": json.dumps(line)}],
    )


def write_to_lake(event: dict[str, Any]) -> str:
    key = f"tenant=acme/context=opportunities/date={event['time'][:10]}/one.jsonl.gz"
    boto3.client("s3").put_object(
        Bucket="lake", Key=key, Body=gzip.compress(json.dumps(event).encode() + b"\n")
    )
    return key


def step(steps: list[Step], part: str) -> Step:
    (found,) = [one for one in steps if one.part == part]
    return found


def test_a_win_is_traced_from_request_to_lake(stack: Deployment) -> None:
    opportunity, correlation = won_opportunity()
    _, win = events_of_record(stack, "acme", opportunity).events
    at = datetime.fromisoformat(win["time"])
    log(
        "OpportunitiesApi",
        at + timedelta(milliseconds=12),
        message="request",
        method="POST",
        path=f"/v1/opportunities/{opportunity}/won",
        status=200,
        milliseconds=20,
        correlation_id=correlation,
    )
    log("OpportunitiesRelay", at + timedelta(milliseconds=300), event_ids=[win["id"]])
    log(
        "ActivitiesEvents",
        at + timedelta(milliseconds=900),
        message="event consumed",
        consumer="timeline",
        outcome="applied",
        event_id=win["id"],
        subject=win["subject"],
    )
    key = write_to_lake(win)

    subject, (trace,), _ = traces(stack, "acme", opportunity, last=1)

    assert subject == f"opportunity/{opportunity}"
    assert trace.event["type"] == "OpportunityWon"
    request = step(trace.steps, "request")
    assert request.text == f"POST /v1/opportunities/{opportunity}/won by admin: 200 in 20 ms"
    assert request.lag == timedelta(milliseconds=-8)
    assert step(trace.steps, "state").text == "version 2 in opportunities"
    assert step(trace.steps, "event").text.endswith(": lead to won")
    assert step(trace.steps, "bus").lag == timedelta(milliseconds=300)
    consumer = step(trace.steps, "consumer")
    assert consumer.text == "ActivitiesEvents (timeline): applied"
    assert consumer.lag == timedelta(milliseconds=900)
    assert step(trace.steps, "lake").text == key
    assert trace.steps[0].part == "request"


def test_a_request_that_only_shares_the_correlation_id_is_not_part_of_the_trace(
    stack: Deployment,
) -> None:
    opportunity, correlation = won_opportunity()
    _, win = events_of_record(stack, "acme", opportunity).events
    log(
        "OpportunitiesApi",
        datetime.fromisoformat(win["time"]) + timedelta(seconds=5),
        message="request",
        method="GET",
        milliseconds=20,
        correlation_id=correlation,
    )
    (trace,) = traces(stack, "acme", opportunity, last=1).traces
    assert "request" not in [one.part for one in trace.steps]


def test_a_step_that_has_not_happened_yet_is_last_without_a_time(stack: Deployment) -> None:
    opportunity, _ = won_opportunity()
    (trace,) = traces(stack, "acme", opportunity, last=1).traces
    last = trace.steps[-1]
    assert (last.part, last.at, last.lag) == ("lake", None, None)


def test_a_notification_that_the_event_caused_is_part_of_its_trace(stack: Deployment) -> None:
    opportunity, correlation = won_opportunity()
    _, win = events_of_record(stack, "acme", opportunity).events
    at = datetime.fromisoformat(win["time"])
    subject = f"notification/{'0' * 26}"
    sent = {
        **win,
        "id": "N1",
        "source": "zebros.notifications",
        "type": "NotificationSent",
        "subject": subject,
        "time": (at + timedelta(milliseconds=700)).isoformat(),
        "causationid": win["id"],
        "data": {"current": {"owner_id": "maya", "title": "Hall 3 was won"}},
    }
    boto3.client("dynamodb").put_item(
        TableName="opportunities",
        Item={
            "pk": {"S": f"TENANT#acme#NOTIFICATION#{'0' * 26}"},
            "sk": {"S": "EVENT#000000000001"},
            "detail": {"S": json.dumps(sent)},
        },
    )
    log(
        "ReportingLake",
        at + timedelta(milliseconds=1200),
        message="event consumed",
        event_id="N1",
        subject=subject,
        correlation_id=correlation,
    )
    (trace,) = traces(stack, "acme", opportunity, last=1).traces
    found = step(trace.steps, "notification")
    assert found.text == "NotificationSent to maya: Hall 3 was won"
    assert found.lag == timedelta(milliseconds=700)


def test_a_record_without_outbox_is_traced_by_the_lake(stack: Deployment) -> None:
    opportunity, _ = won_opportunity()
    _, win = events_of_record(stack, "acme", opportunity).events
    write_to_lake(win)
    delete_outbox()
    subject, found, _ = events_of_record(stack, "acme", opportunity)
    assert (subject, [one["id"] for one in found]) == (f"opportunity/{opportunity}", [win["id"]])
    by_event, (trace,), _ = traces(stack, "acme", win["id"], last=5)
    assert (by_event, trace.event["id"]) == (subject, win["id"])


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("nonsense", "is not an id"),
        ("invoice/01J9ZK4V3W8Q5D2T7Y6R1XNMHB", "no record type invoice"),
        ("01J9ZK4V3W8Q5D2T7Y6R1XNMHB", "has no record 01J9ZK4V3W8Q5D2T7Y6R1XNMHB, and never had"),
        ("opportunity/01J9ZK4V3W8Q5D2T7Y6R1XNMHB", "has no record opportunity/01J9"),
    ],
)
def test_an_unknown_record_is_reported(stack: Deployment, target: str, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        events_of_record(stack, "acme", target)


def test_a_record_without_any_event_is_told_from_one_that_does_not_exist(
    stack: Deployment,
) -> None:
    opportunity, _ = won_opportunity()
    delete_outbox()
    for target in (opportunity, f"opportunity/{opportunity}"):
        with pytest.raises(BadInput, match="exists, but no event about it is stored"):
            events_of_record(stack, "acme", target)


def test_an_event_that_cannot_be_read_is_named_beside_the_others(stack: Deployment) -> None:
    opportunity, _ = won_opportunity()
    key = {
        "pk": {"S": f"TENANT#acme#OPPORTUNITY#{opportunity}"},
        "sk": {"S": "EVENT#000000000001"},
    }
    for image in (
        {},
        {"detail": {"B": b"\xff"}},
        {"detail": {"B": b"\x00no"}},
        {"detail": {"S": "{"}},
    ):
        boto3.client("dynamodb").put_item(TableName="opportunities", Item={**key, **image})
        found = traces(stack, "acme", opportunity, last=5)
        assert [one.event["type"] for one in found.traces] == ["OpportunityWon"]
        assert found.unreadable == [1]


def test_a_failed_delivery_is_traced_as_failed(stack: Deployment) -> None:
    opportunity, _ = won_opportunity()
    _, win = events_of_record(stack, "acme", opportunity).events
    at = datetime.fromisoformat(win["time"]) + timedelta(seconds=2)
    log(
        "ActivitiesEvents",
        at,
        message="event failed",
        consumer="timeline",
        event_ids=["another", win["id"]],
        fault="KeyError: name",
    )
    (trace,) = traces(stack, "acme", opportunity, last=1).traces
    consumer = step(trace.steps, "consumer")
    assert consumer.text == "ActivitiesEvents (timeline): failed: KeyError: name"
    assert consumer.lag == timedelta(seconds=2)


def test_an_event_in_a_dead_letter_queue_is_traced_as_failed(stack: Deployment) -> None:
    opportunity, _ = won_opportunity()
    _, win = events_of_record(stack, "acme", opportunity).events
    sqs = boto3.client("sqs")
    names = ("ActivitiesEventsDeadLetters", "ActivitiesEventsQueue", "ReportingLakeDeadLetters")
    queues = {name: sqs.create_queue(QueueName=name)["QueueUrl"] for name in names}
    url, more = queues["ActivitiesEventsDeadLetters"], {"queues": queues}
    with_queues = Deployment(Resources({**RESOURCES.by_kind, **more}), None, "us-east-1")
    for event in ({**win, "id": "another"}, win):
        sqs.send_message(QueueUrl=url, MessageBody=json.dumps({"detail": event}))
    message = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0)
    ids = [one["MessageId"] for one in message["Messages"]]
    at = datetime.now(UTC)
    log("ActivitiesEvents", at, message="event failed", message_ids=ids, fault="KeyError: name")

    (trace,) = traces(with_queues, "acme", opportunity, last=1).traces

    dead = step(trace.steps, "dead-letter")
    expected = "ActivitiesEvents: failed, in ActivitiesEventsDeadLetters: KeyError: name"
    assert (dead.text, dead.at) == (expected, None)
    assert "consumer" not in [one.part for one in trace.steps]


def delete_outbox() -> None:
    table = boto3.client("dynamodb")
    for item in table.scan(TableName="opportunities")["Items"]:
        if item["sk"]["S"].startswith("EVENT#"):
            table.delete_item(TableName="opportunities", Key={"pk": item["pk"], "sk": item["sk"]})


def test_another_tenant_does_not_see_the_record(stack: Deployment) -> None:
    opportunity, _ = won_opportunity()
    with pytest.raises(BadInput):
        events_of_record(stack, "globex", opportunity)
