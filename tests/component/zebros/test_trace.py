"""A deal's win is told as one story, from what the table, the logs, the rules and the lake know."""

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
from zebros.operations import events
from zebros.operations.trace import Step, stories

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


def won_deal() -> tuple[str, str]:
    """A deal that is opened and won; its id and the correlation id of both requests."""
    with in_process.client() as crm:
        deal = crm.post("/opportunities", {"name": "Hall 3", "owner_id": "maya"})
        crm.request("POST", f"/opportunities/{deal['id']}/won", body={}, headers={"If-Match": "*"})
        return deal["id"], crm.correlation_id


def say(function: str, at: datetime, **said: Any) -> None:
    """A line in a function's log, as Powertools writes it."""
    logs, group = boto3.client("logs"), f"/aws/lambda/z-{function}"
    known = logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
    if not known:
        logs.create_log_group(logGroupName=group)
        logs.create_log_stream(logGroupName=group, logStreamName="s")
    line = {"level": "INFO", "timestamp": at.isoformat(timespec="milliseconds"), **said}
    logs.put_log_events(
        logGroupName=group,
        logStreamName="s",
        logEvents=[{"timestamp": int(at.timestamp() * 1000), "message": json.dumps(line)}],
    )


def into_lake(event: dict[str, Any]) -> str:
    key = f"tenant=acme/context=opportunities/date={event['time'][:10]}/one.jsonl.gz"
    boto3.client("s3").put_object(
        Bucket="lake", Key=key, Body=gzip.compress(json.dumps(event).encode() + b"\n")
    )
    return key


def step(steps: list[Step], part: str) -> Step:
    (found,) = [one for one in steps if one.part == part]
    return found


def test_a_win_is_told_from_request_to_lake(stack: Deployment) -> None:
    deal, correlation = won_deal()
    _, (_, win) = events.of_record(stack, "acme", deal)
    at = datetime.fromisoformat(win["time"])
    say(
        "OpportunitiesApi",
        at + timedelta(milliseconds=12),
        message="request",
        method="POST",
        path=f"/v1/opportunities/{deal}/won",
        status=200,
        milliseconds=20,
        correlation_id=correlation,
    )
    say("OpportunitiesRelay", at + timedelta(milliseconds=300), event_ids=[win["id"]])
    say(
        "ActivitiesEvents",
        at + timedelta(milliseconds=900),
        message="event consumed",
        consumer="timeline",
        outcome="applied",
        event_id=win["id"],
        subject=win["subject"],
    )
    key = into_lake(win)

    subject, (story,) = stories(stack, "acme", deal, last=1)

    assert subject == f"opportunity/{deal}"
    assert story.event["type"] == "OpportunityWon"
    request = step(story.steps, "request")
    assert request.said == f"POST /v1/opportunities/{deal}/won by admin: 200 in 20 ms"
    assert request.lag == timedelta(milliseconds=-8)
    assert step(story.steps, "state").said == "version 2 in opportunities"
    assert step(story.steps, "event").said.endswith(": lead to won")
    assert step(story.steps, "bus").lag == timedelta(milliseconds=300)
    consumer = step(story.steps, "consumer")
    assert consumer.said == "ActivitiesEvents (timeline): applied"
    assert consumer.lag == timedelta(milliseconds=900)
    assert step(story.steps, "lake").said == key
    assert story.steps[0].part == "request"


def test_a_request_that_only_shares_the_correlation_id_is_no_part_of_the_story(
    stack: Deployment,
) -> None:
    deal, correlation = won_deal()
    _, (_, win) = events.of_record(stack, "acme", deal)
    say(
        "OpportunitiesApi",
        datetime.fromisoformat(win["time"]) + timedelta(seconds=5),
        message="request",
        method="GET",
        milliseconds=20,
        correlation_id=correlation,
    )
    _, (story,) = stories(stack, "acme", deal, last=1)
    assert "request" not in [one.part for one in story.steps]


def test_what_has_not_happened_yet_stands_last_without_a_time(stack: Deployment) -> None:
    deal, _ = won_deal()
    _, (story,) = stories(stack, "acme", deal, last=1)
    last = story.steps[-1]
    assert (last.part, last.at, last.lag) == ("lake", None, None)


def test_a_notification_that_the_event_caused_belongs_to_its_story(stack: Deployment) -> None:
    deal, correlation = won_deal()
    _, (_, win) = events.of_record(stack, "acme", deal)
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
    say(
        "ReportingLake",
        at + timedelta(milliseconds=1200),
        message="event consumed",
        event_id="N1",
        subject=subject,
        correlation_id=correlation,
    )
    _, (story,) = stories(stack, "acme", deal, last=1)
    told = step(story.steps, "notification")
    assert told.said == "NotificationSent to maya: Hall 3 was won"
    assert told.lag == timedelta(milliseconds=700)


def test_a_record_whose_outbox_is_gone_is_told_from_the_lake(stack: Deployment) -> None:
    deal, _ = won_deal()
    _, (_, win) = events.of_record(stack, "acme", deal)
    into_lake(win)
    table = boto3.client("dynamodb")
    for item in table.scan(TableName="opportunities")["Items"]:
        if item["sk"]["S"].startswith("EVENT#"):
            table.delete_item(TableName="opportunities", Key={"pk": item["pk"], "sk": item["sk"]})
    subject, found = events.of_record(stack, "acme", deal)
    assert (subject, [one["id"] for one in found]) == (f"opportunity/{deal}", [win["id"]])
    by_event, (story,) = stories(stack, "acme", win["id"], last=5)
    assert (by_event, story.event["id"]) == (subject, win["id"])


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("nonsense", "is no id"),
        ("invoice/01J9ZK4V3W8Q5D2T7Y6R1XNMHB", "no kind of record called invoice"),
        ("01J9ZK4V3W8Q5D2T7Y6R1XNMHB", "has no events about"),
    ],
)
def test_what_nobody_knows_is_a_sentence(stack: Deployment, target: str, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        events.of_record(stack, "acme", target)


def test_another_tenant_knows_nothing_of_it(stack: Deployment) -> None:
    deal, _ = won_deal()
    with pytest.raises(BadInput):
        events.of_record(stack, "globex", deal)
