"""Aggregates in DynamoDB: state, events, unique keys and the Idempotency-Key in one transaction.

Layout of a table (docs/architecture.md):
  TENANT#<t>#<KIND>#<id>           STATE               the state, with the index keys
  TENANT#<t>#<KIND>#<id>           EVENT#<sequence>    the outbox: an event for the Relay to send
  TENANT#<t>#EXTERNAL#<KIND>#<s>#<value>  EXTERNAL     who holds an external id
  TENANT#<t>#IDEMPOTENCY#<key>     IDEMPOTENCY         a POST that was carried out
The tenant is the first part of every key and the first argument of every method.
"""

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from kernel.domain.aggregate import Aggregate
from kernel.domain.auth import Caller
from kernel.domain.clock import Clock, utc_now
from kernel.domain.envelope import seal, written
from kernel.domain.errors import Conflict, CrmError, NotFound, StaleVersion, TooLarge
from kernel.domain.events import DomainEvent
from kernel.storage import cursor
from kernel.storage.dynamo import Action, Delete, Item, Put, Table
from kernel.storage.packing import pack, unpack

OUTBOX_TTL_SECONDS = 7 * 24 * 3600
"""An event that was sent stays readable here for a week; the lake keeps it for good."""
MAX_EVENT_BYTES = 240_000
"""EventBridge takes 256 KB with what it adds. No record is larger than its event, so none comes
near the 400 KB of an item either."""


_IN_THE_KEY = {"tenant_id", "id"}
"""What a record's text leaves out, because its item's key says it."""

# Frozen, so covariant: a page of deals is a page of what deals publish.
T_co = TypeVar("T_co", covariant=True)


class Page(BaseModel, Generic[T_co]):  # noqa: UP046
    """One page of a list, and the cursor to ask for the next one with."""

    model_config = ConfigDict(frozen=True)

    items: Sequence[T_co]
    next_cursor: str | None = None


