"""A leaver's open tasks are assigned to another person."""

from typing import Any

import pytest

from tests.component.conftest import ApiClient


@pytest.fixture
def api(cloud: Any) -> ApiClient:
    from activities.handlers.api import handler

    return ApiClient(handler)


def test_open_tasks_get_another_assignee_and_the_leaver_s_own_another_owner(
    api: ApiClient,
) -> None:
    def task(**fields: Any) -> str:
        return str(api("POST", "/tasks", {"title": "Call", **fields}).json["id"])

    own, others, done = task(), task(owner_id="eve"), task()
    assert api("POST", f"/tasks/{done}/complete", None, {"if-match": "*"}).status == 200
    answer = api("POST", "/tasks/reassign", {"from_id": "ann", "to_id": "bob", "team_id": "south"})
    assert answer.status == 207, answer.text
    assert {one["id"] for one in answer.json["results"]} == {own, others}
    found = {one: api("GET", f"/tasks/{one}").json for one in (own, others, done)}
    shown = [(one["assignee_id"], one["owner_id"], one.get("team_id")) for one in found.values()]
    assert shown == [("bob", "bob", "south"), ("bob", "eve", None), ("ann", "ann", "north")]
