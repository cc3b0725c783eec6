"""Which records of other contexts exist, as far as a projection of their events knows them.

Contexts share no tables. A projection stores a position for each record of which it has applied an
event (kernel/messaging/positions.py), so a position means that its record exists, and the memory in
it says whether the record is archived (docs/adr/0039):

  TENANT#<t>#POSITION#<projection>#<type>/<id>   POSITION   a record that exists
  TENANT#<t>#REFERENCES#<projection>   COMPLETE             the projection knows every record
  TENANT#<t>#REFERENCES#<projection>   DIRECTORY            an administrator added people
  TENANT#<t>#NAMES#<projection>        <folded name>#<id>   a person, to be suggested

Events take time. A record that was created less than EVENTS_TAKE_AT_MOST ago, as its id says, may
exist although it is not known. People have ids of the identity provider, without a time; they are
refused once an administrator has added people (docs/adr/0040).
"""

import json
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from itertools import batched
from typing import Any

from kernel.domain.clock import Clock, utc_now
from kernel.domain.cloud_events import CloudEvent
from kernel.domain.folding import fold
from kernel.domain.ids import milliseconds_of
from kernel.domain.principal import SYSTEM_USER
from kernel.domain.references import (
    PERSON,
    KnownPerson,
    Named,
    Reference,
    no_such_person,
    not_active,
    refuse,
)
from kernel.storage.table import READ_LIMIT, Action, Item, Put, Table

EVENTS_TAKE_AT_MOST = timedelta(hours=1)
"""The age at which a record must be known. The alarm about a consumer that is behind comes after a
quarter of it (`queue-age`); the rest is the time to repair the consumer."""
_ARCHIVED, _INACTIVE, _TEAM, _NAME = "archived", "inactive", "team", "name"
SUGGESTED_FROM = 1000
"""Of so many people one is suggested."""


def position_key(tenant_id: str, projection: str, subject: str) -> str:
    """The partition key of a projection's position for a subject."""
    return f"TENANT#{tenant_id}#POSITION#{projection}#{subject}"


def remember(event: CloudEvent, projection: str, memory: dict[str, Any]) -> list[Action]:
    """Remember the record of an event; returns what else is to be written.

    Nothing is stored for an active one, as in positions from before records were remembered.
    """
    current = event.data["current"]
    for member in (_ARCHIVED, _INACTIVE, _TEAM, _NAME):
        memory.pop(member, None)
    if current.get("archived_at"):
        memory[_ARCHIVED] = True
    if event.subject_type != PERSON:
        return []
    if not current["active"]:
        memory[_INACTIVE] = True
    if current.get("team_id"):
        memory[_TEAM] = current["team_id"]
    memory[_NAME] = name = str(current["name"])
    key = f"TENANT#{event.tenant_id}#NAMES#{projection}"
    named = Put({"pk": key, "sk": f"{fold(name)}#{event.subject_id}", "name": name})
    by_people = event.actor != SYSTEM_USER
    marked = directory_put(event.tenant_id, projection)
    return [named, marked] if by_people else [named]


def directory_put(tenant_id: str, projection: str) -> Put:
    """The write after which people who are not in the directory are refused."""
    return Put({"pk": _marker(tenant_id, projection), "sk": "DIRECTORY"})


def complete_put(tenant_id: str, projection: str) -> Put:
    """The write after which ids that the projection does not know are refused."""
    return Put({"pk": _marker(tenant_id, projection), "sk": "COMPLETE"})


