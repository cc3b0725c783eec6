"""The inbox through its API and its consumer, against DynamoDB (moto)."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from kernel.domain.ids import new_id
from tests.component.conftest import NEVER, ApiClient, published


@pytest.fixture
def api(cloud: Any) -> ApiClient:
    from notifications.handlers.api import handler

    return ApiClient(handler, user="ann", roles="sales-representative")


def delivered(*envelopes: dict[str, Any]) -> list[str]:
    """Deliver events to the consumer as SQS does; returns the ids of failed messages."""
    from notifications.consumers.inbox import handler

    records = [
        {"messageId": str(i), "body": json.dumps({"detail": envelope})}
        for i, envelope in enumerate(envelopes)
    ]
    answer = handler({"Records": records}, None)
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def envelope(type_: str, current: dict[str, Any], **attributes: Any) -> dict[str, Any]:
    kind = "opportunity" if type_.startswith("Opp") else "task"
    return {
        "specversion": "1.0",
        "id": new_id(),
        "source": "zebros.opportunities",
        "type": type_,
        "subject": f"{kind}/{current['id']}",
        "time": "2026-11-23T10:00:00.000Z",
        "tenantid": "acme",
        "sequence": "2",
        "actor": "bob",
        "origin": "api",
        "correlationid": "c",
        "data": {"current": current},
        **attributes,
    }


def won(**attributes: Any) -> dict[str, Any]:
    opportunity = {
        "id": new_id(),
        "name": "Big one",
        "owner_id": "ann",
        "amount": {"minor_units": 105400, "currency": "USD"},
    }
    return envelope("OpportunityWon", opportunity, **attributes)


def test_the_owner_of_a_won_opportunity_is_notified(api: ApiClient, cloud: Any) -> None:
    event = won()
    assert delivered(event) == []
    (notification,) = api("GET", "/notifications").json["items"]
    assert notification["text"] == "Won: Big one, USD 1,054.00"
    assert notification["about"] == {"type": "opportunity", "id": event["data"]["current"]["id"]}
    assert api("GET", "/notifications/unread-count").json == {"unread": 1}
    (sent,) = published(cloud)
    assert (sent["type"], sent["causationid"], sent["correlationid"]) == (
        "NotificationSent",
        event["id"],
        "c",
    )


def test_an_event_delivered_again_notifies_once(api: ApiClient, cloud: Any) -> None:
    event = won()
    delivered(event, event)
    delivered({**event})
    assert len(api("GET", "/notifications").json["items"]) == 1
    assert api("GET", "/notifications/unread-count").json == {"unread": 1}
    assert len(published(cloud)) == 1


def test_imported_records_notify_no_one(api: ApiClient) -> None:
    delivered(won(origin="import"))
    assert api("GET", "/notifications").json["items"] == []


def test_a_task_assigned_to_oneself_notifies_no_one(api: ApiClient) -> None:
    task = {"id": new_id(), "title": "Call", "assignee_id": "ann", "due_on": "2026-12-01"}
    delivered(
        envelope("TaskAssigned", task, actor="ann"), envelope("TaskAssigned", task, actor="bob")
    )
    (notification,) = api("GET", "/notifications").json["items"]
    assert notification["text"] == "New task from bob: Call, due 2026-12-01"


@pytest.mark.parametrize(
    ("type_", "text"),
    [
        ("ReportCompleted", "Your report win rate is ready"),
        ("ReportFailed", "Your report win rate failed: the worker was lost"),
    ],
)
def test_the_requester_of_a_report_is_notified_of_its_outcome(
    api: ApiClient, type_: str, text: str
) -> None:
    run = {
        "id": new_id(),
        "parameters": {"report": "win_rate"},
        "created_by": "ann",
        "reason": "the worker was lost",
    }
    delivered(envelope(type_, run, subject=f"report/{run['id']}"))
    assert api("GET", "/notifications").json["items"][0]["text"] == text


@pytest.mark.parametrize(
    ("type_", "text"),
    [
        ("ImportCompleted", "Your import of contacts is complete: 3 lines"),
        ("ImportFailed", "Your import of contacts failed: the worker was lost"),
    ],
)
def test_the_requester_of_an_import_is_notified_of_its_outcome(
    api: ApiClient, type_: str, text: str
) -> None:
    outcome = {"outcome": {"lines": 3}} if type_ == "ImportCompleted" else {}
    run = {
        "id": new_id(),
        "parameters": {"record_type": "contacts"},
        "created_by": "ann",
        "reason": "the worker was lost",
        **outcome,
    }
    delivered(envelope(type_, run, subject=f"import/{run['id']}"))
    (notification,) = api("GET", "/notifications").json["items"]
    assert (notification["text"], notification["about"]["type"]) == (text, "import")


def test_marking_as_read_twice_changes_the_count_once(api: ApiClient, cloud: Any) -> None:
    delivered(won(), won())
    first, second = api("GET", "/notifications").json["items"]
    for _ in range(3):
        assert api("POST", f"/notifications/{first['id']}/read").status == 200
    assert api("GET", "/notifications/unread-count").json == {"unread": 1}
    unread = api("GET", "/notifications?unread=true").json["items"]
    assert [n["id"] for n in unread] == [second["id"]]
    assert [f["type"] for f in published(cloud)].count("NotificationRead") == 1


def test_another_users_inbox_cannot_be_seen_or_read(api: ApiClient) -> None:
    delivered(won())
    (notification,) = api("GET", "/notifications").json["items"]
    for other in (api.as_(user="bob"), api.as_(tenant="globex")):
        assert other("GET", "/notifications").json["items"] == []
        assert other("POST", f"/notifications/{notification['id']}/read").status == 404
    assert api("GET", "/notifications/unread-count").json == {"unread": 1}


def test_a_message_that_is_not_an_event_does_not_affect_the_others(api: ApiClient) -> None:
    assert delivered({"id": "x"}, won()) == ["0"]
    assert len(api("GET", "/notifications").json["items"]) == 1


class Sockets:
    """API Gateway's connections; those in `gone` answer 410."""

    def __init__(self, *gone: str) -> None:
        self.gone, self.posted = set(gone), dict[str, Any]()

    def post_to_connection(self, ConnectionId: str, Data: bytes) -> None:  # noqa: N803
        if ConnectionId in self.gone:
            raise ClientError({"Error": {"Code": "GoneException"}}, "PostToConnection")
        self.posted[ConnectionId] = json.loads(Data)


