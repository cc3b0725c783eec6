"""People in DynamoDB: keys and mapping, nothing else.

Index keys, prefixed with the tenant:
  gsi1  PEOPLE  <folded name>#<id>   the directory, by name
Names beginning with their other words are search entries (kernel/storage/search.py).
  REFERENCES#people (table itself)  DIRECTORY   an administrator added people
"""

from collections.abc import Iterable
from itertools import batched

from customers.model.people import Person
from kernel.domain.clock import Clock
from kernel.domain.folding import fold
from kernel.domain.references import (
    KnownPerson,
    Named,
    Reference,
    no_such_person,
    not_active,
    refuse,
)
from kernel.storage.archived import Archived
from kernel.storage.differences import readable
from kernel.storage.records import Page, RecordStore
from kernel.storage.references import SUGGESTED_FROM, directory_put
from kernel.storage.search import SearchEntries, rotations
from kernel.storage.table import READ_LIMIT, Item, Put, Table

_DIRECTORY = "people"
"""In place of a projection: the records of the directory are in this table themselves."""


def _index(person: Person) -> Item:
    if person.archived_at is not None:
        return {}
    return {
        "gsi1pk": f"TENANT#{person.tenant_id}#PEOPLE",
        "gsi1sk": f"{fold(person.name)}#{person.id}",
    }


def _texts(person: Person) -> dict[str, list[str]]:
    """What a person is found by; their stored name may be none that can be read."""
    return {"name": rotations(fold(person.name or ""))}


class PersonRepository(RecordStore[Person]):
    """The people in the accounts' table."""

    def __init__(self, table: Table, clock: Clock) -> None:
        super().__init__(table, Person, "person", _index, clock)
        self._entries = SearchEntries(self, _texts, frozenset({"name"}))
        self.search = self._entries

    def show_all(self, tenant_id: str, ids: Iterable[str]) -> list[Person]:
        """Those of these people who exist, in one read for each READ_LIMIT ids."""
        found: list[Person] = []
        for some in batched(ids, READ_LIMIT, strict=False):
            keys = [(self.key(tenant_id, one), "STATE") for one in some]
            found += readable(self.from_item, self.table.get_many(keys))
        return found

    def list(
        self, tenant_id: str, prefix: str | None, limit: int, cursor: str | None
    ) -> Page[Person]:
        """People by name, or those with a word in it from which on it begins with `prefix`."""
        if prefix is not None:
            return self._entries.matching(
                tenant_id, "name", prefix, limit, cursor, Archived.EXCLUDE, "gsi1", "PEOPLE"
            )
        return self.page(tenant_id, "PEOPLE", index="gsi1", limit=limit, cursor=cursor)

    def marked(self, tenant_id: str) -> Put:
        """The write after which people who are not in the directory are refused."""
        return directory_put(tenant_id, _DIRECTORY)

    def is_marked(self, tenant_id: str) -> bool:
        """Whether people who are not in the directory are refused."""
        mark = self.marked(tenant_id).item
        return self.table.get(mark["pk"], mark["sk"]) is not None


class Directory:
    """The people of this context's own table, to whom its records may belong."""

    def __init__(self, people: PersonRepository) -> None:
        self._people = people

    def check(self, tenant_id: str, references: Iterable[Reference]) -> dict[str, str | None]:
        """The teams of people, by field. Raises Invalid for unknown and inactive ones."""
        found = {one: self._people.show(tenant_id, one.id, consistent=True) for one in references}
        refuse((one, self._fault(tenant_id, one, person)) for one, person in found.items())
        return {one.field: person.team_id if person else None for one, person in found.items()}

    def people(self, tenant_id: str, ids: Iterable[str]) -> dict[str, KnownPerson]:
        """The people among ids who are known, in one read for each READ_LIMIT ids."""
        return {
            one.id: KnownPerson(one.name, one.team_id, one.active and one.archived_at is None)
            for one in self._people.show_all(tenant_id, ids)
        }

    def _fault(self, tenant_id: str, reference: Reference, person: Person | None) -> str | None:
        if person is None:
            if not self._people.is_marked(tenant_id):
                return None
            page = self._people.list(tenant_id, None, SUGGESTED_FROM, None)
            return no_such_person(reference.id, [Named(one.id, one.name) for one in page.items])
        return None if person.active and not person.archived_at else not_active(reference.id)