class Store[A: Aggregate]:
    """All aggregates of one kind (`opportunity`); a repository adds its keys and indexes."""

    def __init__(
        self,
        table: Table,
        kind: type[A],
        name: str,
        index: Callable[[A], Item],
        clock: Clock = utc_now,
    ) -> None:
        self.table, self._kind, self._name, self._index = table, kind, name, index
        self._now = clock

    def key(self, tenant_id: str, record_id: str) -> str:
        """The partition of a record."""
        return f"TENANT#{tenant_id}#{self._name.upper()}#{record_id}"

    def find(self, tenant_id: str, record_id: str, *, consistent: bool = True) -> A | None:
        """A record, or None. Decisions read consistently, views need not."""
        item = self.table.get(self.key(tenant_id, record_id), "STATE", consistent=consistent)
        return self.from_item(item) if item else None

    def from_item(self, item: Item) -> A:
        """The record in an item of the table or of an index."""
        _, tenant_id, _, record_id = str(item["pk"]).split("#")
        known = f'{{"tenant_id":"{tenant_id}","id":"{record_id}",'
        return self._kind.model_validate_json(known + unpack(item["doc"])[1:])

    def get(self, tenant_id: str, record_id: str, *, consistent: bool = True) -> A:
        """A record. Raises NotFound, whatever the reason it cannot be seen in this tenant."""
        record = self.find(tenant_id, record_id, consistent=consistent)
        if record is None:
            raise NotFound(f"There is no {self._name} {record_id}.")
        return record

    def id_of(self, tenant_id: str, system: str, value: str) -> str | None:
        """The id of the record that holds an external id, or None."""
        item = self.table.get(self._external(tenant_id, system, value), "EXTERNAL", consistent=True)
        return str(item["record_id"]) if item else None

    def save(
        self,
        caller: Caller,
        before: A | None,
        after: A,
        *events: DomainEvent,
        also: Sequence[Action] = (),
    ) -> A:
        """Commit a record and its events together, or neither; returns the record as stored.

        Raises StaleVersion when someone changed it since `before` was read, Conflict when it exists
        already or another record holds one of its external ids, TooLarge when its events could
        never be sent.
        """
        at = self._now()
        version = before.version if before else 0
        sequence = before.sequence if before else 0
        after = after.model_copy(
            update={
                "version": version + 1,
                "sequence": sequence + len(events),
                "updated_at": at,
                "updated_by": caller.user_id,
            }
        )
        actions = self.actions(caller, before, after, events, at)
        actions += also
        if caller.once and (key := caller.once.action()):
            actions.append(key)
        self.table.transact(actions)
        if caller.once:
            caller.once.committed = True
        return after

    def actions(
        self,
        caller: Caller,
        before: A | None,
        after: A,
        events: Sequence[DomainEvent],
        at: datetime,
        exists: CrmError | None = None,
    ) -> list[Action]:
        """What commits a record, as it is given, with the events that led to it.

        `exists` is raised by the transaction when a new record is there already.
        """
        pk = self.key(after.tenant_id, after.id)
        actions: list[Action] = [
            Put(
                {
                    "pk": pk,
                    "sk": "STATE",
                    "version": after.version,
                    "doc": pack(after.model_dump_json(exclude_none=True, exclude=_IN_THE_KEY)),
                    **self._index(after),
                },
                absent=before is None,
                version=before.version if before else None,
                refused=StaleVersion("Someone changed this record meanwhile; read it again.")
                if before
                else exists or Conflict(f"There is a {self._name} {after.id} already."),
            )
        ]
        for number, event in enumerate(events, start=after.sequence - len(events) + 1):
            envelope = seal(
                event.model_copy(update={"current": after}),
                subject=f"{self._name}/{after.id}",
                sequence=number,
                caller=caller,
                at=at,
            )
            actions.append(outbox(pk, number, envelope))
        return actions + self._unique_keys(before, after)

    def page(
        self,
        tenant_id: str,
        partition: str,
        *,
        index: str,
        limit: int,
        after: str | None,
        prefix: str | None = None,
        between: tuple[str, str] | None = None,
        newest_first: bool = False,
    ) -> Page[A]:
        """One page of an index partition (`OWNER#ann`, without the tenant): one Query."""
        scope = f"{self._name} {index} {partition} {prefix} {between} {newest_first}"
        found = self.table.query(
            f"TENANT#{tenant_id}#{partition}",
            index=index,
            prefix=prefix,
            between=between,
            limit=limit,
            after=cursor.decode(tenant_id, scope, after),
            newest_first=newest_first,
        )
        return Page(
            items=[self.from_item(item) for item in found.items],
            next_cursor=cursor.encode(tenant_id, scope, found.last_key),
        )

    def _external(self, tenant_id: str, system: str, value: str) -> str:
        return f"TENANT#{tenant_id}#EXTERNAL#{self._name.upper()}#{system}#{value}"

    def _unique_keys(self, before: A | None, after: A) -> list[Action]:
        had = set(before.external_ids.items()) if before else set()
        has = set(after.external_ids.items())
        tenant = after.tenant_id
        taken: list[Action] = [
            Put(
                {
                    "pk": self._external(tenant, system, value),
                    "sk": "EXTERNAL",
                    "record_id": after.id,
                },
                absent=True,
                refused=Conflict(
                    f"Another {self._name} has the external id {system}:{value}.",
                    slug="duplicate-external-id",
                ),
            )
            for system, value in sorted(has - had)
        ]
        freed: list[Action] = [
            Delete(self._external(tenant, system, value), "EXTERNAL")
            for system, value in sorted(had - has)
        ]
        return taken + freed


def outbox(pk: str, sequence: int, envelope: dict[str, Any]) -> Put:
    """The outbox item of a sealed event; `absent` makes a repeated sequence impossible.

    Raises TooLarge for an event the bus would never take.
    """
    detail = written(envelope)
    if (size := len(detail.encode())) > MAX_EVENT_BYTES:
        raise TooLarge(
            f"The record, with what this change replaces, comes to {size:,} bytes; "
            f"{MAX_EVENT_BYTES:,} can be told to others. Shorten its longest texts (the values "
            "in custom_fields, as a rule), or change fewer of them at once."
        )
    return Put(
        {
            "pk": pk,
            "sk": f"EVENT#{sequence:012d}",
            "detail": pack(detail),
            "ttl": int(time.time()) + OUTBOX_TTL_SECONDS,
        },
        absent=True,
        refused=StaleVersion("Someone changed this record meanwhile; read it again."),
    )
