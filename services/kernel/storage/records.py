"""Aggregates in DynamoDB: state, events, unique keys and the idempotency key in one transaction.

Layout of a table (docs/architecture.md):
  TENANT#<t>#<KIND>#<id>           STATE               the state, with the index keys
  TENANT#<t>#<KIND>#<id>           EVENT#<sequence>    the outbox: an event for the Relay to publish
  TENANT#<t>#EXTERNAL#<KIND>#<s>#<value>  EXTERNAL     the record that has an external id
  TENANT#<t>#IDEMPOTENCY#<key>     IDEMPOTENCY         a POST that was carried out
The tenant is the first part of every key and the first argument of every method.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from kernel.domain.aggregate import Aggregate, Change, Mended
from kernel.domain.aside import aside_of, has_entries_missing, with_entries_missing
from kernel.domain.clock import Clock, later, utc_now
from kernel.domain.cloud_events import envelope
from kernel.domain.errors import (
    Conflict,
    CrmError,
    DuplicateExternalId,
    FieldError,
    NotFound,
    StaleVersion,
    UnreadableRecord,
)
from kernel.domain.ids import ids_at
from kernel.domain.principal import RequestContext
from kernel.storage import cursor as cursors
from kernel.storage.archived import INDEX_KEYS, Archived, archived_keys, key_in, merged
from kernel.storage.differences import log_differences, log_unreadable, readable
from kernel.storage.documents import NUMBER, WHOLE, Documents, not_upgraded
from kernel.storage.idempotency import Committed
from kernel.storage.outbox import outbox_entry
from kernel.storage.packing import pack, unpack
from kernel.storage.table import Action, Delete, Item, Put, Table
from kernel.storage.unit_of_work import UnitOfWork

_SET_BY_EVERY_CHANGE = {"updated_at", "updated_by"}

# Pages are frozen, so covariant: a Page[Opportunity] is a Page[OpportunityState].
T_co = TypeVar("T_co", covariant=True)

MAX_PAGE = 200
"""The most records of one page."""
MAX_CURSOR = 2_000


class Page(BaseModel, Generic[T_co]):  # noqa: UP046
    """One page of a list, and the cursor of the next page."""

    model_config = ConfigDict(frozen=True)

    items: Sequence[T_co] = Field(max_length=MAX_PAGE)
    next_cursor: str | None = Field(
        None, max_length=MAX_CURSOR, description="Send it as `cursor` for the next page, if any."
    )


class SearchItems[A](Protocol):
    """Items by which records are found (search.py), or which keep texts unique (unique.py)."""

    def actions(self, before: A | None, after: A) -> list[Action]:
        """The writes after which a record has its items, and no others."""


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
        self.table, self.record_type, self._index = table, record_type, index
        self._now = clock
        self.search: SearchItems[A] | None = None
        """Items besides the record's own by which it is found, or which keep its texts unique."""
        self.documents = Documents(model)

    def key(self, tenant_id: str, record_id: str) -> str:
        """The partition key of a record."""
        return f"TENANT#{tenant_id}#{self.record_type.upper()}#{record_id}"

    def find(
        self, tenant_id: str, record_id: str, *, consistent: bool = True, mend: Mended = None
    ) -> A | None:
        """A record, or None. Reads for decisions must be consistent.

        They raise UnreadableRecord for a record with wrong required fields, which no decision can
        rely on. For a change of the fields `mend`, those among them that are wrong are None.
        """
        record = self.show(tenant_id, record_id, consistent=consistent)
        if record is None or not consistent:
            return record
        return self._for_decisions(record, mend)

    def for_decisions(self, item: Item) -> A:
        """The record in an item that was read consistently, as `find` returns it."""
        return self._for_decisions(self.of_table(item), None)

    def show(self, tenant_id: str, record_id: str, *, consistent: bool = False) -> A | None:
        """A record as far as it can be read, or None; no decision may rely on it."""
        item = self.table.get(self.key(tenant_id, record_id), "STATE", consistent=consistent)
        return self.of_table(item) if item else None

    def get(
        self, tenant_id: str, record_id: str, *, consistent: bool = True, mend: Mended = None
    ) -> A:
        """A record as `find` returns it. Raises NotFound, also for a record of another tenant."""
        record = self.find(tenant_id, record_id, consistent=consistent, mend=mend)
        if record is None:
            raise NotFound(f"There is no {self.record_type} {record_id}.")
        return record

    def from_item(self, item: Item) -> A:
        """The record in an item of the table or of an index, as far as it can be read.

        Raises UnreadableRecord when nothing of it can be read.
        """
        key = str(item["pk"])
        try:
            _, tenant_id, _, record_id = key.split("#")
            text = unpack(item["doc"])
            if (record := self.documents.read(tenant_id, record_id, text)) is not None:
                return record
            version = item.get("version")
            read = self.documents.decode(
                tenant_id, record_id, text, version if isinstance(version, int) else None
            )
        except (LookupError, RecursionError, TypeError, ValueError) as error:
            raise log_unreadable(key, error) from error
        if read.differences:
            log_differences(key, read.differences)
        return read.record

    def of_table(self, item: Item) -> A:
        """The record in an item of the table, not of an index, whose items have no `search`."""
        record = self.from_item(item)
        complete = self.search is None or item.get("search") == INDEX_KEYS
        return record if complete else with_entries_missing(record)

    def _for_decisions(self, record: A, mend: Mended) -> A:
        """The record, if decisions may rely on it. Raises UnreadableRecord."""
        aside = aside_of(record)
        wrong = aside.wrong if aside else {}
        mended = mend.model_fields.keys() if mend else set()
        needed = {n: wrong[n] for n in wrong if n not in mended and n not in _SET_BY_EVERY_CHANGE}
        if needed:
            raise self._unreadable(record.id, needed)
        return record.with_changes(**dict.fromkeys(wrong)) if wrong else record

    def _unreadable(self, record_id: str, wrong: Mapping[str, str]) -> CrmError:
        """The problem of a record that cannot be changed."""
        if wrong.get(NUMBER) == "later_release":
            return UnreadableRecord(
                f"The {self.record_type} {record_id} was stored by a later release of the CRM, and "
                "can be read, but not be changed by this one."
            )
        errors = tuple(FieldError(name, f"is stored wrongly ({wrong[name]})") for name in wrong)
        return UnreadableRecord(
            f"The {self.record_type} {record_id} cannot be changed, because it is stored wrongly: "
            f"{', '.join(wrong)}.",
            errors=errors,
        )

    def id_of(self, tenant_id: str, system: str, value: str) -> str | None:
        """The id of the record that has an external id, or None."""
        item = self.table.get(
            self.external_id_key(tenant_id, system, value), "EXTERNAL", consistent=True
        )
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
        archived: Archived = Archived.EXCLUDE,
    ) -> Page[A]:
        """One page of an index partition (`OWNER#ann`, without the tenant): one Query.

        With active and archived records together, one Query for each of both.
        """
        scope = (
            f"{self.record_type} {index} {partition} {prefix} {between} {newest_first} {archived}"
        )
        after = cursors.decode(tenant_id, scope, cursor)
        partitions = archived.partitions(tenant_id, partition)
        pages = [
            self.table.query(
                one,
                index=index,
                prefix=prefix,
                between=between,
                limit=limit,
                after=key_in(one, index, after) if after else None,
                newest_first=newest_first,
            )
            for one in partitions
        ]
        if len(pages) == 1:
            items, last_key = pages[0].items, pages[0].last_key
        else:
            found = [page.items for page in pages]
            items = merged(found, index, limit, newest_first=newest_first)
            more = len(items) < sum(map(len, found)) or any(page.last_key for page in pages)
            last_key = key_in(partitions[0], index, items[-1]) if more else None
        return Page(
            items=readable(self.from_item, items),
            next_cursor=cursors.encode(tenant_id, scope, last_key),
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
        if before is not None and aside_of(before) is not None:
            after = self.mended(after)
        actions = [
            self._put(before, after),
            *self.outbox_entries(unit.request, Change(after, change.events), at),
            *self._unique_keys(before, after),
            *self.with_change(before, after),
        ]
        committed = Committed(self.table.name, self.key(after.tenant_id, after.id), after.sequence)
        try:
            unit.commit(self.table, [*actions, *also], committed if change.events else None)
        except DuplicateExternalId as error:
            raise self._duplicate(after) or error from error
        return after

    def _duplicate(self, after: A) -> DuplicateExternalId | None:
        """The problem of external ids that another record has, which it names."""
        for system, value in sorted(after.external_ids.items()):
            record_id = self.id_of(after.tenant_id, system, value)
            if record_id is None or record_id == after.id:
                continue
            try:
                holder = self.show(after.tenant_id, record_id, consistent=True)
            except UnreadableRecord:
                holder = None
            return duplicate_external_id(self.record_type, record_id, holder, system, value)
        return None

    def mended(self, after: A) -> A:
        """A record with what was set aside. Raises UnreadableRecord unless its state is valid."""
        try:
            return self.documents.strictly(after)
        except ValidationError as error:
            details = error.errors(include_url=False, include_context=False, include_input=False)
            wrong = {str(one["loc"][0]) if one["loc"] else WHOLE: one["type"] for one in details}
            raise self._unreadable(after.id, wrong) from error

    def new_record_actions(
        self, request: RequestContext, change: Change[A], exists: CrmError
    ) -> list[Action]:
        """The actions that create a record within another record's transaction.

        That transaction raises `exists` when the record exists already.
        """
        put = replace(self._put(None, change.state), error=exists)
        return [put, *self.outbox_entries(request, change, self._now())]

    def with_change(self, before: A | None, after: A) -> list[Action]:
        """Further actions in the transaction of a change, such as those of a counter."""
        return self.search.actions(before, after) if self.search else []

    def outbox_entries(
        self, request: RequestContext, change: Change[A], at: datetime
    ) -> list[Action]:
        """The outbox entries of a change; the last has the sequence of the state afterwards."""
        after = change.state
        pk, subject = self.key(after.tenant_id, after.id), f"{self.record_type}/{after.id}"
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
            else Conflict(f"There is a {self.record_type} {after.id} already.")
        )
        return Put(
            self.item(after, self.documents.encode(before, after)),
            absent=before is None,
            version=before.version if before else None,
            unlike=not_upgraded(before),
            error=error,
        )

    def item(self, record: A, document: str) -> Item:
        """The item of a record with its document; without `search`, `zebros upgrade` completes it.

        A change does not: a text that must be unique may be another's by now.
        """
        complete = self.search is not None and not has_entries_missing(record)
        return {
            "pk": self.key(record.tenant_id, record.id),
            "sk": "STATE",
            "version": record.version,
            "doc": pack(document),
            **self.index_keys(record),
            **({"search": INDEX_KEYS} if complete else {}),
        }

    def index_keys(self, record: A) -> Item:
        """The index keys of a record."""
        keys = self._index(record)
        return archived_keys(record.tenant_id, keys) if record.archived_at is not None else keys

    def external_id_key(self, tenant_id: str, system: str, value: str) -> str:
        """The partition key of the item of an external id."""
        return f"TENANT#{tenant_id}#EXTERNAL#{self.record_type.upper()}#{system}#{value}"

    def external_id_put(self, record: A, system: str, value: str, *, absent: bool = True) -> Put:
        """The write of the item of an external id; `absent`: unless any record has it."""
        key = self.external_id_key(record.tenant_id, system, value)
        return Put(
            {"pk": key, "sk": "EXTERNAL", "record_id": record.id},
            absent=absent,
            error=DuplicateExternalId(
                f"Another {self.record_type} has the external id {system}:{value}."
            ),
        )

    def _unique_keys(self, before: A | None, after: A) -> list[Action]:
        """Writes of items for new external ids, and deletes of items for removed ones."""
        earlier = set(before.external_ids.items()) if before else set()
        now = set(after.external_ids.items())
        tenant = after.tenant_id
        added: list[Action] = [
            self.external_id_put(after, system, value) for system, value in sorted(now - earlier)
        ]
        removed: list[Action] = [
            Delete(self.external_id_key(tenant, system, value), "EXTERNAL")
            for system, value in sorted(earlier - now)
        ]
        return added + removed


def duplicate_external_id(
    record_type: str, record_id: str, holder: Aggregate | None, system: str, value: str
) -> DuplicateExternalId:
    """The problem of an external id that `holder` has; None: it cannot be read."""
    named = holder.described() if holder else f"The {record_type} {record_id}"
    advice = "Change that record, or remove the external id from it."
    if holder is not None and holder.archived_at is not None:
        advice = holder.how_to_go_on()
    return DuplicateExternalId(
        f"{named} has the external id {system}:{value}. {advice}",
        errors=(FieldError(f"external_ids.{system}", f"belongs to {record_type} {record_id}"),),
    )
