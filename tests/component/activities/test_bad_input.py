"""What tasks and timelines reject, each with the field that is wrong and nothing written."""

from typing import Any

import pytest

from kernel.domain.ids import new_id
from tests.component.conftest import ApiClient, published

RELATED = {"type": "account", "id": "01ARZ3NDEKTSV4RRFFQ69G5FAV"}


@pytest.fixture
def api(cloud: Any) -> ApiClient:
    from activities.handlers.api import handler

    return ApiClient(handler)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"title": None}, "title"),
        ({"title": 7}, "title"),
        ({"title": "   "}, "title"),
        ({"title": "x", "colour": "red"}, "colour"),
        ({"title": "x", "description": "d" * 2001}, "description"),
        ({"title": "x", "due_on": "2026-02-30"}, "due_on"),
        ({"title": "x", "due_on": "2026-02-03T10:00:00Z"}, "due_on"),
        ({"title": "x", "due_on": "2026-02-03T00:00:00"}, "due_on"),
        ({"title": "x", "due_on": 86400}, "due_on"),
        ({"title": "x", "due_on": "9999-12-31"}, "due_on"),
        ({"title": "x", "due_on": "1899-12-31"}, "due_on"),
        ({"title": "x", "due_on": "86400"}, "due_on"),
        ({"title": "x", "assignee_id": ""}, "assignee_id"),
        ({"title": "x", "related": [RELATED, RELATED]}, "related"),
        ({"title": "x", "related": [{**RELATED, "id": new_id()} for _ in range(6)]}, "related"),
        ({"title": "x", "related": [{**RELATED, "type": "task"}]}, "related.0.type"),
        ({"title": "x", "related": [{"type": "account"}]}, "related.0.id"),
        ({"title": "x", "related": [{**RELATED, "why": "x"}]}, "related.0.why"),
    ],
)
def test_a_wrong_new_task_is_rejected(api: ApiClient, cloud: Any, body: Any, field: str) -> None:
    answer = api("POST", "/tasks", body)
    assert answer.status == 422, answer.text
    assert [e["field"] for e in answer.json["errors"]] == [field]
    assert published(cloud) == []


@pytest.mark.parametrize(
    ("patch", "field"),
    [
        ({"assignee_id": None}, "assignee_id"),
        ({"title": None}, "title"),
        ({"status": "completed"}, "status"),
        ({"completed_at": "2026-01-01T00:00:00Z"}, "completed_at"),
        ({"version": 9}, "version"),
        ({"due_on": 86400}, "due_on"),
        ({"due_on": "2026-02-03T00:00:00"}, "due_on"),
        ({"related": [RELATED, RELATED]}, "related"),
    ],
)
def test_a_wrong_change_is_rejected(api: ApiClient, cloud: Any, patch: Any, field: str) -> None:
    task = api("POST", "/tasks", {"title": "x"})
    answer = api("PATCH", f"/tasks/{task.json['id']}", patch, task.etag)
    assert answer.status == 422, answer.text
    assert [e["field"] for e in answer.json["errors"]] == [field]
    assert len(published(cloud)) == 1


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/tasks?status=completed", "status"),
        ("/tasks?due_from=soon", "due_from"),
        ("/tasks?due_from=86400", "due_from"),
        ("/tasks?due_to=2026-02-01T00:00:00", "due_to"),
        ("/tasks?due_from=2026-02-01&due_to=2026-01-31", "due_to"),
        ("/tasks?owner_id=ann", "owner_id"),
        ("/tasks?limit=201", "limit"),
        ("/timeline/account/01ARZ3NDEKTSV4RRFFQ69G5FAV?due_from=2026-01-01", "due_from"),
        ("/timeline/account/01ARZ3NDEKTSV4RRFFQ69G5FAV?cursor=%00", "cursor"),
    ],
)
def test_a_filter_that_cannot_be_served_is_rejected(api: ApiClient, path: str, field: str) -> None:
    answer = api("GET", path)
    assert answer.status == 422, answer.text
    assert answer.json["errors"][0]["field"] == field


@pytest.mark.parametrize("task_id", ["x", "default", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "x" * 200])
def test_an_unknown_id_is_not_found(api: ApiClient, task_id: str) -> None:
    assert api("GET", f"/tasks/{task_id}").status == 404
    assert api("POST", f"/tasks/{task_id}/complete", None, {"if-match": "*"}).status == 404


def test_broken_json_a_stale_etag_and_a_missing_etag_are_different_problems(api: ApiClient) -> None:
    task = api("POST", "/tasks", {"title": "x"})
    path = f"/tasks/{task.json['id']}"
    assert api("POST", "/tasks", "{").status == 400
    assert api("PATCH", path, {"title": "y"}).status == 428
    assert api("PATCH", path, {"title": "y"}, task.etag).status == 200
    assert api("PATCH", path, {"title": "z"}, task.etag).status == 412
    assert api("POST", f"{path}/complete", None, task.etag).status == 412


def test_a_key_used_twice_makes_one_task(api: ApiClient, cloud: Any) -> None:
    key = {"idempotency-key": "k"}
    first, again = (api("POST", "/tasks", {"title": "x"}, key) for _ in range(2))
    assert first.text == again.text
    assert len(published(cloud)) == 1
    assert api("POST", "/tasks", {"title": "y"}, key).status == 422


def test_a_period_of_due_dates_excludes_undated_tasks(api: ApiClient) -> None:
    api("POST", "/tasks", {"title": "some day"})
    api("POST", "/tasks", {"title": "then", "due_on": "2026-12-01"})
    titles = {
        query: [t["title"] for t in api("GET", f"/tasks{query}").json["items"]]
        for query in ("", "?due_from=2026-01-01", "?due_to=2026-12-01", "?due_from=2026-12-02")
    }
    assert titles == {
        "": ["then", "some day"],
        "?due_from=2026-01-01": ["then"],
        "?due_to=2026-12-01": ["then"],
        "?due_from=2026-12-02": [],
    }
