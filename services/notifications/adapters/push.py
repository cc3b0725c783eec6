"""Pushes notifications to open windows, through API Gateway's WebSocket connections."""

import json
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from kernel.runtime.faults import describe
from kernel.runtime.log import logger
from notifications.events import NotificationState
from notifications.model.notifications import Notification
from notifications.repository import ConnectionRepository

_GONE = ("GoneException", "410")


class WebSocketPush:
    """Posts a notification to every connection of its recipient; removes those that are gone.

    A push that fails is only logged, because the notification is in the inbox.
    """

    def __init__(self, connections: ConnectionRepository, management_api: Any) -> None:
        self._connections, self._api = connections, management_api

    def push(self, notification: Notification) -> None:
        """Show a notification to its recipient's open windows."""
        tenant_id, user_id = notification.tenant_id, str(notification.owner_id)
        shown = NotificationState.__pydantic_serializer__.to_json(notification, exclude_none=True)
        data = b'{"type":"notification","notification":' + shown + b"}"
        try:
            for connection_id in self._connections.of_user(tenant_id, user_id):
                if not self._post(connection_id, data):
                    self._connections.remove(tenant_id, user_id, connection_id)
        except (ClientError, BotoCoreError) as fault:
            logger().warning("push failed", notification=notification.id, fault=describe(fault))

    def pong(self, connection_id: str) -> None:
        """Answer a message from a window, to show that the connection is alive."""
        self._post(connection_id, b'{"type":"pong"}')

    def close(self, connection_id: str, reason: str) -> None:
        """Close a window's connection, after a message with the reason."""
        if not self._post(connection_id, json.dumps({"type": "closed", "reason": reason}).encode()):
            return
        try:
            self._api.delete_connection(ConnectionId=connection_id)
        except (ClientError, BotoCoreError, ValueError) as fault:
            logger().warning("close failed", connection=connection_id, fault=describe(fault))

    def _post(self, connection_id: str, data: bytes) -> bool:
        """Send to one connection; False when it is gone."""
        try:
            self._api.post_to_connection(ConnectionId=connection_id, Data=data)
        except ClientError as fault:
            if fault.response["Error"]["Code"] in _GONE:
                return False
            logger().warning("post failed", connection=connection_id, fault=describe(fault))
        except (BotoCoreError, ValueError) as fault:
            # botocore raises ValueError for an endpoint that is not a URL.
            logger().warning("post failed", connection=connection_id, fault=describe(fault))
        return True


class NoPush:
    """Pushes nothing, where no WebSocket API is deployed."""

    def push(self, notification: Notification) -> None:
        """Do nothing."""

    def pong(self, connection_id: str) -> None:
        """Do nothing."""

    def close(self, connection_id: str, reason: str) -> None:
        """Do nothing."""
