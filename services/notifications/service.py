"""Use cases: tell someone, show the inbox, mark as read. Everyone sees their own inbox alone."""

from typing import Protocol

from kernel.domain.auth import Caller, system
from kernel.domain.clock import Clock
from kernel.domain.envelope import CloudEvent
from kernel.domain.errors import Conflict, NotFound, StaleVersion
from kernel.storage.store import Page
from notifications.model import Notification, message_for
from notifications.repository import NotificationRepository


class Live(Protocol):
    """Speaks to live connections; never raises because one cannot be reached."""

    def push(self, notification: Notification) -> None:
        """Show a notification to its recipient's open windows."""

    def answer(self, connection_id: str) -> None:
        """Answer what was said in a window: it is heard."""


class NotificationService:
    """What users do with their inbox, and what events put into it."""

    def __init__(self, repository: NotificationRepository, live: Live, now: Clock) -> None:
        self._repo, self._live, self._now = repository, live, now

    def tell(self, event: CloudEvent) -> Notification | None:
        """Put an event into the inbox of whom it concerns, once, and push it."""
        message = message_for(event)
        if message is None:
            return None
        caller = system(event.tenant_id, correlation_id=event.correlation_id, causation_id=event.id)
        told, sent = Notification.create(event.tenant_id, message, event.id, self._now())
        try:
            told = self._repo.save(caller, None, told, sent)
        except Conflict as known:
            if known.slug == "busy":
                raise
            return None  # told before: the event came twice
        self._live.push(told)
        return told

    def inbox(
        self, caller: Caller, *, unread: bool, limit: int, cursor: str | None
    ) -> Page[Notification]:
        """The caller's notifications, newest first."""
        return self._repo.inbox(
            caller.tenant_id, caller.user_id, unread=unread, limit=limit, cursor=cursor
        )

    def unread(self, caller: Caller) -> int:
        """How many the caller has not read."""
        return self._repo.unread(caller.tenant_id, caller.user_id)

    def read(self, caller: Caller, notification_id: str) -> Notification:
        """Mark one of the caller's notifications as read; doing it twice is fine."""
        for _ in range(2):
            before = self._repo.notifications.get(caller.tenant_id, notification_id)
            if before.owner_id != caller.user_id:
                raise NotFound(f"There is no notification {notification_id}.")
            after, events = before.read(self._now())
            if not events:
                return before
            try:
                return self._repo.save(caller, before, after, *events)
            except StaleVersion:
                continue  # read in another window at the same moment
        return self._repo.notifications.get(caller.tenant_id, notification_id)

    def connect(self, tenant_id: str, user_id: str, connection_id: str) -> None:
        """A window of a user opened."""
        self._repo.connect(tenant_id, user_id, connection_id)

    def disconnect(self, tenant_id: str, user_id: str, connection_id: str) -> None:
        """A window of a user closed."""
        self._repo.disconnect(tenant_id, user_id, connection_id)

    def answer(self, connection_id: str) -> None:
        """A window wants to know whether it is heard."""
        self._live.answer(connection_id)
