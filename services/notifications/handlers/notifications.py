"""REST routes of notifications."""

from pydantic import BaseModel, Field

from kernel.domain.principal import RequestContext
from kernel.storage.records import Page
from kernel.storage.unit_of_work import UnitOfWork
from kernel.web.models import ListQuery
from kernel.web.routes import Routes
from notifications.bootstrap import administrators, notifications
from notifications.events import NotificationState

routes = Routes()


class NotificationQuery(ListQuery):
    """All notifications, or only the unread ones."""

    unread: bool = Field(False, description="Only unread notifications.")


class UnreadCount(BaseModel):
    """How many notifications are unread."""

    unread: int = Field(ge=0)


@routes.get("/notifications")
def list_notifications(
    request: RequestContext, query: NotificationQuery
) -> Page[NotificationState]:
    """List your notifications, newest first.

    Read ones too, unless `unread` is true. New ones also arrive over the WebSocket API, which the
    AsyncAPI document describes (`/asyncapi.json`).
    """
    administrators().note(request)
    return notifications().list(
        request, unread=query.unread, limit=query.limit, cursor=query.cursor
    )


@routes.get("/notifications/unread-count")
def count_unread(request: RequestContext) -> UnreadCount:
    """Count your unread notifications.

    The number for a badge; reading it costs the same for any size of the inbox.
    """
    administrators().note(request)
    return UnreadCount(unread=notifications().count_unread(request))


@routes.post("/notifications/{notification_id}/read")
def read_notification(unit: UnitOfWork, notification_id: str) -> NotificationState:
    """Mark a notification as read; needs no If-Match.

    Only your own. A notification that is read already stays as it is.
    """
    return notifications().read(unit, notification_id)
