"""Which records of other contexts exist, as far as a projection of their events knows them.

Contexts share no tables. A projection stores a position for each record of which it has applied an
event (kernel/messaging/positions.py), so a position means that its record exists, and the memory in
it says whether the record is archived (docs/adr/0039):

  TENANT#<t>#POSITION#<projection>#<type>/<id>   POSITION   a record that exists
  TENANT#<t>#REFERENCES#<projection>             COMPLETE   the projection knows every record

Events take time. A record that was created less than EVENTS_TAKE_AT_MOST ago, as its id says, may
exist although it is not known.
"""

import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from kernel.domain.clock import Clock
from kernel.domain.errors import FieldError, Invalid
from kernel.domain.ids import milliseconds_of
from kernel.storage.table import READ_LIMIT, Item, Put, Table

EVENTS_TAKE_AT_MOST = timedelta(hours=1)
"""The age at which a record must be known. The alarm about a consumer that is behind comes after a
quarter of it (`queue-age`); the rest is the time to repair the consumer."""
ARCHIVED = "archived"


class Reference(NamedTuple):
    """A field of a request, and the record that it names."""

    field: str
    record_type: str
    id: str


def position_key(tenant_id: str, projection: str, subject: str) -> str:
    """The partition key of a projection's position for a subject."""
    return f"TENANT#{tenant_id}#POSITION#{projection}#{subject}"


def remember_state(current: dict[str, Any], memory: dict[str, Any]) -> None:
    """Remember whether a record is archived; `current` is the record in an event.

    Nothing is stored for an active one, as in positions from before records were remembered.
    """
    memory.pop(ARCHIVED, None)
    if current.get("archived_at"):
        memory[ARCHIVED] = True


def complete_put(tenant_id: str, projection: str) -> Put:
    """The write after which ids that the projection does not know are refused."""
    return Put({"pk": _marker(tenant_id, projection), "sk": "COMPLETE"})


class References:
    """The records that a projection in the context's table knows."""

    def __init__(self, table: Table, projection: str, now: Clock) -> None:
        self._table, self._projection, self._now = table, projection, now

    def check(self, tenant_id: str, references: Iterable[Reference]) -> None:
        """Raise Invalid, naming each field whose record does not exist or is archived.

        At most READ_LIMIT - 1 references, in one read; none without a reference.
        """
        named = list(references)
        if not named:
            return
        keys = {one: position_key(tenant_id, self._projection, _subject(one)) for one in named}
        marker = _marker(tenant_id, self._projection)
        wanted = [(marker, "COMPLETE"), *((pk, "POSITION") for pk in sorted(set(keys.values())))]
        if len(wanted) > READ_LIMIT:
            raise ValueError(f"{len(wanted)} keys are more than one read has")
        items = {str(item["pk"]): item for item in self._table.get_many(wanted)}
        complete, now = marker in items, self._now()
        wrong = [
            FieldError(one.field, message)
            for one, pk in keys.items()
            if (message := _fault(one, items.get(pk), now, complete=complete))
        ]
        if wrong:
            detail = "; ".join(f"{one.field}: {one.message}" for one in wrong)
            raise Invalid(detail, errors=tuple(wrong))


def _fault(
    reference: Reference, position: Item | None, now: datetime, *, complete: bool
) -> str | None:
    """Why a record cannot be referred to, or None."""
    if position is not None:
        archived = json.loads(str(position["memory"])).get(ARCHIVED)
        name = f"{reference.record_type} {reference.id}"
        return f"{name} is archived; restore it first" if archived else None
    if not complete or _is_new(reference.id, now):
        return None
    return f"there is no {reference.record_type} {reference.id}"


def _is_new(record_id: str, now: datetime) -> bool:
    """Whether the events of a record with this id may be on their way.

    Clocks differ, so an id may seem to be of the future.
    """
    age_ms = now.timestamp() * 1000 - milliseconds_of(record_id)
    return abs(age_ms) <= EVENTS_TAKE_AT_MOST.total_seconds() * 1000


def _subject(reference: Reference) -> str:
    return f"{reference.record_type}/{reference.id}"


def _marker(tenant_id: str, projection: str) -> str:
    return f"TENANT#{tenant_id}#REFERENCES#{projection}"
