"""Administrators of the operator's tenant are notified of what the scaling controller did.

From a reading to the inbox: decision, table, outbox entry, consumer and API are the real ones.
"""

import json
from datetime import timedelta
from typing import Any

import boto3
import pytest

from kernel.domain.clock import utc_now
from kernel.domain.errors import ReadOnlyRegion
from kernel.storage.table import Table
from notifications.events import MAX_TEXT
from notifications.repository import ADMINISTRATOR_TTL_SECONDS
from scaling.events import Setting
from scaling.service.controller import Mode
from tests.component.conftest import ApiClient, published
from tests.component.scaling import metering
from tests.component.scaling.world import SCHEDULE, TENANT, World, alarm


@pytest.fixture
def world(cloud: Any) -> World:
    """A system whose controller applies what it decides."""
    return World(Table(cloud, "table"))


@pytest.fixture
def api(cloud: Any, monkeypatch: pytest.MonkeyPatch) -> ApiClient:
    """The inbox of an administrator of the operator's tenant, opened once."""
    monkeypatch.setenv("OPERATOR_TENANT", TENANT)
    from notifications.handlers.api import handler

    ann = ApiClient(handler, tenant=TENANT)
    assert ann("GET", "/notifications/unread-count").json == {"unread": 0}
    return ann


def deliver(cloud: Any) -> None:
    """Deliver everything that the controller has published, as the queue does."""
    from notifications.consumers.inbox import handler

    events = [one for one in published(cloud) if one["source"] == "zebros.scaling"]
    records = [
        {"messageId": one["id"], "body": json.dumps({"detail": one})}
        for one in sorted(events, key=lambda one: one["id"])
    ]
    assert handler({"Records": records}, None) == {"batchItemFailures": []}


def texts(api: ApiClient) -> list[str]:
    """The inbox."""
    return [one["text"] for one in api("GET", "/notifications").json["items"]]


def slow(world: World) -> None:
    """The API is slow, and more memory helps."""
    world.alarms = {"ApiLatency"}
    world.metrics["Duration"] = lambda at: (
        300.0 if world.value(Setting.MEMORY, "CustomersApi") == 256 else 150.0
    )


def test_an_administrator_is_notified_of_a_change_and_of_what_became_of_it(
    api: ApiClient, world: World, cloud: Any
) -> None:
    slow(world)
    world.run(alarm("ApiLatency"), looks=9)
    deliver(cloud)
    assert sorted(texts(api)) == [
        "Scaling changed memory of CustomersApi from 256 to 384 MB: api_latency is 300, above 200."
        " Nothing to do: it is verified, and taken back if it is of no use.",
        "Scaling keeps memory of CustomersApi changed from 256 to 384 MB: api_latency was 300 and"
        " is 150. To make it permanent, deploy CustomersMemory=384.",
    ]
    assert api("GET", "/notifications/unread-count").json == {"unread": 2}
    (action,) = {one["about"]["id"] for one in api("GET", "/notifications").json["items"]}
    assert action in {one["subject"].partition("/")[2] for one in published(cloud)}
    (kind,) = {one["about"]["type"] for one in api("GET", "/notifications").json["items"]}
    assert kind == "scaling_action"


def test_an_administrator_is_notified_of_a_step_that_brought_nothing(
    api: ApiClient, world: World, cloud: Any
) -> None:
    world.alarms, world.metrics = {"ApiLatency"}, {"Duration": 300}
    world.run(alarm("ApiLatency"), looks=9)
    deliver(cloud)
    assert (
        "Scaling set memory of CustomersApi back from 384 to 256 MB: api_latency was 300 and is"
        " 300. More of it is of no use: docs/alarms.md says where else to look." in texts(api)
    )


def test_in_the_mode_propose_administrators_are_notified_of_what_they_may_do(
    api: ApiClient, world: World, cloud: Any
) -> None:
    world.mode = Mode.PROPOSE
    slow(world)
    world.run(alarm("ApiLatency"))
    deliver(cloud)
    assert texts(api) == [
        "Scaling proposes memory of CustomersApi from 256 to 384 MB: api_latency is 300, above"
        " 200. To do it, deploy CustomersMemory=384, or ScalingMode=apply."
    ]


def test_an_administrator_is_notified_of_another_tier_of_a_tenant(
    api: ApiClient, cloud: Any
) -> None:
    metering.stored_before(cloud, customers=998)
    metering.deliver([metering.new("account")])
    deliver(cloud)
    assert texts(api) == [], "nobody is notified of a tenant's first tier"
    metering.deliver([metering.new("account")])
    deliver(cloud)
    (sent,) = api("GET", "/notifications").json["items"]
    assert sent["text"] == (
        "The tenant globex is now growing, before startup: by customers 1,000."
        " `zebros scale advise` says whether to change the system."
    )
    assert sent["about"] == {"type": "tenant_usage", "id": "globex"}


def test_a_change_beyond_the_budget_is_in_the_inbox(
    api: ApiClient, world: World, cloud: Any
) -> None:
    world.budget = 0
    slow(world)
    world.run(alarm("ApiLatency"), looks=1)
    deliver(cloud)
    (text,) = texts(api)
    assert text.startswith("Scaling did not change memory of CustomersApi: with 384 instead of 256")
    assert text.endswith("To allow it, deploy a larger ScalingBudget.")


