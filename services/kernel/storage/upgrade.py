"""Brings stored records to the form and the index keys that this release writes.

A record is rewritten only while it has the version that was read: its version, its events and its
ETag stay the same. One that is changed meanwhile is read again: the change may have left it in the
older form (docs/adr/0028). Repeating an upgrade changes nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from itertools import batched
from typing import Any

from kernel.domain.errors import Busy, Conflict, StaleVersion
from kernel.storage.packing import is_current, unpack
from kernel.storage.records import RecordStore
from kernel.storage.retries import retry_when_stale
from kernel.storage.table import READ_LIMIT, Action, Item, Put


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A record that was not brought to the current form, or that its model refuses."""

    record: str
    """Its partition key."""
    reason: str


@dataclass(slots=True)
class UpgradeResult:
    """What was done with a number of records."""

    read: int = 0
    """Those that exist."""
    upgraded: int = 0
    """Those that were rewritten; of a dry run, those that would be."""
    unreadable: list[Unreadable] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        """The result as JSON."""
        return asdict(self)


def upgrade(
    stores: Sequence[RecordStore[Any]], keys: Iterable[str], *, dry_run: bool = False
) -> UpgradeResult:
    """Upgrade the records with these partition keys.

    Raises Busy when others keep changing one of them; those before it are upgraded.
    """
    result = UpgradeResult()
    by_type = {store.record_type.upper(): store for store in stores}
    of_store: dict[str, list[str]] = {}
    for key in dict.fromkeys(keys):
        of_store.setdefault((*key.split("#", 3), "", "", "")[2], []).append(key)
    for record_type, listed in of_store.items():
        store = by_type.get(record_type)
        if store is None:
            result.unreadable += [Unreadable(key, "no type of record") for key in listed]
            continue
        for batch in batched(listed, READ_LIMIT, strict=False):
            items = store.table.get_many([(key, "STATE") for key in batch], consistent=True)
            for item in items:
                _upgrade(store, item, result, dry_run=dry_run)
    return result


def _upgrade(store: RecordStore[Any], item: Item, result: UpgradeResult, *, dry_run: bool) -> None:
    """Upgrade one record, and count it. Raises Busy."""
    result.read += 1
    key = str(item["pk"])
    read: list[Item | None] = [item]

    def attempt() -> None:
        found = read.pop() if read else store.table.get(key, "STATE", consistent=True)
        upgraded = _upgraded(store, found) if found else None
        if upgraded is None:
            return
        if not dry_run:
            _write(store, *upgraded)
        result.upgraded += 1

    try:
        retry_when_stale(attempt)
    except Busy:
        raise Busy(f"Other requests keep changing the record {key}.") from None
    except Conflict as error:  # a text that must be unique now
        result.unreadable.append(Unreadable(key, error.detail))
    except (LookupError, RecursionError, TypeError, ValueError) as error:
        # The message of a JSON error may have parts of the document.
        reason = str(error) if isinstance(error, NotUpgraded) else type(error).__name__
        result.unreadable.append(Unreadable(key, reason))


def _write(store: RecordStore[Any], written: Item, found_by: list[Action]) -> None:
    """Write a record while it has the version that was read. Raises StaleVersion, Conflict."""
    problem = StaleVersion("The record was changed meanwhile.")
    put = Put(written, version=written["version"], error=problem)
    if found_by:
        store.table.transact([put, *found_by])
    else:
        store.table.put_if(put)


class NotUpgraded(ValueError):
    """The record stays as it is; the message names its wrong fields, and no value."""


def _upgraded(store: RecordStore[Any], item: Item) -> tuple[Item, list[Action]] | None:
    """The item in the current form, and writes of the items by which it is found.

    None when it has the current form. Raises NotUpgraded, or ValueError.
    """
    text = unpack(item["doc"])
    current = store.documents.is_current(text)
    _, tenant_id, _, record_id = str(item["pk"]).split("#")
    if not current:
        text = store.documents.upcast(text)
    record = store.documents.read(tenant_id, record_id, text)
    if record is None:
        read = store.documents.decode(tenant_id, record_id, text)
        if read.differences:
            listed = ", ".join(f"{name} {kind}" for name, kind in sorted(read.differences.items()))
            raise NotUpgraded(listed)
        record = read.record
    keys = {name: value for name, value in item.items() if name.startswith("gsi")}
    upgraded = store.item(record, text)
    if (
        current
        and is_current(item["doc"])
        and keys == store.index_keys(record)
        and item.get("search") == upgraded.get("search")
    ):
        return None
    # Attributes that are not the form's, such as those of a later release, stay.
    kept = {name: value for name, value in item.items() if not name.startswith("gsi")}
    found_by = store.search.actions(None, record) if store.search else []
    return {**kept, **upgraded, "version": item["version"]}, found_by
