"""Who may do what with tasks and timelines: every role, every operation, two tenants."""

from typing import Any

import pytest

from activities.context import ACTIVITIES
from customers.context import CUSTOMERS, PEOPLE
from kernel.domain.ids import new_id
from kernel.domain.permissions import Level, Role
from opportunities.context import OPPORTUNITIES
from tests.component.conftest import ApiClient, published

ANY = {"if-match": "*"}
TIMELINES = {
    "account": CUSTOMERS,
    "contact": CUSTOMERS,
    "opportunity": OPPORTUNITIES,
    "person": PEOPLE,
    "pipeline": OPPORTUNITIES,
    "product": OPPORTUNITIES,
    "task": ACTIVITIES,
}


@pytest.fixture
def api(cloud: Any) -> ApiClient:
    from activities.handlers.api import handler

    return ApiClient(handler, user="ann", roles="sales-representative")


def a_task(api: ApiClient, **fields: Any) -> str:
    answer = api("POST", "/tasks", {"title": "Call back", **fields})
    assert answer.status == 201, answer.text
    return f"/tasks/{answer.json['id']}"


def operations(path: str) -> list[tuple[str, str, Any]]:
    return [
        ("POST", "/tasks", {"title": "x"}),
        ("PATCH", path, {"title": "New"}),
        ("POST", f"{path}/complete", None),
        ("POST", f"{path}/reopen", None),
    ]


@pytest.mark.parametrize("role", [*Role, ""])
def test_a_role_may_read_and_change_what_the_matrix_grants(
    api: ApiClient, cloud: Any, role: str
) -> None:
    path = a_task(api, assignee_id="bob")
    level = ACTIVITIES.levels[Role(role)] if role else Level.NONE
    caller = api.as_(roles=role, user="bob")
    for read in (path, "/tasks", "/tasks?assignee_id=ann"):
        assert caller("GET", read).status == (200 if level >= Level.READ else 403), read
    for method, where, body in operations(path):
        if where.endswith("reopen") and level < Level.WRITE:
            api("POST", f"{path}/complete", None, ANY)
        answer = caller(method, where, body, ANY)
        assert answer.status in ({200, 201} if level >= Level.WRITE else {403}), (
            where,
            answer.text,
        )
    changed = [event["type"] for event in published(cloud) if event["actor"] == "bob"]
    assert len(changed) == (4 if level >= Level.WRITE else 0)


@pytest.mark.parametrize("role", [*Role, ""])
def test_a_timeline_needs_the_right_to_read_its_record(api: ApiClient, role: str) -> None:
    """A caller without the permission gets 403, whether or not the record exists."""
    for kind, area in TIMELINES.items():
        answer = api.as_(roles=role)("GET", f"/timeline/{kind}/{new_id()}")
        level = area.levels[Role(role)] if role else Level.NONE
        assert answer.status == (404 if level >= Level.READ else 403), kind


def test_another_tenant_finds_and_changes_nothing(api: ApiClient, cloud: Any) -> None:
    path = a_task(api, due_on="2026-12-01")
    before = published(cloud)
    other = api.as_(tenant="globex", roles="administrator")
    assert other("GET", path).status == 404
    for method, where, body in operations(path)[1:]:
        assert other(method, where, body, ANY).status == 404, where
    assert other("GET", "/tasks?assignee_id=ann").json["items"] == []
    assert published(cloud) == before


def test_a_foreign_cursor_is_rejected(api: ApiClient) -> None:
    for _ in range(3):
        a_task(api)
    cursor = api("GET", "/tasks?limit=1").json["next_cursor"]
    assert api("GET", f"/tasks?limit=1&cursor={cursor}").status == 200
    for where, caller in {
        f"/tasks?cursor={cursor}": api.as_(tenant="globex"),
        f"/tasks?assignee_id=bob&cursor={cursor}": api,
        f"/tasks?status=closed&cursor={cursor}": api,
        f"/tasks?due_from=2026-01-01&cursor={cursor}": api,
        f"/timeline/task/{new_id()}?cursor={cursor}": api,
        f"/tasks?cursor={cursor[:-1]}": api,
    }.items():
        answer = caller("GET", where)
        assert (answer.status, answer.json["errors"][0]["field"]) == (422, "cursor"), where


def test_a_task_is_assigned_by_its_owner_its_assignee_or_a_manager(api: ApiClient) -> None:
    """`ann` owns the task, `bob` is its assignee, `cid` is neither."""
    for user, roles, status in (
        ("cid", "sales-representative", 403),
        ("cid", "support-agent", 403),
        ("bob", "sales-representative", 200),
        ("ann", "sales-representative", 200),
        ("cid", "sales-manager", 200),
        ("cid", "administrator", 200),
    ):
        path = a_task(api, assignee_id="bob")
        answer = api.as_(user=user, roles=roles)("PATCH", path, {"assignee_id": "dan"}, ANY)
        assert answer.status == status, (user, roles)
        others = (user, roles) == ("cid", "sales-representative")
        for method, verb, body in (
            ("PATCH", "", {"title": "Other"}),
            ("POST", "/complete", None),
            ("POST", "/reopen", None),
        ):
            path = a_task(api, assignee_id="bob")
            if verb == "/reopen":
                api("POST", f"{path}/complete", None, ANY)
            done = api.as_(user=user, roles=roles)(method, path + verb, body, ANY)
            assert done.status == (403 if others else 200), (user, roles, verb)


def test_another_users_task_keeps_its_owner(api: ApiClient) -> None:
    path = a_task(api)
    assert api("GET", path).json["owner_id"] == "ann"
    assert api.as_(user="cid")("PATCH", path, {"owner_id": "cid"}, ANY).status == 403
    assert api("PATCH", path, {"owner_id": "cid"}, ANY).json["owner_id"] == "cid"
