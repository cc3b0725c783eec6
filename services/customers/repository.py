"""Accounts and contacts in DynamoDB, a table each: keys and mapping, nothing else.

Index keys (each with the tenant in front; an archived record has none, so no list shows it):
  gsi1  OWNER#<owner>      <id>                     a user's records, newest first
  gsi2  NAME#<first char>  <folded name>#<id>       by name; see below
  gsi3  ACCOUNT#<account>  <contact id>             an account's contacts, newest first
Names are folded (no case, no accents), so that `emi` finds Émile; a contact's is last name first.
Their partition is split by the folded name's first character, which every prefix has: one
partition for all names of a tenant would take every write and every look-up of that tenant, and a
partition bears 1,000 writes a second.
"""

from customers.model import Account, Contact
from kernel.domain.clock import Clock
from kernel.domain.errors import Busy
from kernel.domain.folding import fold
from kernel.storage.dynamo import Check, Item, Table
from kernel.storage.store import Page, Store


def _index(record: Account | Contact, name: str) -> Item:
    """The keys both kinds of record have."""
    if record.archived_at is not None:
        return {}
    tenant, key = f"TENANT#{record.tenant_id}#", fold(name)
    keys: Item = {"gsi2pk": f"{tenant}NAME#{key[:1]}", "gsi2sk": f"{key}#{record.id}"}
    if record.owner_id:
        keys |= {"gsi1pk": f"{tenant}OWNER#{record.owner_id}", "gsi1sk": record.id}
    return keys


def _account_index(account: Account) -> Item:
    return _index(account, account.name)


def _contact_index(contact: Contact) -> Item:
    keys = _index(contact, f"{contact.last_name} {contact.first_name or ''}")
    if keys and contact.account_id:
        tenant = f"TENANT#{contact.tenant_id}#"
        keys |= {"gsi3pk": f"{tenant}ACCOUNT#{contact.account_id}", "gsi3sk": contact.id}
    return keys


class CustomerRepository:
    """All records of this context."""

    def __init__(self, accounts: Table, contacts: Table, clock: Clock) -> None:
        self.accounts = Store(accounts, Account, "account", _account_index, clock)
        self.contacts = Store(contacts, Contact, "contact", _contact_index, clock)

    def of_owner[A: (Account, Contact)](
        self, store: Store[A], tenant_id: str, owner_id: str, limit: int, cursor: str | None
    ) -> Page[A]:
        """A user's records, newest first."""
        return store.page(
            tenant_id,
            f"OWNER#{owner_id}",
            index="gsi1",
            limit=limit,
            after=cursor,
            newest_first=True,
        )

    def named[A: (Account, Contact)](
        self, store: Store[A], tenant_id: str, prefix: str, limit: int, cursor: str | None
    ) -> Page[A]:
        """Records whose folded name begins with `prefix` (folded, not empty), by name."""
        return store.page(
            tenant_id,
            f"NAME#{prefix[:1]}",
            index="gsi2",
            limit=limit,
            after=cursor,
            prefix=prefix,
        )

    def of_account(
        self, tenant_id: str, account_id: str, limit: int, cursor: str | None
    ) -> Page[Contact]:
        """An account's contacts, newest first."""
        return self.contacts.page(
            tenant_id,
            f"ACCOUNT#{account_id}",
            index="gsi3",
            limit=limit,
            after=cursor,
            newest_first=True,
        )

    def unchanged(self, account: Account) -> Check:
        """The condition that an account is still as it was read."""
        return Check(
            self.accounts.key(account.tenant_id, account.id),
            "STATE",
            Busy("Someone changed an account above this one meanwhile; send the request again."),
            version=account.version,
        )
