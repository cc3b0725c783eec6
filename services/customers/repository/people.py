"""People in DynamoDB: keys and mapping, nothing else.

Index keys, prefixed with the tenant:
  gsi1  PEOPLE  <folded name>#<id>   the directory, by name
"""

from customers.model.people import Person
from kernel.domain.clock import Clock
from kernel.domain.folding import fold
from kernel.storage.records import Page, RecordStore
from kernel.storage.table import Item, Table


def _index(person: Person) -> Item:
    if person.archived_at is not None:
        return {}
    return {
        "gsi1pk": f"TENANT#{person.tenant_id}#PEOPLE",
        "gsi1sk": f"{fold(person.name)}#{person.id}",
    }


class PersonRepository(RecordStore[Person]):
    """The people in the accounts' table."""

    def __init__(self, table: Table, clock: Clock) -> None:
        super().__init__(table, Person, "person", _index, clock)

    def list(
        self, tenant_id: str, prefix: str | None, limit: int, cursor: str | None
    ) -> Page[Person]:
        """People by name, those whose folded name begins with `prefix`."""
        return self.page(
            tenant_id, "PEOPLE", index="gsi1", limit=limit, cursor=cursor, prefix=prefix
        )
