"""Use cases: check the right, load, decide, commit. One method per thing a user can ask for."""

from collections.abc import Callable, Sequence
from typing import Any

from customers.events import AccountFields, ContactFields
from customers.model import MAX_ANCESTORS, Account, Contact, check_linked, check_parents
from customers.repository import CustomerRepository
from kernel.domain.aggregate import patched
from kernel.domain.auth import Area, Caller, Level
from kernel.domain.clock import Clock
from kernel.domain.errors import Invalid
from kernel.domain.events import DomainEvent
from kernel.domain.folding import fold
from kernel.domain.ids import new_id
from kernel.domain.ownership import check_hand_over, owned
from kernel.storage.dynamo import Action
from kernel.storage.external import by_external_id, held, merged
from kernel.storage.store import Page, Store


class CustomerService:
    """What users do with accounts and contacts."""

    def __init__(self, repository: CustomerRepository, now: Clock) -> None:
        self._repo, self._now = repository, now

    # -- accounts ----------------------------------------------------------------------------

    def create_account(self, caller: Caller, fields: AccountFields) -> Account:
        """Take a company in; it belongs to the caller unless another owner is named."""
        caller.must(Level.WRITE, Area.CUSTOMERS)
        account_id = new_id()
        self._parents(caller, account_id, fields.parent_account_id)
        account, event = Account.create(
            caller.tenant_id, account_id, owned(fields, caller), caller.user_id, self._now()
        )
        return self._repo.accounts.save(caller, None, account, event)

    def account(self, caller: Caller, account_id: str) -> Account:
        """An account, archived or not."""
        return self._view(caller, self._repo.accounts, account_id)

    def accounts_of_owner(
        self, caller: Caller, owner_id: str | None, limit: int, cursor: str | None
    ) -> Page[Account]:
        """A user's accounts (default: the caller's own), newest first."""
        return self._of_owner(caller, self._repo.accounts, owner_id, limit, cursor)

    def accounts_named(
        self, caller: Caller, prefix: str, limit: int, cursor: str | None
    ) -> Page[Account]:
        """Accounts whose name begins so, by name."""
        return self._named(caller, self._repo.accounts, prefix, limit, cursor)

    def account_by_external_id(self, caller: Caller, ref: str) -> Page[Account]:
        """The account another system knows by an id, as a list of one or none."""
        caller.must(Level.READ, Area.CUSTOMERS)
        return by_external_id(self._repo.accounts, caller.tenant_id, ref)

    def update_account(
        self, caller: Caller, account_id: str, expected: int | None, patch: dict[str, Any]
    ) -> Account:
        """Change an account's fields."""
        return self._change_account(
            caller, account_id, expected, lambda account: patched(account, patch, AccountFields)
        )

    def archive_account(self, caller: Caller, account_id: str, expected: int | None) -> Account:
        """Put an account away."""
        return self._change(
            caller,
            self._repo.accounts,
            account_id,
            expected,
            lambda account: (*account.archive(self._now()), ()),
        )

    def restore_account(self, caller: Caller, account_id: str, expected: int | None) -> Account:
        """Bring an archived account back."""
        return self._change(
            caller,
            self._repo.accounts,
            account_id,
            expected,
            lambda account: (*account.restore(), ()),
        )

    def upsert_account(self, caller: Caller, fields: AccountFields) -> tuple[Account, bool]:
        """Create or change by external id; also says whether it was created."""
        caller.must(Level.WRITE, Area.CUSTOMERS)
        found = held(self._repo.accounts, caller.tenant_id, fields.external_ids)
        if found is None:
            return self.create_account(caller, fields), True
        account = self._change_account(caller, found, None, lambda before: merged(before, fields))
        return account, False

    # -- contacts ----------------------------------------------------------------------------

    def create_contact(self, caller: Caller, fields: ContactFields) -> Contact:
        """Take a person in; they belong to the caller unless another owner is named."""
        caller.must(Level.WRITE, Area.CUSTOMERS)
        self._check_account(caller, fields.account_id)
        contact, event = Contact.create(
            caller.tenant_id, new_id(), owned(fields, caller), caller.user_id, self._now()
        )
        return self._repo.contacts.save(caller, None, contact, event)

    def contact(self, caller: Caller, contact_id: str) -> Contact:
        """A contact, archived or not."""
        return self._view(caller, self._repo.contacts, contact_id)

    def contacts_of_owner(
        self, caller: Caller, owner_id: str | None, limit: int, cursor: str | None
    ) -> Page[Contact]:
        """A user's contacts (default: the caller's own), newest first."""
        return self._of_owner(caller, self._repo.contacts, owner_id, limit, cursor)

    def contacts_of_account(
        self, caller: Caller, account_id: str, limit: int, cursor: str | None
    ) -> Page[Contact]:
        """An account's contacts, newest first."""
        caller.must(Level.READ, Area.CUSTOMERS)
        return self._repo.of_account(caller.tenant_id, account_id, limit, cursor)

    def contacts_named(
        self, caller: Caller, prefix: str, limit: int, cursor: str | None
    ) -> Page[Contact]:
        """Contacts whose name, last name first, begins so, by name."""
        return self._named(caller, self._repo.contacts, prefix, limit, cursor)

    def contact_by_external_id(self, caller: Caller, ref: str) -> Page[Contact]:
        """The contact another system knows by an id, as a list of one or none."""
        caller.must(Level.READ, Area.CUSTOMERS)
        return by_external_id(self._repo.contacts, caller.tenant_id, ref)

    def update_contact(
        self, caller: Caller, contact_id: str, expected: int | None, patch: dict[str, Any]
    ) -> Contact:
        """Change a contact's fields."""
        return self._change_contact(
            caller, contact_id, expected, lambda contact: patched(contact, patch, ContactFields)
        )

    def archive_contact(self, caller: Caller, contact_id: str, expected: int | None) -> Contact:
        """Put a contact away."""
        return self._change(
            caller,
            self._repo.contacts,
            contact_id,
            expected,
            lambda contact: (*contact.archive(self._now()), ()),
        )

    def restore_contact(self, caller: Caller, contact_id: str, expected: int | None) -> Contact:
        """Bring an archived contact back."""
        return self._change(
            caller,
            self._repo.contacts,
            contact_id,
            expected,
            lambda contact: (*contact.restore(), ()),
        )

    def upsert_contact(self, caller: Caller, fields: ContactFields) -> tuple[Contact, bool]:
        """Create or change by external id; also says whether it was created."""
        caller.must(Level.WRITE, Area.CUSTOMERS)
        found = held(self._repo.contacts, caller.tenant_id, fields.external_ids)
        if found is None:
            return self.create_contact(caller, fields), True
        contact = self._change_contact(caller, found, None, lambda before: merged(before, fields))
        return contact, False

    # -- what both have ----------------------------------------------------------------------

    def _view[A: (Account, Contact)](self, caller: Caller, store: Store[A], record_id: str) -> A:
        caller.must(Level.READ, Area.CUSTOMERS)
        return store.get(caller.tenant_id, record_id, consistent=False)

    def _of_owner[A: (Account, Contact)](
        self,
        caller: Caller,
        store: Store[A],
        owner_id: str | None,
        limit: int,
        cursor: str | None,
    ) -> Page[A]:
        caller.must(Level.READ, Area.CUSTOMERS)
        owner = owner_id or caller.user_id
        return self._repo.of_owner(store, caller.tenant_id, owner, limit, cursor)

    def _named[A: (Account, Contact)](
        self, caller: Caller, store: Store[A], prefix: str, limit: int, cursor: str | None
    ) -> Page[A]:
        caller.must(Level.READ, Area.CUSTOMERS)
        folded = fold(prefix)
        if not folded:
            raise Invalid.field("name_prefix", "needs at least one letter or digit")
        return self._repo.named(store, caller.tenant_id, folded, limit, cursor)

    def _change_account(
        self,
        caller: Caller,
        account_id: str,
        expected: int | None,
        fields_of: Callable[[Account], AccountFields],
    ) -> Account:
        def change(account: Account) -> tuple[Account, list[DomainEvent], Sequence[Action]]:
            fields = fields_of(account)
            check_hand_over(caller, account, fields)
            wanted, parents = fields.parent_account_id, list[Account]()
            if wanted != account.parent_account_id:
                parents = self._parents(caller, account.id, wanted)
            # Two accounts put below each other at the same time would be a loop nobody saw: the
            # accounts above must still be what they were when this was decided.
            unchanged = [self._repo.unchanged(parent) for parent in parents]
            return (*account.update(fields, self._now()), unchanged)

        return self._change(caller, self._repo.accounts, account_id, expected, change)

    def _change_contact(
        self,
        caller: Caller,
        contact_id: str,
        expected: int | None,
        fields_of: Callable[[Contact], ContactFields],
    ) -> Contact:
        def change(contact: Contact) -> tuple[Contact, list[DomainEvent], Sequence[Action]]:
            fields = fields_of(contact)
            check_hand_over(caller, contact, fields)
            if fields.account_id != contact.account_id:
                self._check_account(caller, fields.account_id)
            return (*contact.update(fields), ())

        return self._change(caller, self._repo.contacts, contact_id, expected, change)

    def _change[A: (Account, Contact)](
        self,
        caller: Caller,
        store: Store[A],
        record_id: str,
        expected: int | None,
        change: Callable[[A], tuple[A, list[DomainEvent], Sequence[Action]]],
    ) -> A:
        caller.must(Level.WRITE, Area.CUSTOMERS)
        before = store.get(caller.tenant_id, record_id)
        after, events, also = change(before.expect(expected))
        return store.save(caller, before, after, *events, also=also) if events else before

    def _parents(self, caller: Caller, account_id: str, wanted: str | None) -> list[Account]:
        """The accounts above an account that is put below `wanted`, read consistently.

        Raises Invalid when the first is not there, or the account may not stand below them.
        """
        parents: list[Account] = []
        next_id = wanted
        while next_id is not None and len(parents) <= MAX_ANCESTORS:
            parent = self._repo.accounts.find(caller.tenant_id, next_id)
            if not parents:
                check_linked("parent_account_id", next_id, parent)
            if parent is None:
                break
            parents.append(parent)
            next_id = parent.parent_account_id
        check_parents(account_id, parents)
        return parents

    def _check_account(self, caller: Caller, wanted: str | None) -> None:
        """A contact works for an account that is there; raises Invalid when it is not."""
        if wanted is not None:
            account = self._repo.accounts.find(caller.tenant_id, wanted)
            check_linked("account_id", wanted, account)
