"""Notifications and WebSocket connections in DynamoDB: keys and mapping.

Keys, each prefixed with the tenant:
  gsi1  INBOX#<user>                   <notification id>   all notifications, newest first
  gsi2  UNREAD#<user>                  <notification id>   unread notifications
  UNREAD#<user> (base table)           COUNT               the number of unread notifications
  CONNECTIONS#<user> (base table)      <connection id>     WebSocket connections, for two hours
  ADMINISTRATORS (base table)          <user>              who was one in their last request; TTL
Of the records that one request hands over, an inbox has one notification:
  HANDOVERS#<request and users>        GROUP               the notification
  HANDOVERS#<request and users>        COUNTED#<event id>  an event that it counts
  HANDOVER#<notification id>           COUNT               the number of records by type
"""

import hashlib
from collections.abc import Mapping, Sequence

from botocore.exceptions import BotoCoreError, ClientError

from kernel.domain.clock import Clock
from kernel.domain.cloud_events import CloudEvent
from kernel.domain.errors import Busy, Conflict, ReadOnlyRegion
from kernel.runtime.faults import describe
from kernel.runtime.log import logger
from kernel.storage.records import Page, RecordStore
from kernel.storage.table import Action, Add, Check, Item, Put, Table
from notifications.model.notifications import Message, Notification

CONNECTION_TTL_SECONDS = 2 * 3600
"""API Gateway ends a WebSocket connection after two hours."""
HANDOVER_TTL_SECONDS = 400 * 24 * 3600
"""Longer than the archive has events, which may be delivered again."""
ADMINISTRATOR_TTL_SECONDS = 90 * 24 * 3600
"""Whoever has not opened the inbox for so long is not notified as an administrator."""
MAX_ADMINISTRATORS = 100
"""The most administrators who are notified of one event."""
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
        page = self.page(
            tenant_id,
            f"{'UNREAD' if unread else 'INBOX'}#{user_id}",
            index="gsi2" if unread else "gsi1",
            limit=limit,
            cursor=cursor,
            newest_first=True,
        )
        return page.model_copy(update={"items": [*self.handed_over(page.items)]})

    def handed_over(self, notifications: Sequence[Notification]) -> Sequence[Notification]:
        """The notifications with texts about all records of their handovers: one read for all."""
        keys = {
            _handover(one.tenant_id, one.id): one.id
            for one in notifications
            if one.handover is not None
        }
        if not keys:
            return notifications
        items = self.table.get_many([(key, "COUNT") for key in keys], consistent=True)
        counts = {keys[str(item["pk"])]: _numbers(item) for item in items}
        return [one.about_all(counts.get(one.id, {})) for one in notifications]

    def count_unread(self, tenant_id: str, user_id: str) -> int:
        """The number of unread notifications, from one stored counter."""
        return UnreadCounters(self.table).count(tenant_id, user_id)


class HandoverGroup:
    """The notification of one inbox about the records that one request hands over.

    Its events are counted in transactions that each contain an item for the event, so an event
    that is delivered again is not counted again.
    """

    def __init__(self, table: Table, event: CloudEvent, message: Message, now: Clock) -> None:
        self._table, self._event = table, event
        self._ttl = int(now().timestamp()) + HANDOVER_TTL_SECONDS
        to = message.handover.to if message.handover else None
        parts = (event.correlation_id, event.actor, to or "", message.recipient)
        digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:40]
        self._key = f"TENANT#{event.tenant_id}#HANDOVERS#{digest}"
        self._stored: Item | None = None

    def notification_id(self) -> str | None:
        """The id of the notification, None while there is none."""
        self._stored = self._table.get(self._key, "GROUP", consistent=True)
        return str(self._stored["notification"]) if self._stored else None

    def has_counted(self) -> bool:
        """Whether the event is counted already."""
        return self._table.get(self._key, self._sort_key, consistent=True) is not None

    def begin(self, notification_id: str) -> list[Action]:
        """The writes with which a notification begins to count; they raise Conflict."""
        first = Put(
            {"pk": self._key, "sk": "GROUP", "notification": notification_id, "ttl": self._ttl},
            absent=self._stored is None,
            unchanged=self._stored,
            error=Conflict("Another event of this handover was faster."),
        )
        return [first, *self._count(notification_id)]

    def add(self, notification: Notification, key: str) -> None:
        """Count the event in a notification. Raises Conflict when that has changed."""
        changed = Conflict("The notification was changed meanwhile.")
        unchanged = Check(key, "STATE", changed, version=notification.version)
        self._table.transact([unchanged, *self._count(notification.id)])

    def _count(self, notification_id: str) -> list[Action]:
        counted = Put(
            {"pk": self._key, "sk": self._sort_key, "ttl": self._ttl},
            absent=True,
            error=Conflict("The event is counted already."),
        )
        key = _handover(self._event.tenant_id, notification_id)
        return [counted, Add(key, "COUNT", {self._event.subject_type: 1})]

    @property
    def _sort_key(self) -> str:
        return f"COUNTED#{self._event.id}"


def _numbers(item: Item) -> Mapping[str, int]:
    return {name: int(value) for name, value in item.items() if name not in ("pk", "sk")}


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


class AdministratorRepository:
    """The administrators of a tenant, by the tokens of their latest requests (ADR 53)."""

    def __init__(self, table: Table, clock: Clock) -> None:
        self._table, self._now = table, clock

    def remember(self, tenant_id: str, user_id: str, *, is_one: bool) -> bool:
        """Store whether a user is an administrator, best effort; False when it is not stored.

        A request that only reads must not fail because of it, as in a region that does not write.
        """
        pk = _administrators(tenant_id)
        try:
            if is_one:
                ttl = int(self._now().timestamp()) + ADMINISTRATOR_TTL_SECONDS
                self._table.put({"pk": pk, "sk": user_id, "ttl": ttl})
            else:
                self._table.delete(pk, user_id)
        except ReadOnlyRegion:
            return False
        except (ClientError, BotoCoreError, Busy) as fault:
            logger().warning("administrator not stored", tenant=tenant_id, fault=describe(fault))
            return False
        return True

    def every(self, tenant_id: str) -> list[str]:
        """The administrators' ids, MAX_ADMINISTRATORS at most."""
        limit, now = MAX_ADMINISTRATORS, self._now().timestamp()
        page = self._table.query(_administrators(tenant_id), limit=limit, consistent=True)
        # DynamoDB may delete an expired item days later.
        return [str(item["sk"]) for item in page.items if int(item["ttl"]) > now]


def _administrators(tenant_id: str) -> str:
    return f"TENANT#{tenant_id}#ADMINISTRATORS"


def _handover(tenant_id: str, notification_id: str) -> str:
    return f"TENANT#{tenant_id}#HANDOVER#{notification_id}"


def _unread(tenant_id: str, user_id: str) -> str:
    return f"TENANT#{tenant_id}#UNREAD#{user_id}"


def _connections(tenant_id: str, user_id: str) -> str:
    return f"TENANT#{tenant_id}#CONNECTIONS#{user_id}"
