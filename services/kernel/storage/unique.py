"""Texts that only one record of a type may have, such as the code of a product.

TENANT#<t>#UNIQUE#<KIND>#<field>#<folded text>   UNIQUE    the record that has it
An item is written and deleted in the transaction of its record. An archived record gives up its
texts, and gets them again when it is restored.
"""

from collections.abc import Callable

from kernel.domain.aggregate import Aggregate
from kernel.domain.errors import Conflict, FieldError
from kernel.domain.folding import fold
from kernel.storage.records import RecordStore
from kernel.storage.table import Action, Delete, Put


class UniqueText[A: Aggregate]:
    """One field of a type of record whose folded texts are unique in a tenant."""

    def __init__(self, store: RecordStore[A], field: str, text: Callable[[A], str | None]) -> None:
        self._store, self._field, self._text = store, field, text

    def ensure_free(self, before: A | None, after: A) -> None:
        """Raise Conflict, naming the other record, when it has the text of `after`."""
        key = self._key(after)
        if key is None or (before is not None and key == self._key(before)):
            return
        owner = self._owner(key)
        if owner not in (None, after.id):
            raise self._taken(after, f"the {self._store.record_type} {owner}")

    def actions(self, before: A | None, after: A) -> list[Action]:
        """The writes after which a record has its text, and no other. They raise Conflict."""
        earlier, now = self._key(before) if before else None, self._key(after)
        actions: list[Action] = []
        if earlier == now:
            return actions
        if now is not None:
            item = {"pk": now, "sk": "UNIQUE", "record_id": after.id}
            error = self._taken(after, f"another {self._store.record_type}")
            # A record that lost its own item, and is restored, may find this one.
            actions.append(Put(item, absent=True, unchanged=item, error=error))
        if earlier is not None and self._owner(earlier) == after.id:
            actions.append(Delete(earlier, "UNIQUE"))
        return actions

    def _owner(self, key: str) -> str | None:
        """The record that has a text: not each one from before texts were unique has its own."""
        item = self._store.table.get(key, "UNIQUE", consistent=True)
        return str(item["record_id"]) if item else None

    def _key(self, record: A) -> str | None:
        text = self._text(record)
        if not text or record.archived_at is not None:
            return None
        kind = self._store.record_type.upper()
        return f"TENANT#{record.tenant_id}#UNIQUE#{kind}#{self._field}#{fold(text)}"

    def _taken(self, record: A, by: str) -> Conflict:
        text = self._text(record)
        return Conflict(
            f"{by[:1].upper()}{by[1:]} has the {self._field} {text!r} already; case and accents do "
            "not count.",
            errors=(FieldError(self._field, f"belongs to {by}"),),
        )
