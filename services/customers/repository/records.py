"""The index keys that accounts and contacts have in common.

Each is prefixed with the tenant, and that of an archived record also with ARCHIVED
(kernel/storage/archived.py):
  gsi1  OWNER#<owner>      <id>                     a user's records, newest first
  gsi2  NAME#<first char>  <folded name>#<id>       by name
Names are folded (no case, no accents), so that `emi` finds Émile. A tenant's names have one
partition per first character: a single one would take every write and look-up of the tenant, and
DynamoDB limits a partition to 1,000 write units a second.
Names beginning with their other words are search entries (kernel/storage/search.py).
"""

from collections.abc import Callable

from customers.model.accounts import Account
from customers.model.contacts import Contact
from kernel.domain.clock import Clock
from kernel.domain.folding import fold
from kernel.storage.archived import Archived
from kernel.storage.records import Page, RecordStore
from kernel.storage.search import SearchEntries, Texts
from kernel.storage.table import Item, Table


def index_keys(record: Account | Contact, name: str) -> Item:
    """The keys of a record called `name`."""
    tenant, key = f"TENANT#{record.tenant_id}#", fold(name)
    keys: Item = {"gsi2pk": f"{tenant}NAME#{key[:1]}", "gsi2sk": f"{key}#{record.id}"}
    if record.owner_id:
        keys |= {"gsi1pk": f"{tenant}OWNER#{record.owner_id}", "gsi1sk": record.id}
    return keys


class CustomerRecords[A: Account | Contact](RecordStore[A]):
    """Lists that accounts and contacts have in common."""

    def __init__(
        self,
        table: Table,
        model: type[A],
        record_type: str,
        index: Callable[[A], Item],
        texts: Texts[A],
        clock: Clock,
    ) -> None:
        """`texts` has the names of a record by which it is found, among other texts."""
        super().__init__(table, model, record_type, index, clock)
        self.entries = SearchEntries(self, texts, frozenset({"name"}))
        self.search = self.entries

    def list_by_owner(
        self,
        tenant_id: str,
        owner_id: str,
        limit: int,
        cursor: str | None,
        archived: Archived = Archived.EXCLUDE,
    ) -> Page[A]:
        """A user's records, newest first."""
        return self.page(
            tenant_id,
            f"OWNER#{owner_id}",
            index="gsi1",
            limit=limit,
            cursor=cursor,
            newest_first=True,
            archived=archived,
        )

    def list_by_name(
        self,
        tenant_id: str,
        prefix: str,
        limit: int,
        cursor: str | None,
        archived: Archived = Archived.EXCLUDE,
    ) -> Page[A]:
        """Records with a word in their name from which on it begins with `prefix` (folded)."""
        return self.entries.matching(
            tenant_id, "name", prefix, limit, cursor, archived, index="gsi2"
        )
