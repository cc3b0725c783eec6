"""Tasks through their API, timelines through their consumer, against DynamoDB (moto)."""

import json
from typing import Any

import pytest

from kernel.domain.ids import new_id
from tests.component.conftest import ApiClient, published


@pytest.fixture
def api(cloud: Any) -> ApiClient:
    from activities.handlers.api import handler

    return ApiClient(handler, user="ann", roles="sales-representative")


def delivered(envelopes: list[dict[str, Any]]) -> None:
    from activities.consumers.timeline import handler

    records = [
        {"messageId": str(i), "body": json.dumps({"detail": envelope})}
        for i, envelope in enumerate(envelopes)
    ]
    assert handler({"Records": records}, None) == {"batchItemFailures": []}


def a_task(api: ApiClient, **fields: Any) -> Any:
    answer = api("POST", "/tasks", {"title": "Call back", **fields})
    assert answer.status == 201, answer.text
    return answer


def test_a_task_is_assigned_to_its_creator_by_default(api: ApiClient, cloud: Any) -> None:
    own, given = a_task(api), a_task(api, assignee_id="bob")
    assert (own.json["assignee_id"], given.json["assignee_id"]) == ("ann", "bob")
    assert [f["type"] for f in published(cloud)] == ["TaskAssigned", "TaskAssigned"]


def test_my_tasks_are_listed_by_due_date_undated_ones_last(api: ApiClient) -> None:
    for day in (None, "2026-12-24", "2026-12-01", "2027-01-15"):
        a_task(api, **({"due_on": day} if day else {}))
    listed = api("GET", "/tasks").json["items"]
    assert [t.get("due_on") for t in listed] == ["2026-12-01", "2026-12-24", "2027-01-15", None]
    due = api("GET", "/tasks?due_from=2026-12-02&due_to=2027-01-15").json["items"]
    assert [t["due_on"] for t in due] == ["2026-12-24", "2027-01-15"]
    assert api("GET", "/tasks?assignee_id=bob").json["items"] == []


def test_a_task_is_completed_once_and_can_be_reopened(api: ApiClient, cloud: Any) -> None:
    task = a_task(api)
    path = f"/tasks/{task.json['id']}"
    done = api("POST", f"{path}/complete", None, task.etag)
    assert (done.json["status"], done.json["completed_by"]) == ("completed", "ann")
    assert api("POST", f"{path}/complete", None, done.etag).status == 422
    assert api("GET", "/tasks").json["items"] == []
    assert len(api("GET", "/tasks?status=closed").json["items"]) == 1
    opened = api("POST", f"{path}/reopen", None, done.etag)
    assert opened.json["status"] == "not_started"
    assert "completed_at" not in opened.json
    assert api("POST", f"{path}/reopen", None, opened.etag).status == 422
    assert [f["type"] for f in published(cloud)] == [
        "TaskAssigned",
        "TaskCompleted",
        "TaskReopened",
    ]


def test_assigning_a_task_publishes_its_own_event(api: ApiClient, cloud: Any) -> None:
    task = a_task(api)
    patch = {"assignee_id": "bob", "title": "Call them"}
    changed = api("PATCH", f"/tasks/{task.json['id']}", patch, task.etag)
    assert changed.json["assignee_id"] == "bob"
    _, updated, assigned = published(cloud)
    assert (updated["type"], assigned["type"]) == ("TaskUpdated", "TaskAssigned")
    assert assigned["data"]["previous_assignee_id"] == "ann"
    assert updated["data"]["previous"]["title"] == "Call back"
    again = api("PATCH", f"/tasks/{task.json['id']}", patch, changed.etag)
    assert again.json["version"] == changed.json["version"], "nothing changed, no event"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "title"),
        ({"title": ""}, "title"),
        ({"title": "x", "due_on": "tomorrow"}, "due_on"),
        ({"title": "x", "related": [{"type": "car", "id": new_id()}]}, "related.0.type"),
        ({"title": "x", "related": [{"type": "account", "id": "7"}]}, "related.0.id"),
        ({"title": "x", "status": "completed"}, "status"),
        ({"title": "x" * 201}, "title"),
    ],
)
def test_a_wrong_field_is_named(api: ApiClient, body: Any, field: str) -> None:
    answer = api("POST", "/tasks", body)
    assert answer.status == 422
    assert [e["field"] for e in answer.json["errors"]] == [field]


