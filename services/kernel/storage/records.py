"""Aggregates in DynamoDB: state, events, unique keys and the idempotency key in one transaction.

Layout of a table (docs/architecture.md):
  TENANT#<t>#<KIND>#<id>           STATE               the state, with the index keys
  TENANT#<t>#<KIND>#<id>           EVENT#<sequence>    the outbox: an event for the Relay to publish
  TENANT#<t>#EXTERNAL#<KIND>#<s>#<value>  EXTERNAL     the record that has an external id
  TENANT#<t>#IDEMPOTENCY#<key>     IDEMPOTENCY         a POST that was carried out
The tenant is the first part of every key and the first argument of every method.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from kernel.domain.aggregate import Aggregate, Change
from kernel.domain.clock import Clock, later, utc_now
from kernel.domain.cloud_events import envelope
from kernel.domain.errors import Conflict, CrmError, DuplicateExternalId, NotFound, StaleVersion
from kernel.domain.ids import ids_at
from kernel.domain.principal import RequestContext
from kernel.storage import cursor as cursors
from kernel.storage.outbox import outbox_entry
from kernel.storage.packing import pack, unpack
from kernel.storage.table import Action, Delete, Item, Put, Table
from kernel.storage.unit_of_work import UnitOfWork

_IN_THE_KEY = {"tenant_id", "id"}
"""Attributes that the stored document omits, because the item's key has them."""

# Pages are frozen, so covariant: a Page[Opportunity] is a Page[OpportunityState].
T_co = TypeVar("T_co", covariant=True)


class Page(BaseModel, Generic[T_co]):  # noqa: UP046
    """One page of a list, and the cursor of the next page."""

    model_config = ConfigDict(frozen=True)

    items: Sequence[T_co]
    next_cursor: str | None = None


