"""An opportunity's win is traced by its table, the logs, the rules and the lake."""

import gzip
import json
from datetime import datetime, timedelta
from typing import Any

import boto3
import pytest

from tests.component.zebros import in_process
from zebros.client.connection import Deployment
from zebros.client.stack import Resources
from zebros.errors import BadInput
from zebros.operations.record_events import events_of_record
from zebros.operations.trace import Step, traces

TABLES = ("Customers", "Contacts", "Opportunities", "Activities", "Reporting", "Notifications")
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
    _, (_, win) = events_of_record(stack, "acme", opportunity)
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

    subject, (trace,) = traces(stack, "acme", opportunity, last=1)

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
    _, (_, win) = events_of_record(stack, "acme", opportunity)
    log(
        "OpportunitiesApi",
        datetime.fromisoformat(win["time"]) + timedelta(seconds=5),
        message="request",
        method="GET",
        milliseconds=20,
        correlation_id=correlation,
    )
    _, (trace,) = traces(stack, "acme", opportunity, last=1)
    assert "request" not in [one.part for one in trace.steps]


def test_a_step_that_has_not_happened_yet_is_last_without_a_time(stack: Deployment) -> None:
    opportunity, _ = won_opportunity()
    _, (trace,) = traces(stack, "acme", opportunity, last=1)
    last = trace.steps[-1]
    assert (last.part, last.at, last.lag) == ("lake", None, None)


def test_a_notification_that_the_event_caused_is_part_of_its_trace(stack: Deployment) -> None:
    opportunity, correlation = won_opportunity()
    _, (_, win) = events_of_record(stack, "acme", opportunity)
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
    _, (trace,) = traces(stack, "acme", opportunity, last=1)
    found = step(trace.steps, "notification")
    assert found.text == "NotificationSent to maya: Hall 3 was won"
    assert found.lag == timedelta(milliseconds=700)


def test_a_record_without_outbox_is_traced_by_the_lake(stack: Deployment) -> None:
    opportunity, _ = won_opportunity()
    _, (_, win) = events_of_record(stack, "acme", opportunity)
    write_to_lake(win)
    table = boto3.client("dynamodb")
    for item in table.scan(TableName="opportunities")["Items"]:
        if item["sk"]["S"].startswith("EVENT#"):
            table.delete_item(TableName="opportunities", Key={"pk": item["pk"], "sk": item["sk"]})
    subject, found = events_of_record(stack, "acme", opportunity)
    assert (subject, [one["id"] for one in found]) == (f"opportunity/{opportunity}", [win["id"]])
    by_event, (trace,) = traces(stack, "acme", win["id"], last=5)
    assert (by_event, trace.event["id"]) == (subject, win["id"])


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("nonsense", "is not an id"),
        ("invoice/01J9ZK4V3W8Q5D2T7Y6R1XNMHB", "no record type invoice"),
        ("01J9ZK4V3W8Q5D2T7Y6R1XNMHB", "has no events about"),
    ],
)
def test_an_unknown_record_is_reported(stack: Deployment, target: str, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        events_of_record(stack, "acme", target)


def test_another_tenant_does_not_see_the_record(stack: Deployment) -> None:
    opportunity, _ = won_opportunity()
    with pytest.raises(BadInput):
        events_of_record(stack, "globex", opportunity)
