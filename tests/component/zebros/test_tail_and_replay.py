"""Following and replaying events."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError
from ulid import ULID

from tests.component.zebros.bus import event, put, received
from zebros import cli
from zebros.cli import events
from zebros.client.connection import Connection, Deployment
from zebros.client.stack import Resources
from zebros.errors import BadInput
from zebros.operations import replay, tail
from zebros.operations.rules import rules


@pytest.mark.parametrize(
    ("filter_", "ids"),
    [
        (tail.Filter(), ["E1", "E2", "E3", "E4"]),
        (tail.Filter(tenant="acme"), ["E1", "E2", "E3"]),
        (tail.Filter(types=["OpportunityLost"]), ["E2"]),
        (tail.Filter(contexts=["customers"]), ["E3"]),
        (tail.Filter(tenant="acme", subjects=["opportunity/1"]), ["E1"]),
    ],
)
def test_a_subscription_receives_the_events_that_match_its_filter(
    stack: Deployment, filter_: tail.Filter, ids: list[str]
) -> None:
    with tail.subscribe(stack, filter_) as subscription:
        put(
            event(1),
            event(2, "OpportunityLost"),
            event(3, "AccountCreated", source="zebros.customers"),
            event(4, tenantid="globex"),
            event(5, source="partner.shop"),
        )
        assert sorted(received(subscription)) == ids


def remaining() -> list[str]:
    rules = boto3.client("events").list_rules(EventBusName="bus", NamePrefix=tail.PREFIX)["Rules"]
    queues = boto3.client("sqs").list_queues(QueueNamePrefix=tail.PREFIX).get("QueueUrls", [])
    return [*(rule["Name"] for rule in rules), *queues]


def test_queue_and_rule_are_deleted_after_an_interruption(stack: Deployment) -> None:
    def interrupted() -> None:
        with tail.subscribe(stack, tail.Filter()):
            assert len(remaining()) == 2
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert remaining() == []


@pytest.mark.parametrize(
    ("words", "shown"),
    [(["--count", "1"], ["E1"]), (["--all-tenants", "--count", "2"], ["E1", "E2"])],
)
def test_tail_prints_events_as_they_happen(
    stack: Deployment,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    shown: list[str],
) -> None:
    """The events are published after the note that they are followed."""
    monkeypatch.setattr(Connection, "deployment", lambda _self: stack)
    monkeypatch.setattr(events, "note", lambda _: put(event(1), event(2, tenantid="globex")))
    assert cli.main(["--json", "events", "tail", "--seconds", "20", *words]) == 0
    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["id"] for one in printed] == shown
    assert cli.main(["events", "tail", "--seconds", "20", *words]) == 0
    assert "OpportunityWon             opportunity/1 #1" in capsys.readouterr().out
    assert remaining() == []


def test_tail_reports_that_the_platform_stopped(
    stack: Deployment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def gone(**_: Any) -> None:
        raise EndpointConnectionError(endpoint_url="http://127.0.0.1:1/")

    monkeypatch.setattr(Connection, "deployment", lambda _self: stack)
    monkeypatch.setattr(stack.aws("sqs"), "receive_message", gone)
    monkeypatch.setattr(stack.aws("events"), "remove_targets", gone)
    assert cli.main(["events", "tail", "--seconds", "5"]) == 69
    assert "zebros: The platform does not answer: " in capsys.readouterr().err


def test_queue_and_rule_of_a_killed_tail_are_deleted_by_the_next_one(stack: Deployment) -> None:
    old = ULID.from_datetime(datetime.now(UTC) - timedelta(hours=2))
    young = ULID.from_datetime(datetime.now(UTC) - timedelta(minutes=5))
    names = [f"{tail.PREFIX}{one}".lower() for one in (old, young)]
    for name in names:
        boto3.client("sqs").create_queue(QueueName=name)
        boto3.client("events").put_rule(
            Name=name, EventBusName="bus", EventPattern='{"source": ["x"]}'
        )
    with tail.subscribe(stack, tail.Filter()):
        pass
    assert not any(names[0] in one for one in remaining())
    assert sum(names[1] in one for one in remaining()) == 2


@pytest.fixture
def archived(stack: Deployment) -> Deployment:
    events = boto3.client("events")
    bus = events.describe_event_bus(Name="bus")["Arn"]
    events.create_archive(ArchiveName="archive", EventSourceArn=bus)
    rules = {f"{name}Rule": f"z-{name}-1A2B3C" for name in ("ActivitiesEvents", "ReportingLake")}
    for name in rules.values():
        events.put_rule(
            Name=name, EventBusName="bus", EventPattern='{"source": [{"prefix": "zebros."}]}'
        )
    events.put_rule(Name="a-partner-s", EventBusName="bus", EventPattern='{"source": ["x"]}')
    resources = Resources({**stack.resources.by_kind, "rules": rules})
    return Deployment(resources, None, "us-east-1")


def test_a_replay_publishes_archived_events_and_marks_them(archived: Deployment) -> None:
    put(event(1), event(2))
    now = datetime.now(UTC)
    with tail.subscribe(archived, tail.Filter()) as subscription:
        progress = list(
            replay.replay(
                archived,
                now - timedelta(hours=1),
                now + timedelta(minutes=1),
                None,
                pause=lambda _: None,
            )
        )
        replayed = []
        while events_ := subscription.events():
            replayed += events_
    assert progress[-1].state == "COMPLETED"
    assert sorted(one["id"] for one in replayed) == ["E1", "E2"]
    assert all(one["replayed"] for one in replayed)


def test_a_consumer_is_named_by_its_function(archived: Deployment) -> None:
    known = {"ActivitiesEvents", "ReportingLake", "a-partner-s"}
    assert known <= {name for name, _ in rules(archived)}
    now = datetime.now(UTC)
    with pytest.raises(BadInput, match="No rule sends events to Timeline"):
        list(replay.replay(archived, now - timedelta(hours=1), now, "Timeline"))


def test_a_period_that_ends_before_it_begins_is_rejected(archived: Deployment) -> None:
    now = datetime.now(UTC)
    with pytest.raises(BadInput, match="before it begins"):
        list(replay.replay(archived, now, now - timedelta(hours=1), None))