class RecordStore[A: Aggregate]:
    """Stores all aggregates of one type (`opportunity`); a repository adds keys and indexes."""

    def __init__(
        self,
        table: Table,
        model: type[A],
        record_type: str,
        index: Callable[[A], Item],
        clock: Clock = utc_now,
    ) -> None:
        self.table, self._model, self._type, self._index = table, model, record_type, index
        self._now = clock

    def key(self, tenant_id: str, record_id: str) -> str:
        """The partition key of a record."""
        return f"TENANT#{tenant_id}#{self._type.upper()}#{record_id}"

    def find(self, tenant_id: str, record_id: str, *, consistent: bool = True) -> A | None:
        """A record, or None. Reads for decisions must be consistent."""
        item = self.table.get(self.key(tenant_id, record_id), "STATE", consistent=consistent)
        return self.from_item(item) if item else None

    def get(self, tenant_id: str, record_id: str, *, consistent: bool = True) -> A:
        """A record. Raises NotFound, also for a record of another tenant."""
        record = self.find(tenant_id, record_id, consistent=consistent)
        if record is None:
            raise NotFound(f"There is no {self._type} {record_id}.")
        return record

    def from_item(self, item: Item) -> A:
        """The record in an item of the table or of an index."""
        _, tenant_id, _, record_id = str(item["pk"]).split("#")
        in_the_key = f'{{"tenant_id":"{tenant_id}","id":"{record_id}",'
        return self._model.model_validate_json(in_the_key + unpack(item["doc"])[1:])

    def id_of(self, tenant_id: str, system: str, value: str) -> str | None:
        """The id of the record that has an external id, or None."""
        item = self.table.get(self._external(tenant_id, system, value), "EXTERNAL", consistent=True)
        return str(item["record_id"]) if item else None

    def page(
        self,
        tenant_id: str,
        partition: str,
        *,
        index: str,
        limit: int,
        cursor: str | None,
        prefix: str | None = None,
        between: tuple[str, str] | None = None,
        newest_first: bool = False,
    ) -> Page[A]:
        """One page of an index partition (`OWNER#ann`, without the tenant): one Query."""
        scope = f"{self._type} {index} {partition} {prefix} {between} {newest_first}"
        page = self.table.query(
            f"TENANT#{tenant_id}#{partition}",
            index=index,
            prefix=prefix,
            between=between,
            limit=limit,
            after=cursors.decode(tenant_id, scope, cursor),
            newest_first=newest_first,
        )
        return Page(
            items=[self.from_item(item) for item in page.items],
            next_cursor=cursors.encode(tenant_id, scope, page.last_key),
        )

    def save(self, unit: UnitOfWork, before: A | None, change: Change[A], *also: Action) -> A:
        """Commit a changed record with its events, or nothing; returns the record as stored.

        A change without a difference is not written. Raises StaleVersion when the record was
        changed since `before` was read, Conflict when a new record exists already,
        DuplicateExternalId when another record has one of its external ids, TooLarge when an event
        would be too large.
        """
        if before is not None and not change.events and change.state == before:
            return before
        # Each change is later than the one before it, also with a clock that is behind: so the ids
        # of a record's events increase with their sequence, except in a restored table.
        at = later(self._now(), before.updated_at) if before else self._now()
        version = before.version if before else 0
        sequence = before.sequence if before else 0
        after = change.state.model_copy(
            update={
                "version": version + 1,
                "sequence": sequence + len(change.events),
                "updated_at": at,
                "updated_by": unit.principal.user_id,
            }
        )
        actions = [
            self._put(before, after),
            *self._outbox(unit.request, Change(after, change.events), at),
            *self._unique_keys(before, after),
        ]
        unit.commit(self.table, [*actions, *also])
        return after

    def new_record_actions(
        self, request: RequestContext, change: Change[A], exists: CrmError
    ) -> list[Action]:
        """The actions that create a record within another record's transaction.

        That transaction raises `exists` when the record exists already.
        """
        put = replace(self._put(None, change.state), error=exists)
        return [put, *self._outbox(request, change, self._now())]

    def _outbox(self, request: RequestContext, change: Change[A], at: datetime) -> list[Action]:
        """The outbox entries of a change; the last has the sequence of the state afterwards."""
        after = change.state
        pk, subject = self.key(after.tenant_id, after.id), f"{self._type}/{after.id}"
        entries: list[Action] = []
        count = len(change.events)
        numbered = enumerate(change.events, after.sequence - count + 1)
        for (number, event), event_id in zip(numbered, ids_at(at, count), strict=True):
            document = envelope(
                event.model_copy(update={"current": after}),
                event_id=event_id,
                subject=subject,
                sequence=number,
                request=request,
                at=at,
            )
            entries.append(outbox_entry(pk, number, document))
        return entries

    def _put(self, before: A | None, after: A) -> Put:
        """The write of the record's item, on condition that it has the version that was read."""
        error = (
            StaleVersion("Someone changed this record meanwhile; read it again.")
            if before
            else Conflict(f"There is a {self._type} {after.id} already.")
        )
        document = after.model_dump_json(exclude_none=True, exclude=_IN_THE_KEY)
        return Put(
            {
                "pk": self.key(after.tenant_id, after.id),
                "sk": "STATE",
                "version": after.version,
                "doc": pack(document),
                **self._index(after),
            },
            absent=before is None,
            version=before.version if before else None,
            error=error,
        )

    def _external(self, tenant_id: str, system: str, value: str) -> str:
        return f"TENANT#{tenant_id}#EXTERNAL#{self._type.upper()}#{system}#{value}"

    def _unique_keys(self, before: A | None, after: A) -> list[Action]:
        """Writes of items for new external ids, and deletes of items for removed ones."""
        earlier = set(before.external_ids.items()) if before else set()
        now = set(after.external_ids.items())
        tenant = after.tenant_id
        added: list[Action] = [
            Put(
                {
                    "pk": self._external(tenant, system, value),
                    "sk": "EXTERNAL",
                    "record_id": after.id,
                },
                absent=True,
                error=DuplicateExternalId(
                    f"Another {self._type} has the external id {system}:{value}."
                ),
            )
            for system, value in sorted(now - earlier)
        ]
        removed: list[Action] = [
            Delete(self._external(tenant, system, value), "EXTERNAL")
            for system, value in sorted(earlier - now)
        ]
        return added + removed
