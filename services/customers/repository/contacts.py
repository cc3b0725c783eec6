"""Contacts in DynamoDB: keys and mapping, nothing else.

Index keys besides those of records.py, prefixed with the tenant; names begin with the last name:
  gsi3  ACCOUNT#<account>  <contact id>   an account's contacts, newest first
E-mail addresses are search entries (kernel/storage/search.py).
"""

from customers.model.contacts import Contact
from customers.repository.records import CustomerRecords, index_keys
from kernel.domain.clock import Clock
from kernel.domain.folding import fold
from kernel.storage.archived import Archived
from kernel.storage.records import Page
from kernel.storage.search import rotations
from kernel.storage.table import Item, Table


def _name(contact: Contact) -> str:
    return f"{contact.last_name or ''} {contact.first_name or ''}"


def _texts(contact: Contact) -> dict[str, list[str]]:
    """What a contact is found by."""
    whole = fold(_name(contact))
    return {
        "name": rotations(whole),
        "email": [fold(address) for address in contact.emails],
    }


def _index(contact: Contact) -> Item:
    keys = index_keys(contact, _name(contact))
    if contact.account_id:
        tenant = f"TENANT#{contact.tenant_id}#"
        keys |= {"gsi3pk": f"{tenant}ACCOUNT#{contact.account_id}", "gsi3sk": contact.id}
    return keys


class ContactRepository(CustomerRecords[Contact]):
    """The contacts in their table."""

    def __init__(self, table: Table, clock: Clock) -> None:
        super().__init__(table, Contact, "contact", _index, _texts, clock)

    def list_by_email(
        self,
        tenant_id: str,
        prefix: str,
        limit: int,
        cursor: str | None,
        archived: Archived = Archived.EXCLUDE,
    ) -> Page[Contact]:
        """Contacts with an e-mail address that begins with `prefix` (folded), by address."""
        return self.entries.matching(tenant_id, "email", prefix, limit, cursor, archived)

    def find_by_email(self, tenant_id: str, address: str) -> list[Contact]:
        """All contacts with exactly this address, archived or not, read consistently."""
        ids = self.entries.ids(tenant_id, "email", fold(address))
        found = [self.show(tenant_id, one, consistent=True) for one in ids]
        return [one for one in found if one is not None and address in one.emails]

    def list_by_account(
        self,
        tenant_id: str,
        account_id: str,
        limit: int,
        cursor: str | None,
        archived: Archived = Archived.EXCLUDE,
    ) -> Page[Contact]:
        """An account's contacts, newest first."""
        return self.page(
            tenant_id,
            f"ACCOUNT#{account_id}",
            index="gsi3",
            limit=limit,
            cursor=cursor,
            newest_first=True,
            archived=archived,
        )
