"""External ids, by which other systems identify records, and upserts by them."""

from typing import Annotated

from pydantic import StringConstraints

from kernel.domain.aggregate import Aggregate
from kernel.domain.errors import Conflict, Invalid, UnreadableRecord
from kernel.domain.events import MAX_EXTERNAL_IDS, Fields, Snapshot
from kernel.storage.records import Page, RecordStore

ExternalRef = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_.-]{0,39}:[\s\S]{1,120}$")
]
"""`system:value`, as the filter of lists."""


def page_by_external_id[A: Aggregate](store: RecordStore[A], tenant_id: str, ref: str) -> Page[A]:
    """The active record that has an external id, as a page of one or none."""
    system, _, value = ref.partition(":")
    record_id = store.id_of(tenant_id, system, value.strip())  # stored without spaces around it
    try:
        record = store.show(tenant_id, record_id, consistent=True) if record_id else None
    except UnreadableRecord:
        record = None  # left out, as in any list
    return Page(items=[record] if record is not None and record.archived_at is None else [])


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
        listed = ", ".join(sorted(map(str, record_ids)))
        raise Conflict(f"These external ids belong to different records: {listed}.")
    return record_ids.pop() if record_ids else None


def upserted_fields[F: Fields](before: Snapshot, fields: F) -> F:
    """The fields after an upsert: fields that were not sent stay, external ids are added.

    Raises Invalid when the record would have more external ids than allowed.
    """
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
