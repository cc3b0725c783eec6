"""Owners and assignees of tasks: people who exist and are active."""

from typing import Any

import pytest

from tests.component.conftest import Answer, ApiClient
from tests.component.references import deliver

ANY = {"if-match": "*"}


@pytest.fixture
def api(cloud: Any) -> ApiClient:
    from activities.consumers.timeline import handler as timeline
    from activities.handlers.api import handler

    deliver(timeline, "person/bob", name="Bob Holm", active=True, team_id="south")
    deliver(timeline, "person/dan", name="Dan Reed", active=False)
    return ApiClient(handler)


def errors(answer: Answer) -> dict[str, str]:
    assert answer.status == 422, answer.text
    return {one["field"]: one["message"] for one in answer.json["errors"]}


@pytest.mark.parametrize("field", ["assignee_id", "owner_id"])
def test_nobody_who_is_unknown_or_has_left_gets_a_task(api: ApiClient, field: str) -> None:
    made = api("POST", "/tasks", {"title": "Call"})
    path = f"/tasks/{made.json['id']}"
    unknown = "there is no person Bob Holm; did you mean bob (Bob Holm)?"
    left = "dan is not active any more; name another person"
    for user, message in (("Bob Holm", unknown), ("dan", left)):
        for answer in (
            api("POST", "/tasks", {"title": "Call", field: user}),
            api("PATCH", path, {field: user}, ANY),
        ):
            assert errors(answer) == {field: message}
    assert api("PATCH", path, {field: "bob"}, ANY).json[field] == "bob"


def test_the_team_is_the_owner_s_and_not_the_assignee_s(api: ApiClient) -> None:
    assigned = api("POST", "/tasks", {"title": "Call", "assignee_id": "bob"}).json
    assert (assigned["owner_id"], assigned["team_id"]) == ("ann", "north")
    given = api("PATCH", f"/tasks/{assigned['id']}", {"owner_id": "bob"}, ANY).json
    assert (given["owner_id"], given["team_id"]) == ("bob", "south")
