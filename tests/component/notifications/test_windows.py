"""Windows (a user's WebSocket connections): connecting, pushed notifications, failures."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from jsonschema import Draft202012Validator

from kernel.domain.ids import new_id
from kernel.runtime import aws
from kernel.storage.table import Table
from notifications.repository import ConnectionRepository
from tests.component.conftest import NEVER, ApiClient
from tools import asyncapi

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


class Connections:
    """A fake of API Gateway's connections: records what is posted, or raises `fault`."""

    def __init__(self) -> None:
        self.posted: list[tuple[str, Any]] = []
        self.closed: list[str] = []
        self.fault: Exception | None = None

    def post_to_connection(self, ConnectionId: str, Data: bytes) -> None:  # noqa: N803
        if self.fault:
            raise self.fault
        self.posted.append((ConnectionId, json.loads(Data)))

    def delete_connection(self, ConnectionId: str) -> None:  # noqa: N803
        if self.fault:
            raise self.fault
        self.closed.append(ConnectionId)


def as_documented(message: dict[str, Any]) -> None:
    """Compare a message to a window with the AsyncAPI document."""
    document = json.loads(asyncapi.FILE.read_text(encoding="utf-8"))
    payload = document["components"]["messages"][f"live.{message['type']}"]["payload"]
    Draft202012Validator({**payload, "components": document["components"]}).validate(message)


@pytest.fixture
def connections(cloud: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Connections]:
    monkeypatch.setenv("SOCKET_ENDPOINT", "https://sockets.example/live")
    from notifications import bootstrap
    from notifications.adapters.push import WebSocketPush

    push = bootstrap.push()
    assert isinstance(push, WebSocketPush)
    push._api = made = Connections()
    yield made
    for _, message in made.posted:
        as_documented(message)
    bootstrap.push.cache_clear()


def socket(route: str, connection_id: str = "c1", **who: str) -> int:
    from notifications.handlers.socket import handler

    request: dict[str, Any] = {"routeKey": route, "connectionId": connection_id}
    if who:
        request["authorizer"] = {"expires": NEVER, **who}
    answer = handler({"requestContext": request, "body": '{"type":"ping"}'}, None)
    assert "body" not in answer
    return int(answer["statusCode"])


def deliver_won(owner: str = "ann", tenant: str = "acme") -> list[str]:
    """Deliver OpportunityWon to the inbox; return the ids of failed messages."""
    from notifications.consumers.inbox import handler

    envelope = {
        "id": new_id(),
        "source": "zebros.opportunities",
        "type": "OpportunityWon",
        "subject": "opportunity/d",
        "time": "2026-11-23T10:00:00.000Z",
        "tenantid": tenant,
        "sequence": "2",
        "origin": "api",
        "data": {"current": {"id": "d", "name": "Big", "owner_id": owner}},
    }
    body = json.dumps({"detail": envelope})
    answer = handler({"Records": [{"messageId": "m", "body": body}]}, None)
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def inbox(tenant: str = "acme", user: str = "ann") -> list[Any]:
    from notifications.handlers.api import handler

    api = ApiClient(handler, tenant=tenant, user=user)
    return list(api("GET", "/notifications").json["items"])


def test_a_window_gets_the_notifications_of_the_inbox(connections: Connections) -> None:
    assert socket("$connect", tenant="acme", user="ann") == 200
    assert deliver_won() == []
    (posted,) = connections.posted
    assert posted == ("c1", {"type": "notification", "notification": inbox()[0]})


def test_nothing_is_sent_to_another_tenant_or_user(connections: Connections) -> None:
    socket("$connect", "theirs", tenant="globex", user="ann")
    socket("$connect", "bobs", tenant="acme", user="bob")
    deliver_won()
    assert connections.posted == []
    deliver_won(tenant="globex")
    assert [connection for connection, _ in connections.posted] == ["theirs"]


def test_a_repeated_event_is_not_pushed_again(connections: Connections) -> None:
    from notifications.consumers.inbox import handler

    socket("$connect", tenant="acme", user="ann")
    event = {
        "Records": [
            {
                "messageId": "m",
                "body": json.dumps(
                    {
                        "detail": {
                            "id": new_id(),
                            "source": "zebros.activities",
                            "type": "TaskAssigned",
                            "subject": "task/t",
                            "time": "2026-11-23T10:00:00.000Z",
                            "tenantid": "acme",
                            "sequence": "1",
                            "actor": "bob",
                            "data": {"current": {"id": "t", "title": "x", "assignee_id": "ann"}},
                        }
                    }
                ),
            }
        ]
    }
    for _ in range(3):
        handler(event, None)
    assert len(connections.posted) == 1