def test_a_setting_at_its_ceiling_is_in_the_inbox(api: ApiClient, world: World, cloud: Any) -> None:
    world.adapters[Setting.MEMORY].values["customers-fn"] = 1024
    world.alarms, world.metrics = {"ApiLatency"}, {"Duration": 300}
    world.run(alarm("ApiLatency"), looks=1)
    deliver(cloud)
    assert texts(api) == [
        "Scaling did not change memory of CustomersApi: memory of CustomersApi is at its ceiling of"
        " 1024: move to the next phase. See docs/phase-moves.md."
    ]


def test_what_a_deployment_has_taken_back_is_in_the_inbox(
    api: ApiClient, world: World, cloud: Any
) -> None:
    slow(world)
    world.run(alarm("ApiLatency"), looks=9)
    world.adapters[Setting.MEMORY].values["customers-fn"] = 256
    world.alarms = set()
    world.now += timedelta(hours=1)
    world.run(SCHEDULE, "two")
    deliver(cloud)
    (text,) = [one for one in texts(api) if "deployed value again" in one]
    assert "deploy CustomersMemory=384" in text
    assert text.endswith("If that was meant, there is nothing to do.")
    assert len(text) <= MAX_TEXT


def test_events_that_are_delivered_again_notify_once(
    api: ApiClient, world: World, cloud: Any
) -> None:
    slow(world)
    world.run(alarm("ApiLatency"), looks=9)
    for _ in range(3):
        deliver(cloud)
    assert len(texts(api)) == 2
    assert api("GET", "/notifications/unread-count").json == {"unread": 2}


def test_every_administrator_is_notified_and_nobody_else(
    api: ApiClient, world: World, cloud: Any
) -> None:
    eve = api.as_(user="eve")
    others = [
        api.as_(user="bob", roles="sales-manager"),
        api.as_(tenant="acme", user="cat"),
        api.as_(tenant="acme"),
    ]
    for one in (eve, *others):
        assert texts(one) == []
    slow(world)
    world.run(alarm("ApiLatency"), looks=1)
    deliver(cloud)
    assert len(texts(eve)) == len(texts(api)) == 1
    assert [texts(one) for one in others] == [[], [], []]
    stored = {one["pk"]["S"] for one in cloud.scan(TableName="table")["Items"]}
    assert f"TENANT#{TENANT}#ADMINISTRATORS" in stored
    assert "TENANT#acme#ADMINISTRATORS" not in stored, "of other tenants nothing is remembered"


def test_whoever_is_no_administrator_any_more_is_not_notified(
    api: ApiClient, world: World, cloud: Any
) -> None:
    demoted = api.as_(roles="read-only")
    assert texts(demoted) == []
    slow(world)
    world.run(alarm("ApiLatency"), looks=1)
    deliver(cloud)
    assert texts(demoted) == []
    assert texts(api) == [], "an administrator again, but not when it happened"
    world.run(alarm("ApiLatency"), looks=9)
    deliver(cloud)
    assert any("keeps memory" in one for one in texts(api))


def test_whoever_has_not_opened_the_inbox_for_long_is_not_notified(
    api: ApiClient, world: World, cloud: Any
) -> None:
    item = {"pk": {"S": f"TENANT#{TENANT}#ADMINISTRATORS"}, "sk": {"S": "ann"}}
    stored = cloud.get_item(TableName="table", Key=item)["Item"]
    expired = str(int(stored["ttl"]["N"]) - ADMINISTRATOR_TTL_SECONDS - 1)
    cloud.put_item(TableName="table", Item={**stored, "ttl": {"N": expired}})
    slow(world)
    world.run(alarm("ApiLatency"), looks=1)
    deliver(cloud)
    assert texts(api) == []


def test_a_process_stores_an_administrator_once_a_day(
    api: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    from notifications.bootstrap import administrators, table

    stored: list[str] = []
    monkeypatch.setattr(table(), "put", lambda item: stored.append(item["sk"]))
    for _ in range(3):
        texts(api)
        texts(api.as_(user="eve"))
    assert stored == ["eve"], "ann is stored already"
    tomorrow = utc_now() + timedelta(days=1)
    monkeypatch.setattr(administrators(), "_now", lambda: tomorrow)
    texts(api)
    assert stored == ["eve", "ann"]


@pytest.mark.parametrize("where", ["read-only", "throttled"])
def test_the_inbox_opens_where_nothing_can_be_stored(
    cloud: Any, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    monkeypatch.setenv("OPERATOR_TENANT", TENANT)
    from notifications.bootstrap import table
    from notifications.handlers.api import handler

    def refused(*_: Any) -> None:
        if where == "read-only":
            raise ReadOnlyRegion("This region is read-only.")
        boto3.client("dynamodb").get_item(TableName="none", Key={})

    monkeypatch.setattr(table(), "put", refused)
    assert ApiClient(handler, tenant=TENANT)("GET", "/notifications").status == 200
