"""Wires this context to AWS, once per cold start."""

from functools import cache
from typing import Any

from kernel.domain.clock import utc_now
from kernel.runtime.aws import client
from kernel.runtime.settings import read_settings
from kernel.storage.records import RecordStore
from kernel.storage.table import Table
from notifications.adapters.push import NoPush, WebSocketPush
from notifications.repository import (
    AdministratorRepository,
    ConnectionRepository,
    NotificationRepository,
    UnreadCounters,
)
from notifications.service import (
    Administrators,
    ConnectionService,
    NotificationService,
    Push,
)
from notifications.settings import OperatorSettings, Settings


@cache
def table() -> Table:
    """The context's table."""
    return Table(client("dynamodb"), read_settings(Settings).table_name)


class _ManagementApi:
    """The client of the WebSocket management API, made at the first push."""

    def __getattr__(self, name: str) -> Any:
        endpoint = read_settings(Settings).socket_endpoint
        return getattr(client("apigatewaymanagementapi", endpoint), name)


@cache
def push() -> Push:
    """The push to open windows, where a WebSocket API is deployed."""
    if not read_settings(Settings).socket_endpoint:
        return NoPush()
    return WebSocketPush(ConnectionRepository(table(), utc_now), _ManagementApi())


@cache
def notifications() -> NotificationService:
    """The use cases of notifications."""
    return NotificationService(
        NotificationRepository(table(), utc_now),
        AdministratorRepository(table(), utc_now),
        push(),
        utc_now,
    )


@cache
def administrators() -> Administrators:
    """Who administers the operator's tenant."""
    operator = read_settings(OperatorSettings).operator_tenant
    return Administrators(AdministratorRepository(table(), utc_now), operator, utc_now)


@cache
def counters() -> UnreadCounters:
    """The numbers of unread notifications."""
    return UnreadCounters(table())


@cache
def connections() -> ConnectionService:
    """The use cases of WebSocket connections."""
    return ConnectionService(ConnectionRepository(table(), utc_now), push())


def stores() -> tuple[RecordStore[Any], ...]:
    """The stores of every type of record, for maintenance: straight from the table."""
    return (NotificationRepository(table(), utc_now),)