@pytest.mark.parametrize(
    "fault",
    [
        ClientError({"Error": {"Code": "ForbiddenException", "Message": ""}}, "PostToConnection"),
        ClientError({"Error": {"Code": "LimitExceededException", "Message": ""}}, "Post"),
        EndpointConnectionError(endpoint_url="https://sockets.example"),
        ValueError("Invalid endpoint: nowhere"),
    ],
)
def test_a_failed_push_keeps_the_notification_and_the_connection(
    connections: Connections, fault: Exception
) -> None:
    socket("$connect", tenant="acme", user="ann")
    connections.fault = fault
    assert deliver_won() == []
    assert len(inbox()) == 1
    connections.fault = None
    deliver_won()
    assert len(connections.posted) == 1


def test_a_connection_that_no_longer_exists_is_removed(connections: Connections) -> None:
    socket("$connect", tenant="acme", user="ann")
    connections.fault = ClientError({"Error": {"Code": "GoneException"}}, "PostToConnection")
    assert deliver_won() == []
    connections.fault = None
    deliver_won()
    assert connections.posted == []
    assert len(inbox()) == 2


def test_a_message_from_a_window_is_answered_in_that_window(connections: Connections) -> None:
    assert socket("$default", "c7", tenant="acme", user="ann") == 200
    assert connections.posted == [("c7", {"type": "pong"})]


def test_a_disconnected_window_gets_no_notification(connections: Connections) -> None:
    socket("$connect", tenant="acme", user="ann")
    assert socket("$disconnect", tenant="acme", user="ann") == 200
    deliver_won()
    assert connections.posted == []


def test_a_connection_without_a_user_is_rejected(connections: Connections) -> None:
    assert socket("$connect") == 401
    assert socket("$connect", tenant="acme", user="") == 401
    assert socket("$disconnect") == 200


def test_a_connection_expires_after_two_hours(cloud: Any) -> None:
    now = NOON
    repository = ConnectionRepository(Table(aws.client("dynamodb"), "table"), lambda: now)
    repository.add("acme", "ann", "c1")
    (item,) = cloud.scan(TableName="table")["Items"]
    assert int(item["ttl"]["N"]) == NOON.timestamp() + 7200
    now = NOON + timedelta(minutes=119)
    assert repository.of_user("acme", "ann") == ["c1"]
    now = NOON + timedelta(minutes=121)
    assert repository.of_user("acme", "ann") == []


def test_only_the_ten_newest_connections_of_a_user_are_stored(cloud: Any) -> None:
    now = NOON
    repository = ConnectionRepository(Table(aws.client("dynamodb"), "table"), lambda: now)
    repository.add("acme", "bob", "his")
    for number in reversed(range(13)):  # c12 is the oldest
        repository.add("acme", "ann", f"c{number:02d}")
        now += timedelta(milliseconds=1)
    assert set(repository.of_user("acme", "ann")) == {f"c{n:02d}" for n in range(10)}
    assert repository.of_user("acme", "bob") == ["his"]


def test_of_fifteen_windows_the_five_oldest_are_closed_with_a_reason(
    connections: Connections,
) -> None:
    """They were forgotten without a word, and showed no notification any more."""
    windows = [f"w{number:02d}" for number in range(15)]
    for window in windows:
        assert socket("$connect", window, tenant="acme", user="ann") == 200
        time.sleep(0.002)
    assert connections.closed == windows[:5]
    told = [(window, message["type"]) for window, message in connections.posted]
    assert told == [(window, "closed") for window in windows[:5]], "the reason, before the end"
    assert "more than 10 windows" in connections.posted[0][1]["reason"]
    connections.posted.clear()
    assert deliver_won("ann") == []
    assert sorted(window for window, _ in connections.posted) == windows[5:]


@pytest.mark.parametrize(
    "fault",
    [
        ClientError({"Error": {"Code": "GoneException"}}, "PostToConnection"),
        ClientError({"Error": {"Code": "LimitExceededException"}}, "PostToConnection"),
        EndpointConnectionError(endpoint_url="x"),
    ],
)
def test_a_window_is_opened_although_an_older_one_cannot_be_closed(
    connections: Connections, fault: Exception
) -> None:
    for number in range(10):
        socket("$connect", f"w{number}", tenant="acme", user="ann")
        time.sleep(0.002)
    connections.fault = fault
    assert socket("$connect", "new", tenant="acme", user="ann") == 200
    assert connections.closed == []


@pytest.mark.parametrize(("seconds", "status"), [(-1, 401), (30, 200)])
def test_an_expired_token_opens_no_connection(
    connections: Connections, seconds: int, status: int
) -> None:
    expires = str(int(time.time()) + seconds)
    assert socket("$connect", tenant="acme", user="ann", expires=expires) == status
