"""The push to open windows through API Gateway's WebSocket connections."""

from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from kernel.runtime.log import logger
from notifications.events import NotificationState
from notifications.model import Notification
from notifications.repository import NotificationRepository

_GONE = ("GoneException", "410")


class SocketLive:
    """Posts a notification to every connection of its recipient, and forgets those that are gone.

    The inbox is what counts: a push that fails is logged and left, because the notification is
    there the next time the inbox is opened.
    """

    def __init__(self, repository: NotificationRepository, connections: Any) -> None:
        self._repo, self._connections = repository, connections

    def push(self, notification: Notification) -> None:
        """Show a notification to its recipient's open windows."""
        tenant_id, user_id = notification.tenant_id, str(notification.owner_id)
        shown = NotificationState.__pydantic_serializer__.to_json(notification, exclude_none=True)
        data = b'{"type":"notification","notification":' + shown + b"}"
        try:
            for connection_id in self._repo.connections(tenant_id, user_id):
                if not self._post(connection_id, data):
                    self._repo.disconnect(tenant_id, user_id, connection_id)
        except (ClientError, BotoCoreError) as fault:
            logger().warning("push failed", notification=notification.id, fault=repr(fault))

    def answer(self, connection_id: str) -> None:
        """Answer what was said in a window: it is heard."""
        self._post(connection_id, b'{"type":"pong"}')

    def _post(self, connection_id: str, data: bytes) -> bool:
        """Send to one connection; False when it is gone."""
        try:
            self._connections.post_to_connection(ConnectionId=connection_id, Data=data)
        except ClientError as fault:
            if fault.response["Error"]["Code"] in _GONE:
                return False
            logger().warning("post failed", connection=connection_id, fault=repr(fault))
        except (BotoCoreError, ValueError) as fault:
            # ValueError: botocore's complaint about an endpoint that is no URL.
            logger().warning("post failed", connection=connection_id, fault=repr(fault))
        return True
