"""Bad input to the inbox, and the roles that have one."""

from typing import Any

import pytest

from kernel.domain.cloud_events import CloudEvent
from kernel.domain.ids import new_id
from kernel.domain.permissions import Role
from kernel.domain.principal import SYSTEM_USER
from tests.component.conftest import ApiClient, published


@pytest.fixture
def api(cloud: Any) -> ApiClient:
    from notifications.handlers.api import handler

    return ApiClient(handler, user="ann", roles="read-only")


def notify(number: int = 1) -> list[str]:
    """Notify ann of opportunities she won; returns the notifications' ids."""
    from notifications.bootstrap import notifications

    made = []
    for _ in range(number):
        envelope = {
            "id": new_id(),
            "source": "zebros.opportunities",
            "type": "OpportunityWon",
            "subject": "opportunity/d",
            "time": "2026-11-23T10:00:00.000Z",
            "tenantid": "acme",
            "sequence": "2",
            "data": {"current": {"id": "d", "name": "Big", "owner_id": "ann"}},
        }
        (notification,) = notifications().notify(CloudEvent.parse(envelope))
        made.append(notification.id)
    return made


@pytest.mark.parametrize("role", [*Role, ""])
def test_every_role_has_an_inbox(api: ApiClient, role: str) -> None:
    (notification,) = notify()
    caller = api.as_(roles=role)
    assert len(caller("GET", "/notifications").json["items"]) == 1
    assert caller("GET", "/notifications/unread-count").json == {"unread": 1}
    assert caller("POST", f"/notifications/{notification}/read").status == 200
    assert caller("GET", "/notifications/unread-count").json == {"unread": 0}


def test_a_caller_without_tenant_or_name_is_rejected(api: ApiClient) -> None:
    for claims in ({"tenant": ""}, {"user": ""}):
        assert api.as_(**claims)("GET", "/notifications").status == 401


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/notifications?unread=maybe", "unread"),
        ("/notifications?user=bob", "user"),
        ("/notifications?limit=0", "limit"),
        ("/notifications?cursor=x", "cursor"),
    ],
)
def test_a_filter_that_cannot_be_served_is_rejected(api: ApiClient, path: str, field: str) -> None:
    answer = api("GET", path)
    assert (answer.status, answer.json["errors"][0]["field"]) == (422, field)


def test_a_cursor_is_valid_for_its_own_list_only(api: ApiClient) -> None:
    notify(3)
    page = api("GET", "/notifications?limit=1").json
    rest = api("GET", f"/notifications?limit=2&cursor={page['next_cursor']}").json
    assert len({n["id"] for n in (*page["items"], *rest["items"])}) == 3
    for caller, path in (
        (api.as_(user="bob"), "/notifications?"),
        (api.as_(tenant="globex"), "/notifications?"),
        (api, "/notifications?unread=true&"),
    ):
        assert caller("GET", f"{path}cursor={page['next_cursor']}").status == 422


@pytest.mark.parametrize("notification", ["x", "unread-count", "01ARZ3NDEKTSV4RRFFQ69G5FAV"])
def test_an_unknown_id_is_not_found(api: ApiClient, notification: str) -> None:
    assert api("POST", f"/notifications/{notification}/read").status == 404


def test_the_inbox_is_newest_first_by_the_events_time(api: ApiClient) -> None:
    made = notify(4)
    assert [n["id"] for n in api("GET", "/notifications").json["items"]] == sorted(made)[::-1]


def test_a_repeated_key_marks_as_read_once(api: ApiClient, cloud: Any) -> None:
    (notification,) = notify()
    path, key = f"/notifications/{notification}/read", {"idempotency-key": "k"}
    first = api("POST", path, None, key)
    again = api("POST", path, None, key)
    assert (first.status, again.text) == (200, first.text)
    assert [f["type"] for f in published(cloud)] == ["NotificationSent", "NotificationRead"]


def test_events_have_their_causation_and_the_system_as_actor(api: ApiClient, cloud: Any) -> None:
    notify()
    (sent,) = published(cloud)
    assert (sent["actor"], sent["origin"]) == (SYSTEM_USER, "system")
    assert sent["causationid"] == sent["data"]["current"]["event_id"]
