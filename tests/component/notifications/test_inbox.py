"""The inbox through its API and its consumer, against DynamoDB (moto)."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from kernel.domain.ids import new_id
from tests.component.conftest import ApiClient, published


@pytest.fixture
def api(cloud: Any) -> ApiClient:
    from notifications.handlers.api import handler

    return ApiClient(handler, user="ann", roles="sales-representative")


def delivered(*envelopes: dict[str, Any]) -> list[str]:
    """Hand events to the consumer as SQS does; the ids of those that failed."""
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
    deal = {
        "id": new_id(),
        "name": "Big one",
        "owner_id": "ann",
        "amount": {"minor_units": 105400, "currency": "USD"},
    }
    return envelope("OpportunityWon", deal, **attributes)


def test_a_won_deal_is_its_owner_s_news(api: ApiClient, cloud: Any) -> None:
    event = won()
    assert delivered(event) == []
    (told,) = api("GET", "/notifications").json["items"]
    assert told["text"] == "Won: Big one, USD 1,054.00"
    assert told["about"] == {"type": "opportunity", "id": event["data"]["current"]["id"]}
    assert api("GET", "/notifications/unread-count").json == {"unread": 1}
    (sent,) = published(cloud)
    assert (sent["type"], sent["causationid"], sent["correlationid"]) == (
        "NotificationSent",
        event["id"],
        "c",
    )


def test_an_event_that_comes_again_tells_nobody_twice(api: ApiClient, cloud: Any) -> None:
    event = won()
    delivered(event, event)
    delivered({**event})
    assert len(api("GET", "/notifications").json["items"]) == 1
    assert api("GET", "/notifications/unread-count").json == {"unread": 1}
    assert len(published(cloud)) == 1


def test_what_was_imported_is_history_not_news(api: ApiClient) -> None:
    delivered(won(origin="import"))
    assert api("GET", "/notifications").json["items"] == []


def test_a_task_one_gives_oneself_is_no_news(api: ApiClient) -> None:
    task = {"id": new_id(), "title": "Call", "assignee_id": "ann", "due_on": "2026-12-01"}
    delivered(
        envelope("TaskAssigned", task, actor="ann"), envelope("TaskAssigned", task, actor="bob")
    )
    (told,) = api("GET", "/notifications").json["items"]
    assert told["text"] == "New task from bob: Call, due 2026-12-01"


@pytest.mark.parametrize(
    ("type_", "text"),
    [
        ("ReportCompleted", "Your report win rate is ready"),
        ("ReportFailed", "Your report win rate failed: the worker was lost"),
    ],
)
def test_who_asked_for_a_report_hears_how_it_ended(api: ApiClient, type_: str, text: str) -> None:
    run = {
        "id": new_id(),
        "parameters": {"report": "win_rate"},
        "created_by": "ann",
        "reason": "the worker was lost",
    }
    delivered(envelope(type_, run, subject=f"report/{run['id']}"))
    assert api("GET", "/notifications").json["items"][0]["text"] == text


def test_reading_counts_once_however_often_it_is_done(api: ApiClient, cloud: Any) -> None:
    delivered(won(), won())
    first, second = api("GET", "/notifications").json["items"]
    for _ in range(3):
        assert api("POST", f"/notifications/{first['id']}/read").status == 200
    assert api("GET", "/notifications/unread-count").json == {"unread": 1}
    unread = api("GET", "/notifications?unread=true").json["items"]
    assert [n["id"] for n in unread] == [second["id"]]
    assert [f["type"] for f in published(cloud)].count("NotificationRead") == 1


def test_nobody_sees_or_reads_another_s_inbox(api: ApiClient) -> None:
    delivered(won())
    (told,) = api("GET", "/notifications").json["items"]
    for other in (api.as_(user="bob"), api.as_(tenant="globex")):
        assert other("GET", "/notifications").json["items"] == []
        assert other("POST", f"/notifications/{told['id']}/read").status == 404
    assert api("GET", "/notifications/unread-count").json == {"unread": 1}


def test_a_message_that_is_no_event_fails_alone(api: ApiClient) -> None:
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


def test_open_windows_of_the_recipient_are_shown_it_and_closed_ones_forgotten(
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
            "authorizer": {"tenant": tenant, "user": user},
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
    assert sockets.posted.keys() == {"a"}, "the one that was gone is forgotten"


def test_the_oldest_window_goes_when_there_are_too_many(api: ApiClient) -> None:
    from notifications.bootstrap import connections

    for number in range(12):
        connections().connect("acme", "ann", f"c{number:02d}")
    assert len(connections()._connections.of_user("acme", "ann")) == 10
