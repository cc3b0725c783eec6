"""The verbs of a task through the API: states, events, lists and rights."""

from typing import Any

import pytest

from tests.component.conftest import ApiClient, published

ANY = {"if-match": "*"}


@pytest.fixture
def api(cloud: Any) -> ApiClient:
    from activities.handlers.api import handler

    return ApiClient(handler)


def test_a_task_goes_through_every_state(api: ApiClient, cloud: Any) -> None:
    task = api("POST", "/tasks", {"title": "Call back"})
    path = f"/tasks/{task.json['id']}"
    states = []
    for verb, body in (
        ("start", None),
        ("defer", {"due_on": "2027-01-15"}),
        ("cancel", None),
        ("reopen", None),
        ("complete", None),
    ):
        answer = api("POST", f"{path}/{verb}", body, ANY)
        assert answer.status == 200, answer.text
        states.append(answer.json["status"])
        listed = api("GET", "/tasks").json["items"]
        closed = api("GET", "/tasks?status=closed").json["items"]
        done = states[-1] in ("cancelled", "completed")
        assert (listed, closed) == (([], [answer.json]) if done else ([answer.json], []))
    assert states == ["in_progress", "deferred", "cancelled", "not_started", "completed"]
    assert [event["type"] for event in published(cloud)] == [
        *("TaskAssigned", "TaskStarted", "TaskDeferred", "TaskCancelled", "TaskReopened"),
        "TaskCompleted",
    ]


@pytest.mark.parametrize("body", [{}, {"due_on": None}, {"due_on": "9999-12-31"}])
def test_a_task_is_deferred_to_a_day(api: ApiClient, body: Any) -> None:
    task = api("POST", "/tasks", {"title": "Call back"})
    answer = api("POST", f"/tasks/{task.json['id']}/defer", body, ANY)
    assert (answer.status, answer.json["errors"][0]["field"]) == (422, "due_on")


@pytest.mark.parametrize("verb", ["start", "defer", "cancel"])
def test_a_reader_may_not_change_a_task(api: ApiClient, verb: str) -> None:
    task = api("POST", "/tasks", {"title": "Call back"})
    path, body = f"/tasks/{task.json['id']}/{verb}", {"due_on": "2027-01-15"}
    sent = body if verb == "defer" else None
    assert api.as_(roles="read-only")("POST", path, sent, ANY).status == 403
    assert api.as_(tenant="globex")("POST", path, sent, ANY).status == 404
