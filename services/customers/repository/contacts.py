"""Contacts in DynamoDB: keys and mapping, nothing else.

Index keys besides those of records.py, prefixed with the tenant; names begin with the last name:
  gsi3  ACCOUNT#<account>  <contact id>   an account's contacts, newest first
"""

from customers.model.contacts import Contact
from customers.repository.records import CustomerRecords, index_keys
from kernel.domain.clock import Clock
from kernel.storage.archived import Archived
from kernel.storage.records import Page
from kernel.storage.table import Item, Table


def _index(contact: Contact) -> Item:
    keys = index_keys(contact, f"{contact.last_name} {contact.first_name or ''}")
    if contact.account_id:
        tenant = f"TENANT#{contact.tenant_id}#"
        keys |= {"gsi3pk": f"{tenant}ACCOUNT#{contact.account_id}", "gsi3sk": contact.id}
    return keys


class ContactRepository(CustomerRecords[Contact]):
    """The contacts in their table."""

    def __init__(self, table: Table, clock: Clock) -> None:
        super().__init__(table, Contact, "contact", _index, clock)

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
