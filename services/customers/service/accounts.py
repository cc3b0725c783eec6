"""Use cases of accounts: check the right, load, decide, commit."""

from collections.abc import Container
from typing import Any

from customers.context import CUSTOMERS
from customers.events.accounts import AccountFields
from customers.model.accounts import (
    MAX_ANCESTORS,
    Account,
    ensure_linkable,
    ensure_valid_parents,
)
from customers.repository.accounts import AccountRepository
from customers.service.names import folded_prefix
from kernel.domain.aggregate import Mended, Version
from kernel.domain.clock import Clock
from kernel.domain.ids import new_id
from kernel.domain.merge_patch import patched_fields
from kernel.domain.ownership import People, ensure_may_change, ensure_may_hand_over, with_owner
from kernel.domain.permissions import Level
from kernel.domain.principal import RequestContext
from kernel.storage.archived import Archived
from kernel.storage.external_ids import find_by_external_ids, page_by_external_id, upserted_fields
from kernel.storage.records import Page
from kernel.storage.unit_of_work import UnitOfWork


class AccountService:
    """What users do with accounts."""

    def __init__(self, accounts: AccountRepository, people: People, now: Clock) -> None:
        self._accounts, self._people, self._now = accounts, people, now

    def create(self, unit: UnitOfWork, fields: AccountFields) -> Account:
        """Create an account; the default owner is the caller."""
        unit.principal.require(Level.WRITE, CUSTOMERS)
        account_id = new_id()
        self._parents(unit.tenant_id, account_id, fields.parent_account_id)
        fields = with_owner(fields, unit.principal, self._people)
        change = Account.create(
            unit.tenant_id, account_id, fields, unit.principal.user_id, self._now()
        )
        return self._accounts.save(unit, None, change)

    def get(self, request: RequestContext, account_id: str) -> Account:
        """An account, archived or not."""
        request.principal.require(Level.READ, CUSTOMERS)
        return self._accounts.get(request.tenant_id, account_id, consistent=False)

    def list_by_owner(
        self,
        request: RequestContext,
        owner_id: str | None,
        limit: int,
        cursor: str | None,
        archived: Archived = Archived.EXCLUDE,
    ) -> Page[Account]:
        """A user's accounts (default: the caller's own), newest first."""
        request.principal.require(Level.READ, CUSTOMERS)
        owner = owner_id or request.principal.user_id
        return self._accounts.list_by_owner(request.tenant_id, owner, limit, cursor, archived)

    def list_to_hand_over(
        self, unit: UnitOfWork, from_id: str, to_id: str, limit: int, cursor: str | None
    ) -> Page[Account]:
        """A user's accounts that the caller may give to another person."""
        unit.principal.require(Level.WRITE, CUSTOMERS)
        ensure_may_hand_over(unit.principal, self._people, from_id, to_id)
        return self._accounts.list_by_owner(unit.tenant_id, from_id, limit, cursor)

    def list_by_name(
        self,
        request: RequestContext,
        prefix: str,
        limit: int,
        cursor: str | None,
        archived: Archived = Archived.EXCLUDE,
    ) -> Page[Account]:
        """Accounts with a word in their name from which on it begins with `prefix`."""
        request.principal.require(Level.READ, CUSTOMERS)
        return self._accounts.list_by_name(
            request.tenant_id, folded_prefix(prefix), limit, cursor, archived
        )

    def find_by_external_id(
        self, request: RequestContext, ref: str, archived: Archived = Archived.EXCLUDE
    ) -> Page[Account]:
        """The account that has an external id, as a page of one or none."""
        request.principal.require(Level.READ, CUSTOMERS)
        return page_by_external_id(self._accounts, request.tenant_id, ref, archived)

    def update(
        self, unit: UnitOfWork, account_id: str, if_match: Version, patch: dict[str, Any]
    ) -> Account:
        """Change an account's fields."""
        before = self._load(unit, account_id, if_match, mend=AccountFields)
        fields = patched_fields(before, patch, AccountFields, unit.principal.country)
        return self._update(unit, before, fields, patch)

    def archive(self, unit: UnitOfWork, account_id: str, if_match: Version) -> Account:
        """Archive an account."""
        before = self._load(unit, account_id, if_match)
        return self._accounts.save(unit, before, before.archive(self._now()))

    def restore(self, unit: UnitOfWork, account_id: str, if_match: Version) -> Account:
        """Restore an archived account."""
        before = self._load(unit, account_id, if_match)
        return self._accounts.save(unit, before, before.restore())

    def release_external_ids(self, unit: UnitOfWork, account_id: str, if_match: Version) -> Account:
        """Give up the external ids of an archived account, for another one to have them."""
        before = self._load(unit, account_id, if_match)
        return self._accounts.save(unit, before, before.release_external_ids())

    def upsert(self, unit: UnitOfWork, fields: AccountFields) -> tuple[Account, bool]:
        """Create or change by external id; also returns whether it was created."""
        unit.principal.require(Level.WRITE, CUSTOMERS)
        existing_id = find_by_external_ids(self._accounts, unit.tenant_id, fields.external_ids)
        if existing_id is None:
            return self.create(unit, fields), True
        before = self._load(unit, existing_id, None, mend=AccountFields)
        return self._update(unit, before, upserted_fields(before, fields)), False

    def _load(
        self, unit: UnitOfWork, account_id: str, if_match: Version, *, mend: Mended = None
    ) -> Account:
        unit.principal.require(Level.WRITE, CUSTOMERS)
        account = self._accounts.get(unit.tenant_id, account_id, mend=mend)
        ensure_may_change(unit.principal, account)
        return account.ensure_version(if_match)

    def _update(
        self,
        unit: UnitOfWork,
        before: Account,
        fields: AccountFields,
        sent: Container[str] | None = None,
    ) -> Account:
        fields = with_owner(fields, unit.principal, self._people, before, sent=sent)
        parents: list[Account] = []
        if fields.parent_account_id != before.parent_account_id:
            parents = self._parents(unit.tenant_id, before.id, fields.parent_account_id)
        # Two concurrent requests could each make the other's account a parent, and neither would
        # see the loop; so the transaction checks that the accounts above are unchanged.
        unchanged = [self._accounts.unchanged(parent) for parent in parents]
        return self._accounts.save(unit, before, before.update(fields, self._now()), *unchanged)

    def _parents(self, tenant_id: str, account_id: str, parent_id: str | None) -> list[Account]:
        """The accounts above an account whose parent is to be `parent_id`, read consistently.

        Raises Invalid when the parent does not exist or these accounts may not be above this one.
        """
        parents: list[Account] = []
        next_id = parent_id
        while next_id is not None and len(parents) <= MAX_ANCESTORS:
            parent = self._accounts.find(tenant_id, next_id)
            if not parents:
                ensure_linkable("parent_account_id", next_id, parent)
            if parent is None:
                break
            parents.append(parent)
            next_id = parent.parent_account_id
        ensure_valid_parents(account_id, parents)
        return parents
