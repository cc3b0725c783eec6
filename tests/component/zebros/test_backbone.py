"""Looking at the backbone: taps and replays."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError
from ulid import ULID

from tests.component.zebros.bus import all_of, event, put
from zebros import cli
from zebros.cli import events
from zebros.client.connection import Connection, Deployment
from zebros.client.stack import Resources
from zebros.errors import BadInput
from zebros.operations import replay, tail


@pytest.mark.parametrize(
    ("wanted", "ids"),
    [
        (tail.Filter(), ["F1", "F2", "F3", "F4"]),
        (tail.Filter(tenant="acme"), ["F1", "F2", "F3"]),
        (tail.Filter(types=["OpportunityLost"]), ["F2"]),
        (tail.Filter(contexts=["customers"]), ["F3"]),
        (tail.Filter(tenant="acme", subjects=["opportunity/1"]), ["F1"]),
    ],
)
def test_a_tap_gets_what_its_filter_lets_through(
    stack: Deployment, wanted: tail.Filter, ids: list[str]
) -> None:
    with tail.tapped(stack, wanted) as tap:
        put(
            event(1),
            event(2, "OpportunityLost"),
            event(3, "AccountCreated", source="zebros.customers"),
            event(4, tenantid="globex"),
            event(5, source="partner.shop"),
        )
        assert sorted(all_of(tap)) == ids


def left_behind() -> list[str]:
    rules = boto3.client("events").list_rules(EventBusName="bus", NamePrefix=tail.PREFIX)["Rules"]
    queues = boto3.client("sqs").list_queues(QueueNamePrefix=tail.PREFIX).get("QueueUrls", [])
    return [*(rule["Name"] for rule in rules), *queues]


def test_a_tap_leaves_nothing_behind_however_it_ends(stack: Deployment) -> None:
    def interrupted() -> None:
        with tail.tapped(stack, tail.Filter()):
            assert len(left_behind()) == 2
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert left_behind() == []


@pytest.mark.parametrize(
    ("words", "shown"),
    [(["--count", "1"], ["F1"]), (["--all-tenants", "--count", "2"], ["F1", "F2"])],
)
def test_a_tail_shows_events_as_they_happen(
    stack: Deployment,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    shown: list[str],
) -> None:
    """They happen once it says that it follows them."""
    monkeypatch.setattr(Connection, "deployment", lambda _self: stack)
    monkeypatch.setattr(events, "note", lambda _: put(event(1), event(2, tenantid="globex")))
    assert cli.main(["--json", "events", "tail", "--seconds", "20", *words]) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["id"] for one in told] == shown
    assert cli.main(["events", "tail", "--seconds", "20", *words]) == 0
    assert "OpportunityWon             opportunity/1 #1" in capsys.readouterr().out
    assert left_behind() == []


def test_a_tail_whose_platform_goes_away_says_so(
    stack: Deployment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def gone(**_: Any) -> None:
        raise EndpointConnectionError(endpoint_url="http://127.0.0.1:1/")

    monkeypatch.setattr(Connection, "deployment", lambda _self: stack)
    monkeypatch.setattr(stack.aws("sqs"), "receive_message", gone)
    monkeypatch.setattr(stack.aws("events"), "remove_targets", gone)
    assert cli.main(["events", "tail", "--seconds", "5"]) == 69
    assert "zebros: The platform does not answer: " in capsys.readouterr().err


def test_what_a_killed_tail_left_is_removed_by_the_next_one(stack: Deployment) -> None:
    old = ULID.from_datetime(datetime.now(UTC) - timedelta(hours=2))
    young = ULID.from_datetime(datetime.now(UTC) - timedelta(minutes=5))
    names = [f"{tail.PREFIX}{one}".lower() for one in (old, young)]
    for name in names:
        boto3.client("sqs").create_queue(QueueName=name)
        boto3.client("events").put_rule(
            Name=name, EventBusName="bus", EventPattern='{"source": ["x"]}'
        )
    with tail.tapped(stack, tail.Filter()):
        pass
    assert not any(names[0] in one for one in left_behind())
    assert sum(names[1] in one for one in left_behind()) == 2


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


def test_a_replay_brings_archived_events_again_and_marks_them(archived: Deployment) -> None:
    put(event(1), event(2))
    now = datetime.now(UTC)
    with tail.tapped(archived, tail.Filter()) as tap:
        told = list(
            replay.replay(
                archived,
                now - timedelta(hours=1),
                now + timedelta(minutes=1),
                None,
                pause=lambda _: None,
            )
        )
        brought = []
        while got := tap.events():
            brought += got
    assert told[-1].state == "COMPLETED"
    assert sorted(one["id"] for one in brought) == ["F1", "F2"]
    assert all(one["replayed"] for one in brought)


def test_consumers_are_known_by_their_functions(archived: Deployment) -> None:
    known = {"ActivitiesEvents", "ReportingLake", "a-partner-s"}
    assert known <= set(replay.consumers(archived))
    now = datetime.now(UTC)
    with pytest.raises(BadInput, match="No rule feeds Timeline"):
        list(replay.replay(archived, now - timedelta(hours=1), now, "Timeline"))


def test_a_period_backwards_is_refused(archived: Deployment) -> None:
    now = datetime.now(UTC)
    with pytest.raises(BadInput, match="before it begins"):
        list(replay.replay(archived, now, now - timedelta(hours=1), None))
