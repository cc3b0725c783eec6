"""Notifications and live connections in DynamoDB: keys and mapping, nothing else.

Index keys (each with the tenant in front):
  gsi1  INBOX#<user>                   <notification id>   newest first
  gsi2  UNREAD#<user>                  <notification id>   only what is unread
  UNREAD#<user> (table itself)         COUNT               how many are unread
  CONNECTIONS#<user> (table itself)    <connection id>     live WebSocket connections, two hours
"""

from kernel.domain.auth import Caller
from kernel.domain.clock import Clock
from kernel.domain.events import DomainEvent
from kernel.storage.dynamo import Add, Item, Table
from kernel.storage.store import Page, Store
from notifications.model import Notification

CONNECTION_TTL_SECONDS = 2 * 3600
"""API Gateway ends a WebSocket connection after two hours."""
CONNECTIONS_PER_USER = 10


def _index(n: Notification) -> Item:
    inbox = f"TENANT#{n.tenant_id}#INBOX#{n.owner_id}"
    keys: Item = {"gsi1pk": inbox, "gsi1sk": n.id}
    if n.read_at is None:
        keys |= {"gsi2pk": f"TENANT#{n.tenant_id}#UNREAD#{n.owner_id}", "gsi2sk": n.id}
    return keys


class NotificationRepository:
    """All records of this context in its one table."""

    def __init__(self, table: Table, clock: Clock) -> None:
        self._table, self._now = table, clock
        self.notifications = Store(table, Notification, "notification", _index, clock)

    def save(
        self,
        caller: Caller,
        before: Notification | None,
        after: Notification,
        *events: DomainEvent,
    ) -> Notification:
        """A notification, its events and the unread count. Raises Conflict when it was told."""
        change = (after.read_at is None) - (before is not None and before.read_at is None)
        count = Add(_unread(after.tenant_id, str(after.owner_id)), "COUNT", {"unread": change})
        return self.notifications.save(
            caller, before, after, *events, also=[count] if change else []
        )

    def inbox(
        self, tenant_id: str, user_id: str, *, unread: bool, limit: int, cursor: str | None
    ) -> Page[Notification]:
        """A user's notifications, newest first."""
        return self.notifications.page(
            tenant_id,
            f"{'UNREAD' if unread else 'INBOX'}#{user_id}",
            index="gsi2" if unread else "gsi1",
            limit=limit,
            after=cursor,
            newest_first=True,
        )

    def unread(self, tenant_id: str, user_id: str) -> int:
        """How many a user has not read: one read, however many there are."""
        item = self._table.get(_unread(tenant_id, user_id), "COUNT", consistent=True)
        return int(item["unread"]) if item else 0

    def connect(self, tenant_id: str, user_id: str, connection_id: str) -> None:
        """Remember a connection; when a user has too many, the oldest are forgotten."""
        pk, now = _connections(tenant_id, user_id), self._now().timestamp()
        self._table.put(
            {
                "pk": pk,
                "sk": connection_id,
                "since": int(now * 1000),
                "ttl": int(now) + CONNECTION_TTL_SECONDS,
            }
        )
        known = self._table.query(pk, limit=100, consistent=True).items
        newest_first = sorted(known, key=lambda item: int(item["since"]), reverse=True)
        for item in newest_first[CONNECTIONS_PER_USER:]:
            self._table.delete(pk, str(item["sk"]))

    def disconnect(self, tenant_id: str, user_id: str, connection_id: str) -> None:
        """Forget a connection."""
        self._table.delete(_connections(tenant_id, user_id), connection_id)

    def connections(self, tenant_id: str, user_id: str) -> list[str]:
        """A user's live connections."""
        found = self._table.query(_connections(tenant_id, user_id), limit=100, consistent=True)
        # An item may stay for days after its time; the connection does not.
        now = self._now().timestamp()
        return [str(item["sk"]) for item in found.items if int(item["ttl"]) > now]


def _unread(tenant_id: str, user_id: str) -> str:
    return f"TENANT#{tenant_id}#UNREAD#{user_id}"


def _connections(tenant_id: str, user_id: str) -> str:
    return f"TENANT#{tenant_id}#CONNECTIONS#{user_id}"