class References:
    """The records that a projection in the context's table knows."""

    def __init__(self, table: Table, projection: str, now: Clock = utc_now) -> None:
        self._table, self._projection, self._now = table, projection, now

    def check(self, tenant_id: str, references: Iterable[Reference]) -> dict[str, str | None]:
        """The teams of the people among references, by field.

        Raises Invalid, naming each field whose record does not exist, is archived, or is a person
        who is not active. At most READ_LIMIT - 3 references, in one read; none without a reference.
        """
        return self._check(tenant_id, references, None)

    def together_with(self, pk: str, sk: str) -> "TogetherWith":
        """These references, whose check also reads another item of the same table."""
        return TogetherWith(self._table, (pk, sk), self._check)

    def _check(
        self, tenant_id: str, references: Iterable[Reference], also: "TogetherWith | None"
    ) -> dict[str, str | None]:
        keys = {
            one: position_key(tenant_id, self._projection, f"{one.record_type}/{one.id}")
            for one in references
        }
        if not keys:
            return {}
        marker = _marker(tenant_id, self._projection)
        wanted = {(pk, "POSITION") for pk in keys.values()}
        people = {one for one in keys if one.record_type == PERSON}
        wanted |= {(marker, "DIRECTORY")} if people else set()
        wanted |= {(marker, "COMPLETE")} if people != keys.keys() else set()
        wanted |= {also.key} if also else set()
        if len(wanted) > READ_LIMIT:
            raise ValueError(f"{len(wanted)} keys are more than one read has")
        read = self._table.get_many(sorted(wanted), consistent=also is not None)
        items = {(i["pk"], i["sk"]): i for i in read}
        if also:
            also.found(items.get(also.key))
        complete, directory = ((marker, sk) in items for sk in ("COMPLETE", "DIRECTORY"))
        known = {one: _memory(items.get((pk, "POSITION"))) for one, pk in keys.items()}
        refuse(
            (one, self._person_fault(tenant_id, one, memory, directory=directory))
            if one in people
            else (one, _record_fault(one, memory, self._now(), complete=complete))
            for one, memory in known.items()
        )
        return {one.field: (known[one] or {}).get(_TEAM) for one in people}

    def people(self, tenant_id: str, ids: Iterable[str]) -> dict[str, KnownPerson]:
        """The people among ids who are known, in one read for each READ_LIMIT ids."""
        found = {}
        for some in batched(ids, READ_LIMIT, strict=False):
            keys = {
                position_key(tenant_id, self._projection, f"{PERSON}/{one}"): one for one in some
            }
            for item in self._table.get_many([(pk, "POSITION") for pk in keys]):
                # Until a rebuild, people of whom an earlier release learned have no name.
                if person := _person(_memory(item)):
                    found[keys[str(item["pk"])]] = person
        return found

    def _person_fault(
        self, tenant_id: str, person: Reference, memory: dict[str, Any] | None, *, directory: bool
    ) -> str | None:
        """Why nothing can be given to a person, or None."""
        if memory is None:
            return no_such_person(person.id, self._names(tenant_id)) if directory else None
        return not_active(person.id) if _INACTIVE in memory or _ARCHIVED in memory else None

    def _names(self, tenant_id: str) -> list[Named]:
        page = self._table.query(
            f"TENANT#{tenant_id}#NAMES#{self._projection}", limit=SUGGESTED_FROM
        )
        return [Named(str(i["sk"]).rpartition("#")[2], str(i["name"])) for i in page.items]


class TogetherWith:
    """Checks references, and reads another item of their table consistently in the same call."""

    def __init__(self, table: Table, key: tuple[str, str], check: Callable[..., Any]) -> None:
        self._table, self.key, self._check = table, key, check
        self._read: tuple[Item | None] | None = None

    def check(self, tenant_id: str, references: Iterable[Reference]) -> dict[str, str | None]:
        """As References.check."""
        teams: dict[str, str | None] = self._check(tenant_id, references, self)
        return teams

    def found(self, item: Item | None) -> None:
        """Keep the item that the check has read, or None when there is none."""
        self._read = (item,)

    def item(self) -> Item | None:
        """The item as the check has read it; read now when nothing was to be checked."""
        if self._read is None:
            self._read = (self._table.get(*self.key, consistent=True),)
        return self._read[0]


def _memory(position: Item | None) -> dict[str, Any] | None:
    """What a position remembers; None without a position."""
    if position is None:
        return None
    memory: dict[str, Any] = json.loads(str(position["memory"]))
    return memory


def _person(memory: dict[str, Any] | None) -> KnownPerson | None:
    """The person that a position remembers; None without a name."""
    if not memory or _NAME not in memory:
        return None
    active = _INACTIVE not in memory and _ARCHIVED not in memory
    return KnownPerson(memory[_NAME], memory.get(_TEAM), active)


def _record_fault(
    reference: Reference, memory: dict[str, Any] | None, now: datetime, *, complete: bool
) -> str | None:
    """Why a record cannot be referred to, or None."""
    if memory is not None:
        name = f"{reference.record_type} {reference.id}"
        return f"{name} is archived; restore it first" if _ARCHIVED in memory else None
    if not complete or _is_new(reference.id, now):
        return None
    return f"there is no {reference.record_type} {reference.id}"


def _is_new(record_id: str, now: datetime) -> bool:
    """Whether the events of a record with this id may be on their way.

    Clocks differ, so an id may seem to be of the future.
    """
    age_ms = now.timestamp() * 1000 - milliseconds_of(record_id)
    return abs(age_ms) <= EVENTS_TAKE_AT_MOST.total_seconds() * 1000


def _marker(tenant_id: str, projection: str) -> str:
    return f"TENANT#{tenant_id}#REFERENCES#{projection}"