def test_roles_and_tenants_are_isolated(api: ApiClient) -> None:
    task = a_task(api)
    path = f"/tasks/{task.json['id']}"
    reader = api.as_(roles="read-only")
    assert reader("GET", path).status == 200
    assert reader("POST", "/tasks", {"title": "x"}).status == 403
    assert reader("POST", f"{path}/complete", None, task.etag).status == 403
    assert api.as_(roles="support-agent")("POST", "/tasks", {"title": "x"}).status == 201
    other = api.as_(tenant="globex")
    assert other("GET", path).status == 404
    assert other("POST", f"{path}/complete", None, {"if-match": "*"}).status == 404
    assert api("POST", f"{path}/complete").status == 428
    assert api("POST", f"{path}/complete", None, {"if-match": '"7"'}).status == 412


ACCOUNT, CONTACT, OPPORTUNITY = new_id(), new_id(), new_id()


def event(subject: str, sequence: int, type_: str, **data: Any) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": new_id(),
        "source": "zebros.opportunities",
        "type": type_,
        "subject": subject,
        "time": f"2026-11-23T10:00:0{sequence}.000Z",
        "tenantid": "acme",
        "sequence": str(sequence),
        "actor": "bob",
        "origin": "api",
        "correlationid": "c",
        "data": data,
    }


def history() -> list[dict[str, Any]]:
    opportunity = {
        "id": OPPORTUNITY,
        "name": "Big one",
        "account_id": ACCOUNT,
        "contact_id": CONTACT,
    }
    usd = {"minor_units": 105400, "currency": "USD"}
    subject = f"opportunity/{OPPORTUNITY}"
    return [
        event(subject, 1, "OpportunityCreated", current=opportunity),
        event(subject, 2, "OpportunityAmountChanged", current={**opportunity, "amount": usd}),
        event(
            subject, 3, "OpportunityWon", current={**opportunity, "amount": usd}, from_stage="lead"
        ),
    ]


def texts(api: ApiClient, record: str) -> list[str]:
    return [entry["text"] for entry in api("GET", f"/timeline/{record}").json["items"]]


def test_a_timeline_shows_the_events_of_a_record_newest_first(api: ApiClient) -> None:
    delivered(history())
    sentences = [
        "Won: Big one, USD 1,054.00",
        "Big one: amount none → USD 1,054.00",
        "New opportunity: Big one",
    ]
    for record in (f"opportunity/{OPPORTUNITY}", f"account/{ACCOUNT}", f"contact/{CONTACT}"):
        assert texts(api, record) == sentences


def test_duplicates_and_disorder_give_the_same_timeline(api: ApiClient) -> None:
    one, two, three = history()
    delivered([three, one])
    delivered([one, three])
    assert texts(api, f"opportunity/{OPPORTUNITY}") == ["New opportunity: Big one"], (
        "event 3 waits for event 2"
    )
    delivered([two])
    delivered(story_again := [one, two, three])
    assert len(texts(api, f"opportunity/{OPPORTUNITY}")) == len(story_again)


def test_a_timeline_needs_the_right_of_its_record_and_shows_no_other_tenant(
    api: ApiClient,
) -> None:
    delivered(history())
    assert api.as_(tenant="globex")("GET", f"/timeline/opportunity/{OPPORTUNITY}").status == 404
    assert api.as_(roles="")("GET", f"/timeline/account/{ACCOUNT}").status == 403
    unknown = api("GET", f"/timeline/car/{OPPORTUNITY}")
    assert unknown.status == 404
    assert "opportunity" in unknown.json["detail"]


def test_a_timeline_is_read_page_by_page(api: ApiClient) -> None:
    delivered(history())
    path = f"/timeline/opportunity/{OPPORTUNITY}?limit=2"
    first = api("GET", path).json
    rest = api("GET", f"{path}&cursor={first['next_cursor']}").json
    assert [len(first["items"]), len(rest["items"])] == [2, 1]
