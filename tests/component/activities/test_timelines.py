"""Timelines of the events that the other contexts publish."""

import json
import random
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from kernel.domain.ids import new_id
from tests.component.conftest import Answer, ApiClient, published

ANY = {"if-match": "*"}


@pytest.fixture
def api(cloud: Any) -> ApiClient:
    from activities.handlers.api import handler

    return ApiClient(handler)


@pytest.fixture
def deals(cloud: Any) -> ApiClient:
    from opportunities.handlers.api import handler

    return ApiClient(handler)


@pytest.fixture
def people(cloud: Any, monkeypatch: pytest.MonkeyPatch) -> ApiClient:
    monkeypatch.setenv("CONTACTS_TABLE_NAME", "table")
    from customers.handlers.api import handler

    return ApiClient(handler)


def delivered(envelopes: list[dict[str, Any]], **event: Any) -> list[str]:
    """Deliver events to the consumer as SQS does; returns the ids of failed messages."""
    from activities.consumers.timeline import handler

    records = [
        {"messageId": str(i), "body": json.dumps({"detail": envelope, **event})}
        for i, envelope in enumerate(envelopes)
    ]
    answer = handler({"Records": records}, None)
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def made(answer: Answer) -> str:
    assert answer.status in (200, 201), answer.text
    return str(answer.json["id"])


def entries(api: ApiClient, kind: str, record_id: str) -> list[Any]:
    return list(api("GET", f"/timeline/{kind}/{record_id}").json["items"])


def texts(api: ApiClient, kind: str, record_id: str) -> list[str]:
    return [entry["text"] for entry in entries(api, kind, record_id)]


def test_events_of_an_opportunity_are_on_the_timelines_of_its_account_and_contact(
    api: ApiClient, deals: ApiClient, people: ApiClient, cloud: Any
) -> None:
    account = made(people("POST", "/accounts", {"name": "Acme"}))
    contact = made(people("POST", "/contacts", {"last_name": "Ash", "account_id": account}))
    opportunity = made(
        deals(
            "POST", "/opportunities", {"name": "Big", "account_id": account, "contact_id": contact}
        )
    )
    product = made(deals("POST", "/products", {"name": "GTX"}))
    assert delivered(published(cloud)) == []
    assert set(texts(api, "account", account)) == {
        "New account: Acme",
        "New contact: Ash",
        "New opportunity: Big",
    }
    assert set(texts(api, "contact", contact)) == {"New contact: Ash", "New opportunity: Big"}
    assert texts(api, "opportunity", opportunity) == ["New opportunity: Big"]
    assert texts(api, "product", product) == ["New product: GTX"]


def test_events_of_a_task_are_on_the_timelines_of_its_related_records(
    api: ApiClient, cloud: Any
) -> None:
    account, opportunity = new_id(), new_id()
    related = [{"type": "account", "id": account}, {"type": "opportunity", "id": opportunity}]
    task = made(api("POST", "/tasks", {"title": "Call", "related": related}))
    made(api("POST", f"/tasks/{task}/complete", None, ANY))
    delivered(published(cloud))
    for record in (("account", account), ("opportunity", opportunity), ("task", task)):
        assert texts(api, *record) == ["Done: Call", "Task for ann: Call"]


def test_an_entry_shows_the_event_its_user_and_its_source(api: ApiClient, cloud: Any) -> None:
    made(api("POST", "/tasks", {"title": "Call"}, {"x-correlation-id": "c-7"}))
    (event,) = published(cloud)
    delivered([event])
    (entry,) = entries(api, "task", event["subject"].removeprefix("task/"))
    at = datetime.fromisoformat(entry.pop("at"))
    assert at == datetime.fromisoformat(event["time"])
    assert entry == {
        "type": "TaskAssigned",
        "text": "Task for ann: Call",
        "actor": "ann",
        "subject": event["subject"],
        "sequence": 1,
        "event_id": event["id"],
        "correlation_id": "c-7",
    }


def test_events_of_one_commit_keep_their_order(
    api: ApiClient, deals: ApiClient, cloud: Any
) -> None:
    item = {"name": "Big", "stage": "won", "external_ids": {"crm": "7"}}
    results = deals("POST", "/opportunities/batch", {"items": [item]}).json["results"]
    created, won, pipeline = published(cloud)
    assert pipeline["type"] == "PipelineCreated"
    assert created["time"] == won["time"]
    # Ids of one millisecond need not be in order.
    created["id"], won["id"] = max(created["id"], won["id"]), min(created["id"], won["id"])
    delivered([created, won])
    assert texts(api, "opportunity", results[0]["id"]) == ["Won: Big", "New opportunity: Big"]


