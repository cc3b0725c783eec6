"""External ids: how other systems name our records, and upserts by them."""

from typing import Annotated

from pydantic import StringConstraints

from kernel.domain.aggregate import Aggregate
from kernel.domain.errors import Conflict, Invalid
from kernel.domain.events import MAX_EXTERNAL_IDS, Fields, Snapshot
from kernel.storage.store import Page, Store

ExternalRef = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_.-]{0,39}:[\s\S]{1,120}$")
]
"""`system:value`, as lists are asked for it."""


def by_external_id[A: Aggregate](store: Store[A], tenant_id: str, ref: str) -> Page[A]:
    """The record another system knows by an id, as a list of one, or of none (also: archived)."""
    system, _, value = ref.partition(":")
    record_id = store.id_of(tenant_id, system, value.strip())  # as it is kept
    record = store.find(tenant_id, record_id) if record_id else None
    return Page(items=[record] if record is not None and record.archived_at is None else [])


def held[A: Aggregate](store: Store[A], tenant_id: str, external_ids: dict[str, str]) -> str | None:
    """The id of the record these external ids name, or None.

    Raises Invalid when there is none to look up, Conflict when they name different records.
    """
    if not external_ids:
        raise Invalid.field("external_ids", "needs at least one entry to upsert by")
    found = {store.id_of(tenant_id, system, value) for system, value in external_ids.items()}
    found.discard(None)
    if len(found) > 1:
        raise Conflict(
            f"These external ids belong to different records: {', '.join(sorted(map(str, found)))}."
        )
    return found.pop() if found else None


def merged[F: Fields](before: Snapshot, fields: F) -> F:
    """What an upsert leaves: fields it does not mention stay as they are, external ids add up.

    Raises Invalid when they add up to more than a record may have.
    """
    external_ids = {**before.external_ids, **fields.external_ids}
    if len(external_ids) > MAX_EXTERNAL_IDS:
        raise Invalid.field(
            "external_ids",
            f"a record may have {MAX_EXTERNAL_IDS}, and this one has "
            f"{len(before.external_ids)} already",
        )
    kept = {name: getattr(before, name) for name in type(fields).model_fields}
    given = {name: getattr(fields, name) for name in fields.model_fields_set}
    return fields.model_copy(update={**kept, **given, "external_ids": external_ids})
