"""Use cases of notifications: notify a user, list the inbox, mark as read.

Users see only their own inbox.
"""

from collections import OrderedDict
from datetime import date
from typing import Protocol

from kernel.domain.aggregate import Change
from kernel.domain.clock import Clock
from kernel.domain.cloud_events import CloudEvent
from kernel.domain.errors import Busy, Conflict, NotFound, StaleVersion
from kernel.domain.permissions import Role
from kernel.domain.principal import RequestContext, system_request
from kernel.storage.records import Page
from kernel.storage.unit_of_work import UnitOfWork
from notifications.model.notifications import (
    Message,
    Notification,
    concerns_administrators,
    messages_for,
)
from notifications.repository import (
    MAX_CONNECTIONS,
    AdministratorRepository,
    ConnectionRepository,
    HandoverGroup,
    NotificationRepository,
)

_TOO_MANY = (
    f"You have more than {MAX_CONNECTIONS} windows open, so this one gets no notifications any "
    "more; reload it to see them here."
)


_ATTEMPTS = 4
_MAX_SEEN = 1000
"""Users whom a process remembers."""


class Push(Protocol):
    """Sends to open windows; a window that cannot be reached raises nothing."""

    def push(self, notification: Notification) -> None:
        """Show a notification in its recipient's open windows."""

    def pong(self, connection_id: str) -> None:
        """Answer a message from a window, to show that the connection is alive."""

    def close(self, connection_id: str, reason: str) -> None:
        """Close a window's connection, after a message with the reason."""


class NotificationService:
    """The use cases of the inbox."""

    def __init__(
        self,
        notifications: NotificationRepository,
        administrators: AdministratorRepository,
        push: Push,
        now: Clock,
    ) -> None:
        self._notifications, self._administrators = notifications, administrators
        self._push, self._now = push, now

    def notify(self, event: CloudEvent) -> list[Notification]:
        """Notify the users that an event concerns, each once; returns the new notifications."""
        concerned = concerns_administrators(event)
        administrators = self._administrators.every(event.tenant_id) if concerned else []
        sent = (self._notify(event, message) for message in messages_for(event, administrators))
        return [one for one in sent if one is not None]

    def _notify(self, event: CloudEvent, message: Message) -> Notification | None:
        request = system_request(
            event.tenant_id, correlation_id=event.correlation_id, causation_id=event.id
        )
        change = Notification.create(event.tenant_id, message, event.id, self._now())
        if message.handover is not None and event.correlation_id:
            return self._notify_of_handover(event, message, UnitOfWork(request), change)
        try:
            sent = self._notifications.save(UnitOfWork(request), None, change)
        except Busy:
            raise
        except Conflict:
            return None  # the event was delivered before
        self._push.push(sent)
        return sent

    def _notify_of_handover(
        self, event: CloudEvent, message: Message, unit: UnitOfWork, change: Change[Notification]
    ) -> Notification | None:
        """Notify of the first record of a handover, or count one more in its notification.

        When its recipient has read it, a new one begins. Raises Busy when others always win.
        """
        store = self._notifications
        group = HandoverGroup(store.table, event, message, self._now)
        for _ in range(_ATTEMPTS):
            known = group.notification_id()
            current = store.find(event.tenant_id, known) if known else None
            try:
                if current is None or current.read_at or current.archived_at:
                    sent = store.save(unit, None, change, *group.begin(change.state.id))
                    self._push.push(sent)
                    return sent
                group.add(current, store.key(event.tenant_id, current.id))
            except Busy:
                raise
            except Conflict:
                if not group.has_counted():
                    continue  # another event of the handover, or the recipient, was faster
            return None
        raise Busy("Other events of this handover are counted at the same moment.")

    def list(
        self, request: RequestContext, *, unread: bool, limit: int, cursor: str | None
    ) -> Page[Notification]:
        """The caller's notifications, newest first."""
        user_id = request.principal.user_id
        return self._notifications.list(
            request.tenant_id, user_id, unread=unread, limit=limit, cursor=cursor
        )

    def count_unread(self, request: RequestContext) -> int:
        """How many notifications the caller has not read."""
        return self._notifications.count_unread(request.tenant_id, request.principal.user_id)

    def read(self, unit: UnitOfWork, notification_id: str) -> Notification:
        """Mark one of the caller's notifications as read; repeating it changes nothing."""
        for _ in range(2):
            before = self._notifications.get(unit.tenant_id, notification_id)
            if before.owner_id != unit.principal.user_id:
                raise NotFound(f"There is no notification {notification_id}.")
            try:
                read = self._notifications.save(unit, before, before.read(self._now()))
            except StaleVersion:
                continue  # read in another window at the same moment
            return self._about_all(read)
        return self._about_all(self._notifications.get(unit.tenant_id, notification_id))

    def _about_all(self, notification: Notification) -> Notification:
        (shown,) = self._notifications.handed_over([notification])
        return shown


class Administrators:
    """Who administers the tenant that operates the system: the roles of verified tokens (ADR 53).

    Each process looks at a user once a day, and again when their roles change.
    """

    def __init__(self, known: AdministratorRepository, operator: str, now: Clock) -> None:
        self._known, self._operator, self._now = known, operator, now
        self._seen: OrderedDict[tuple[str, bool, date], None] = OrderedDict()

    def note(self, request: RequestContext) -> None:
        """Remember whether the caller is an administrator; of other tenants nobody is."""
        if not self._operator or request.tenant_id != self._operator:
            return
        user, is_one = request.principal.user_id, Role.ADMINISTRATOR in request.principal.roles
        seen = (user, is_one, self._now().date())
        if seen in self._seen:
            return
        if not self._known.remember(request.tenant_id, user, is_one=is_one):
            return
        self._seen.pop((user, not is_one, seen[2]), None)
        self._seen[seen] = None
        if len(self._seen) > _MAX_SEEN:
            self._seen.popitem(last=False)


class ConnectionService:
    """The use cases of the WebSocket API."""

    def __init__(self, connections: ConnectionRepository, push: Push) -> None:
        self._connections, self._push = connections, push

    def connect(self, tenant_id: str, user_id: str, connection_id: str) -> None:
        """Store the connection of a window that a user opened; too many others are closed."""
        for oldest in self._connections.add(tenant_id, user_id, connection_id):
            self._push.close(oldest, _TOO_MANY)

    def disconnect(self, tenant_id: str, user_id: str, connection_id: str) -> None:
        """Remove the connection of a window that a user closed."""
        self._connections.remove(tenant_id, user_id, connection_id)

    def pong(self, connection_id: str) -> None:
        """Answer a message from a window."""
        self._push.pong(connection_id)