@pytest.fixture
def history(api: ApiClient, deals: ApiClient, cloud: Any) -> list[dict[str, Any]]:
    """All events of an opportunity and of a task of one account."""
    account = new_id()
    opportunity = made(deals("POST", "/opportunities", {"name": "Big", "account_id": account}))
    path = f"/opportunities/{opportunity}"
    for verb, body in (
        ("stage", {"stage": "proposal"}),
        ("lost", {"reason": "price"}),
        ("reopen", {}),
        ("won", {}),
    ):
        made(deals("POST", f"{path}/{verb}", body, ANY))
    task = made(
        api("POST", "/tasks", {"title": "Call", "related": [{"type": "account", "id": account}]})
    )
    made(api("POST", f"/tasks/{task}/complete", None, ANY))
    return [e for e in published(cloud) if not e["subject"].startswith("pipeline/")]


def timeline_items(cloud: Any) -> list[Any]:
    items = cloud.scan(TableName="table")["Items"]
    return sorted(
        (i for i in items if "#TIMELINE#" in i["pk"]["S"]),
        key=lambda i: (i["pk"]["S"], i["sk"]["S"]),
    )


@pytest.mark.parametrize("seed", range(5))
def test_a_wiped_and_replayed_timeline_is_the_same(
    history: list[dict[str, Any]], cloud: Any, seed: int
) -> None:
    delivered(history)
    before = timeline_items(cloud)
    assert len(before) == 2 * len(history)
    chance = random.Random(seed)
    again = chance.sample(history, len(history)) + chance.sample(history, 4)
    assert delivered(again, **{"replay-name": "r"}) == []
    assert timeline_items(cloud) == before
    for item in cloud.scan(TableName="table")["Items"]:
        if "#TIMELINE#" in item["pk"]["S"] or "#POSITION#" in item["pk"]["S"]:
            cloud.delete_item(TableName="table", Key={k: item[k] for k in ("pk", "sk")})
    assert timeline_items(cloud) == []
    assert delivered(again, **{"replay-name": "r"}) == []
    assert timeline_items(cloud) == before


@pytest.mark.parametrize(
    "spoil",
    [
        lambda event: event["data"].pop("current"),
        lambda event: event["data"]["current"].update(related=[{"type": "account"}]),
        lambda event: event.update(time="yesterday"),
    ],
)
def test_an_event_without_a_timeline_text_does_not_affect_the_others(
    api: ApiClient, history: list[dict[str, Any]], spoil: Callable[[dict[str, Any]], Any]
) -> None:
    spoil(history[1])
    assert delivered(history) == ["1"]
    account = history[0]["data"]["current"]["account_id"]
    assert texts(api, "account", account) == [
        "Done: Call",
        "Task for ann: Call",
        "New opportunity: Big",
    ]


def test_a_timeline_is_visible_to_its_tenant_only(
    api: ApiClient, history: list[dict[str, Any]]
) -> None:
    account = history[0]["data"]["current"]["account_id"]
    delivered([{**event, "tenantid": "globex"} for event in history])
    assert api("GET", f"/timeline/account/{account}").status == 404
    delivered(history)
    assert len(texts(api, "account", account)) == len(history)
    assert len(texts(api.as_(tenant="globex"), "account", account)) == len(history)


@pytest.mark.parametrize("kind", ["account", "contact", "opportunity", "pipeline", "product"])
def test_a_record_without_events_has_an_empty_timeline(api: ApiClient, kind: str) -> None:
    """An unknown record, one of another tenant and a new one get the same answer."""
    record = new_id()
    answer = api("GET", f"/timeline/{kind}/{record}")
    assert (answer.status, answer.json["type"]) == (404, "urn:zebros:problem:not-found")
    assert answer.json["detail"] == (
        f"The timeline of {kind} {record} is empty; new events appear within seconds."
    )


def test_a_new_task_has_a_timeline_once_its_event_is_delivered(api: ApiClient, cloud: Any) -> None:
    task = made(api("POST", "/tasks", {"title": "Call"}))
    assert api("GET", f"/timeline/task/{task}").status == 404
    delivered(published(cloud))
    assert texts(api, "task", task) == ["Task for ann: Call"]
    assert api.as_(tenant="globex")("GET", f"/timeline/task/{task}").status == 404


def test_a_long_timeline_pages_through_every_entry_once(
    api: ApiClient, history: list[dict[str, Any]]
) -> None:
    delivered(history)
    path = f"/timeline/account/{history[0]['data']['current']['account_id']}?limit=2"
    seen, cursor = [], ""
    while True:
        page = api("GET", path + cursor).json
        seen += [entry["event_id"] for entry in page["items"]]
        if "next_cursor" not in page:
            break
        cursor = f"&cursor={page['next_cursor']}"
    newest_first = sorted(history, key=lambda f: (f["time"], int(f["sequence"])), reverse=True)
    assert len(seen) == len(history)
    assert set(seen) == {event["id"] for event in newest_first}
    assert api("GET", path.replace("?", "?cursor=x&")).status == 422
