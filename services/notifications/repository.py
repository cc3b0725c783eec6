"""Notifications and WebSocket connections in DynamoDB: keys and mapping.

Keys, each prefixed with the tenant:
  gsi1  INBOX#<user>                   <notification id>   all notifications, newest first
  gsi2  UNREAD#<user>                  <notification id>   unread notifications
  UNREAD#<user> (base table)           COUNT               the number of unread notifications
  CONNECTIONS#<user> (base table)      <connection id>     WebSocket connections, for two hours
"""

from kernel.domain.clock import Clock
from kernel.domain.errors import Busy
from kernel.storage.records import Page, RecordStore
from kernel.storage.table import Action, Add, Item, Put, Table
from notifications.model import Notification

CONNECTION_TTL_SECONDS = 2 * 3600
"""API Gateway ends a WebSocket connection after two hours."""
MAX_CONNECTIONS = 10
"""The maximum number of connections of one user; older ones are closed."""


def _index(notification: Notification) -> Item:
    if notification.archived_at is not None:
        return {}
    tenant = f"TENANT#{notification.tenant_id}#"
    keys: Item = {"gsi1pk": f"{tenant}INBOX#{notification.owner_id}", "gsi1sk": notification.id}
    if notification.read_at is None:
        keys |= {"gsi2pk": f"{tenant}UNREAD#{notification.owner_id}", "gsi2sk": notification.id}
    return keys


class NotificationRepository(RecordStore[Notification]):
    """The notifications in the context's table, with the count of unread ones."""

    def __init__(self, table: Table, clock: Clock) -> None:
        super().__init__(table, Notification, "notification", _index, clock)

    def with_change(self, before: Notification | None, after: Notification) -> list[Action]:
        """The change of the number of unread notifications, in the same transaction."""
        difference = _is_unread(after) - _is_unread(before)
        key = _unread(after.tenant_id, str(after.owner_id))
        return [Add(key, "COUNT", {"unread": difference})] if difference else []

    def list(
        self, tenant_id: str, user_id: str, *, unread: bool, limit: int, cursor: str | None
    ) -> Page[Notification]:
        """A user's notifications, newest first."""
        return self.page(
            tenant_id,
            f"{'UNREAD' if unread else 'INBOX'}#{user_id}",
            index="gsi2" if unread else "gsi1",
            limit=limit,
            cursor=cursor,
            newest_first=True,
        )

    def count_unread(self, tenant_id: str, user_id: str) -> int:
        """The number of unread notifications, from one stored counter."""
        return UnreadCounters(self.table).count(tenant_id, user_id)


def _is_unread(notification: Notification | None) -> bool:
    return (
        notification is not None
        and notification.read_at is None
        and notification.archived_at is None
    )


class UnreadCounters:
    """The stored numbers of unread notifications, and the numbers in the index."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def count(self, tenant_id: str, user_id: str) -> int:
        """The number of unread notifications, from one stored counter."""
        item = self._table.get(_unread(tenant_id, user_id), "COUNT", consistent=True)
        return int(item["unread"]) if item else 0

    def compare(self, tenant_id: str, user_id: str) -> tuple[int, int]:
        """The stored number, and how many unread notifications the index has."""
        stored, unread = self.count(tenant_id, user_id), 0
        after: Item | None = None
        while True:
            page = self._table.query(
                _unread(tenant_id, user_id), index="gsi2", limit=1000, after=after
            )
            unread += len(page.items)
            if (after := page.last_key) is None:
                return stored, unread

    def correct(self, tenant_id: str, user_id: str, stored: int, unread: int) -> bool:
        """Correct a counter that still has the value `stored`; returns whether it had.

        The condition makes it safe against a change at the same moment, and against this
        correction, which a caller that got no answer sends again.
        """
        key = {"pk": _unread(tenant_id, user_id), "sk": "COUNT"}
        known = self._table.get(key["pk"], key["sk"], consistent=True)
        if (int(known["unread"]) if known else 0) != stored:
            return False
        changed = Busy("The counter changes.")
        right = Put(
            {**(known or {}), **key, "unread": unread},
            absent=known is None,
            unchanged=known,
            error=changed,
        )
        try:
            self._table.put_if(right)
        except Busy:
            return False
        return True


class ConnectionRepository:
    """The WebSocket connections in the context's table."""

    def __init__(self, table: Table, clock: Clock) -> None:
        self._table, self._now = table, clock

    def add(self, tenant_id: str, user_id: str, connection_id: str) -> list[str]:
        """Store a connection; when a user has too many, remove and return the oldest."""
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
        removed = [str(item["sk"]) for item in newest_first[MAX_CONNECTIONS:]]
        for one in removed:
            self._table.delete(pk, one)
        return removed

    def remove(self, tenant_id: str, user_id: str, connection_id: str) -> None:
        """Remove a connection."""
        self._table.delete(_connections(tenant_id, user_id), connection_id)

    def of_user(self, tenant_id: str, user_id: str) -> list[str]:
        """The ids of a user's connections."""
        page = self._table.query(_connections(tenant_id, user_id), limit=100, consistent=True)
        # DynamoDB may delete an expired item days later.
        now = self._now().timestamp()
        return [str(item["sk"]) for item in page.items if int(item["ttl"]) > now]


def _unread(tenant_id: str, user_id: str) -> str:
    return f"TENANT#{tenant_id}#UNREAD#{user_id}"


def _connections(tenant_id: str, user_id: str) -> str:
    return f"TENANT#{tenant_id}#CONNECTIONS#{user_id}"