def test_a_notification_is_pushed_to_open_windows_and_closed_ones_are_removed(
    api: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOCKET_ENDPOINT", "http://127.0.0.1:1")
    from notifications import bootstrap
    from notifications.adapters.push import WebSocketPush
    from notifications.handlers.socket import handler

    def window(route: str, connection_id: str, tenant: str, user: str) -> int:
        context = {
            "routeKey": route,
            "connectionId": connection_id,
            "authorizer": {"tenant": tenant, "user": user, "expires": NEVER},
        }
        return int(handler({"requestContext": context}, None)["statusCode"])

    for connection in (("a", "acme", "ann"), ("b", "acme", "ann"), ("c", "acme", "bob")):
        assert window("$connect", *connection) == 200
    assert window("$connect", "d", "globex", "ann") == 200
    assert window("$connect", "e", "acme", "ann") == 200
    assert window("$disconnect", "e", "acme", "ann") == 200
    sockets = Sockets("b")
    push = bootstrap.push()
    assert isinstance(push, WebSocketPush)
    push._api = sockets
    assert delivered(won()) == []
    assert sockets.posted.keys() == {"a"}
    assert sockets.posted["a"]["notification"]["text"].startswith("Won: Big one")
    assert "tenant_id" not in sockets.posted["a"]["notification"]
    sockets.gone.clear()
    delivered(won())
    assert sockets.posted.keys() == {"a"}, "the closed connection is removed"


def test_the_oldest_connection_is_removed_when_there_are_too_many(api: ApiClient) -> None:
    from notifications.bootstrap import connections

    for number in range(12):
        connections().connect("acme", "ann", f"c{number:02d}")
    assert len(connections()._connections.of_user("acme", "ann")) == 10
