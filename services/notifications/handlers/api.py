"""The HTTP face of notifications: read the request, call one use case, shape the reply."""

from pydantic import BaseModel, Field

from kernel.domain.auth import Caller
from kernel.storage.store import Page
from kernel.web.http import Api, ListQuery
from notifications.bootstrap import service, table
from notifications.events import NotificationState

handler = app = Api("notifications", table)


class InboxQuery(ListQuery):
    """The inbox, or only what is unread."""

    unread: bool = Field(False, description="Only what is unread.")


class Unread(BaseModel):
    """How many notifications are unread."""

    unread: int


@app.get("/notifications")
def list_notifications(caller: Caller, query: InboxQuery) -> Page[NotificationState]:
    """List your notifications, newest first."""
    return service().inbox(caller, unread=query.unread, limit=query.limit, cursor=query.cursor)


@app.get("/notifications/unread-count")
def count_unread(caller: Caller) -> Unread:
    """Count what you have not read."""
    return Unread(unread=service().unread(caller))


@app.post("/notifications/{notification_id}/read")
def read_notification(caller: Caller, notification_id: str) -> NotificationState:
    """Mark one as read; nobody else changes it, so no If-Match is asked for."""
    return service().read(caller, notification_id)
