"""External ids, by which other systems identify records, and upserts by them."""

from collections.abc import Callable, Sequence
from itertools import batched
from typing import Annotated

from pydantic import StringConstraints

from kernel.domain.aggregate import Aggregate
from kernel.domain.errors import Conflict, Invalid, UnreadableRecord
from kernel.domain.events import MAX_EXTERNAL_IDS, Fields, Snapshot, same_id
from kernel.domain.patterns import described
from kernel.storage.archived import Archived
from kernel.storage.records import Page, RecordStore
from kernel.storage.table import READ_LIMIT, Action, Delete

ExternalRef = Annotated[
    str,
    StringConstraints(
        pattern=described(
            r"^[A-Za-z][A-Za-z0-9_.-]{0,39}:[\s\S]{1,120}$",
            "must be the name of the other system, a colon and the id, such as crm:4711",
        )
    ),
]
"""`system:value`, as the filter of lists."""


def page_by_external_id[A: Aggregate](
    store: RecordStore[A], tenant_id: str, ref: str, archived: Archived = Archived.EXCLUDE
) -> Page[A]:
    """The record that has an external id, as a page of one or none; by default an active one."""
    system, _, value = ref.partition(":")
    record_id = store.id_of(tenant_id, system, same_id(value.strip()))  # as it is stored
    try:
        record = store.show(tenant_id, record_id, consistent=True) if record_id else None
    except UnreadableRecord:
        record = None  # left out, as in any list
    if record is None or not archived.shows(archived=record.archived_at is not None):
        return Page(items=[])
    return Page(items=[record])


def find_by_external_ids[A: Aggregate](
    store: RecordStore[A], tenant_id: str, external_ids: dict[str, str]
) -> str | None:
    """The id of the record that has any of these external ids, or None.

    Raises Invalid for an empty dictionary, Conflict when different records have them.
    """
    if not external_ids:
        raise Invalid.field("external_ids", "needs at least one entry to upsert by")
    record_ids = {store.id_of(tenant_id, system, value) for system, value in external_ids.items()}
    record_ids.discard(None)
    if len(record_ids) > 1:
        listed = ", ".join(
            _described(store, tenant_id, one) for one in sorted(map(str, record_ids))
        )
        raise Conflict(f"These external ids belong to different records: {listed}.")
    return record_ids.pop() if record_ids else None


def _described[A: Aggregate](store: RecordStore[A], tenant_id: str, record_id: str) -> str:
    """A record's id, and that it is archived."""
    try:
        record = store.show(tenant_id, record_id, consistent=True)
    except UnreadableRecord:
        record = None
    archived = record is not None and record.archived_at is not None
    return f"{record_id} (archived)" if archived else record_id


def upserted_fields[F: Fields](before: Snapshot, fields: F) -> F:
    """The fields after an upsert: fields that were not sent stay, external ids are added.

    Raises Invalid when one of the systems has another id for the record, which an upsert never
    changes (docs/adr/0060), or when the record would have more external ids than allowed.
    """
    for system, value in fields.external_ids.items():
        known = before.external_ids.get(system, value)
        if known != value:
            raise Invalid.field(
                f"external_ids.{system}",
                f"the record already has the {system} id {known}, which an import never "
                "changes; correct this id, or change that of the record first",
            )
    external_ids = {**before.external_ids, **fields.external_ids}
    if len(external_ids) > MAX_EXTERNAL_IDS:
        raise Invalid.field(
            "external_ids",
            f"a record may have {MAX_EXTERNAL_IDS}, and this one has "
            f"{len(before.external_ids)} already",
        )
    present = {name: getattr(before, name) for name in type(fields).model_fields}
    given = {name: getattr(fields, name) for name in fields.model_fields_set}
    after = fields.model_copy(update={**present, **given, "external_ids": external_ids})
    after.model_fields_set.intersection_update(given)
    return after


class ClaimedIds[A: Aggregate]:
    """The items of external ids, compared with the records that should have them."""

    def __init__(self, store: RecordStore[A]) -> None:
        self._store = store

    def holders(self, tenant_id: str, external_ids: set[tuple[str, str]]) -> dict[str, str]:
        """The records that the items of these external ids name, by the items' keys."""
        keys = [self._key(tenant_id, one) for one in sorted(external_ids)]
        found: dict[str, str] = {}
        for some in batched(keys, READ_LIMIT, strict=False):
            items = self._store.table.get_many([(pk, "EXTERNAL") for pk in some], consistent=True)
            found |= {str(item["pk"]): str(item["record_id"]) for item in items}
        return found

    def complete(self, records: Sequence[A]) -> list[bool]:
        """Of each of these records of one tenant, whether it has all items of its external ids."""
        listed = {one for record in records for one in record.external_ids.items()}
        tenant_id = records[0].tenant_id if records else ""
        holders = self.holders(tenant_id, listed)
        return [
            all(
                holders.get(self._key(tenant_id, one)) == record.id
                for one in record.external_ids.items()
            )
            for record in records
        ]

    def free(self, record: A) -> dict[str, str]:
        """The external ids of a record that no other record has."""
        listed = set(record.external_ids.items())
        holders = self.holders(record.tenant_id, listed)
        return {
            system: value
            for system, value in record.external_ids.items()
            if holders.get(self._key(record.tenant_id, (system, value))) in (None, record.id)
        }

    def actions(
        self,
        before: A | None,
        after: A,
        give_up: Callable[[A, dict[str, str]], list[Action]],
    ) -> list[Action]:
        """The writes after which a record has the items of its external ids, and of no others.

        Another record that has one of them now gives it up, by the actions of `give_up`.
        """
        now = set(after.external_ids.items())
        earlier = set(before.external_ids.items()) if before else set()
        if not now and not earlier:
            return []
        tenant_id = after.tenant_id
        holders = self.holders(tenant_id, now | earlier)
        actions: list[Action] = [
            Delete(key, "EXTERNAL")
            for one in sorted(earlier - now)
            if holders.get(key := self._key(tenant_id, one)) == after.id
        ]
        lost: dict[str, dict[str, str]] = {}
        for system, value in sorted(now):
            holder = holders.get(self._key(tenant_id, (system, value)))
            if holder == after.id:
                continue
            put = self._store.external_id_put(after, system, value, absent=holder is None)
            actions.append(put)
            if holder is not None:
                lost.setdefault(holder, {})[system] = value
        for holder, external_ids in lost.items():
            other = self._store.find(tenant_id, holder)
            if other is not None and external_ids.items() & other.external_ids.items():
                kept = other.external_ids.items() - external_ids.items()
                actions += give_up(other, dict(sorted(kept)))
        return actions

    def _key(self, tenant_id: str, external_id: tuple[str, str]) -> str:
        return self._store.external_id_key(tenant_id, *external_id)
