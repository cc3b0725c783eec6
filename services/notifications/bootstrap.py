"""Wires this context to AWS, once per cold start."""

import os
from functools import cache
from typing import Any

from kernel.domain.clock import utc_now
from kernel.runtime.aws import client
from kernel.storage.dynamo import Table
from notifications.live import SocketLive
from notifications.model import Notification
from notifications.repository import NotificationRepository
from notifications.service import NotificationService


@cache
def table() -> Table:
    """The context's table."""
    return Table(client("dynamodb"), os.environ["TABLE_NAME"])


class _Sockets:
    """The client of the WebSocket API, made at the first push: an API request needs none."""

    def __getattr__(self, name: str) -> Any:
        return getattr(client("apigatewaymanagementapi", os.environ["SOCKET_ENDPOINT"]), name)


class _Nobody:
    """Where no WebSocket API is wired, nobody is connected."""

    def push(self, notification: Notification) -> None:
        """Nothing to do."""

    def answer(self, connection_id: str) -> None:
        """Nothing to do."""


@cache
def service() -> NotificationService:
    """The context's use cases."""
    repository = NotificationRepository(table(), utc_now)
    live = SocketLive(repository, _Sockets()) if "SOCKET_ENDPOINT" in os.environ else _Nobody()
    return NotificationService(repository, live, utc_now)
