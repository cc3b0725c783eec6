"""Use cases of contacts: check the right, load, decide, commit."""

from collections.abc import Container
from typing import Any

from customers.context import CUSTOMERS
from customers.events.contacts import ContactFields
from customers.model.accounts import ensure_linkable
from customers.model.contacts import Contact, fields_of_new
from customers.repository.accounts import AccountRepository
from customers.repository.contacts import ContactRepository
from customers.service.matching import matching_contact, with_all_addresses
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


class ContactService:
    """What users do with contacts."""

    def __init__(
        self,
        contacts: ContactRepository,
        accounts: AccountRepository,
        people: People,
        now: Clock,
    ) -> None:
        self._contacts, self._accounts, self._people, self._now = contacts, accounts, people, now

    def create(self, unit: UnitOfWork, fields: ContactFields) -> Contact:
        """Create a contact; the default owner is the caller."""
        unit.principal.require(Level.WRITE, CUSTOMERS)
        self._check_account(unit.tenant_id, fields.account_id)
        fields = with_owner(fields, unit.principal, self._people)
        change = Contact.create(
            unit.tenant_id, new_id(), fields, unit.principal.user_id, self._now()
        )
        return self._contacts.save(unit, None, change)

    def get(self, request: RequestContext, contact_id: str) -> Contact:
        """A contact, archived or not."""
        request.principal.require(Level.READ, CUSTOMERS)
        return self._contacts.get(request.tenant_id, contact_id, consistent=False)

    def list_by_owner(
        self,
        request: RequestContext,
        owner_id: str | None,
        limit: int,
        cursor: str | None,
        archived: Archived = Archived.EXCLUDE,
    ) -> Page[Contact]:
        """A user's contacts (default: the caller's own), newest first."""
        request.principal.require(Level.READ, CUSTOMERS)
        owner = owner_id or request.principal.user_id
        return self._contacts.list_by_owner(request.tenant_id, owner, limit, cursor, archived)

    def list_by_account(
        self,
        request: RequestContext,
        account_id: str,
        limit: int,
        cursor: str | None,
        archived: Archived = Archived.EXCLUDE,
    ) -> Page[Contact]:
        """An account's contacts, newest first."""
        request.principal.require(Level.READ, CUSTOMERS)
        return self._contacts.list_by_account(
            request.tenant_id, account_id, limit, cursor, archived
        )

    def list_to_hand_over(
        self, unit: UnitOfWork, from_id: str, to_id: str, limit: int, cursor: str | None
    ) -> Page[Contact]:
        """A user's contacts that the caller may give to another person."""
        unit.principal.require(Level.WRITE, CUSTOMERS)
        ensure_may_hand_over(unit.principal, self._people, from_id, to_id)
        return self._contacts.list_by_owner(unit.tenant_id, from_id, limit, cursor)

    def list_by_name(
        self,
        request: RequestContext,
        prefix: str,
        limit: int,
        cursor: str | None,
        archived: Archived = Archived.EXCLUDE,
    ) -> Page[Contact]:
        """Contacts whose name begins with `prefix` at any of its words, by what was found."""
        request.principal.require(Level.READ, CUSTOMERS)
        return self._contacts.list_by_name(
            request.tenant_id, folded_prefix(prefix), limit, cursor, archived
        )

    def list_by_email(
        self,
        request: RequestContext,
        prefix: str,
        limit: int,
        cursor: str | None,
        archived: Archived = Archived.EXCLUDE,
    ) -> Page[Contact]:
        """Contacts with an e-mail address that begins with `prefix`, by address."""
        request.principal.require(Level.READ, CUSTOMERS)
        folded = folded_prefix(prefix, "email_prefix")
        return self._contacts.list_by_email(request.tenant_id, folded, limit, cursor, archived)

    def find_by_external_id(
        self, request: RequestContext, ref: str, archived: Archived = Archived.EXCLUDE
    ) -> Page[Contact]:
        """The contact that has an external id, as a page of one or none."""
        request.principal.require(Level.READ, CUSTOMERS)
        return page_by_external_id(self._contacts, request.tenant_id, ref, archived)

    def update(
        self, unit: UnitOfWork, contact_id: str, if_match: Version, patch: dict[str, Any]
    ) -> Contact:
        """Change a contact's fields."""
        before = self._load(unit, contact_id, if_match, mend=ContactFields)
        fields = patched_fields(before, patch, ContactFields, unit.principal.country)
        return self._update(unit, before, fields, patch)

    def archive(self, unit: UnitOfWork, contact_id: str, if_match: Version) -> Contact:
        """Archive a contact."""
        before = self._load(unit, contact_id, if_match)
        return self._contacts.save(unit, before, before.archive(self._now()))

    def restore(self, unit: UnitOfWork, contact_id: str, if_match: Version) -> Contact:
        """Restore an archived contact."""
        before = self._load(unit, contact_id, if_match)
        return self._contacts.save(unit, before, before.restore())

    def release_external_ids(self, unit: UnitOfWork, contact_id: str, if_match: Version) -> Contact:
        """Give up the external ids of an archived contact, for another one to have them."""
        before = self._load(unit, contact_id, if_match)
        return self._contacts.save(unit, before, before.release_external_ids())

    def upsert(
        self, unit: UnitOfWork, fields: ContactFields, *, by_email: bool = False
    ) -> tuple[Contact, bool]:
        """Create or change by external id, or also by e-mail; returns whether it was created."""
        unit.principal.require(Level.WRITE, CUSTOMERS)
        find = matching_contact if by_email else _by_external_ids
        existing_id = find(self._contacts, unit.tenant_id, fields)
        if existing_id is None:
            return self.create(unit, fields_of_new(fields)), True
        before = self._load(unit, existing_id, None, mend=ContactFields)
        fields = before.without_repeated_name(fields)
        if by_email:
            fields = with_all_addresses(before, fields)
        return self._update(unit, before, upserted_fields(before, fields)), False

    def _load(
        self, unit: UnitOfWork, contact_id: str, if_match: Version, *, mend: Mended = None
    ) -> Contact:
        unit.principal.require(Level.WRITE, CUSTOMERS)
        contact = self._contacts.get(unit.tenant_id, contact_id, mend=mend)
        ensure_may_change(unit.principal, contact)
        return contact.ensure_version(if_match)

    def _update(
        self,
        unit: UnitOfWork,
        before: Contact,
        fields: ContactFields,
        sent: Container[str] | None = None,
    ) -> Contact:
        fields = with_owner(fields, unit.principal, self._people, before, sent=sent)
        if fields.account_id != before.account_id:
            self._check_account(unit.tenant_id, fields.account_id)
        return self._contacts.save(unit, before, before.update(fields))

    def _check_account(self, tenant_id: str, account_id: str | None) -> None:
        """Raise Invalid unless the account a contact works for exists and is active."""
        if account_id is not None:
            account = self._accounts.find(tenant_id, account_id)
            ensure_linkable("account_id", account_id, account)


def _by_external_ids(
    contacts: ContactRepository, tenant_id: str, fields: ContactFields
) -> str | None:
    return find_by_external_ids(contacts, tenant_id, fields.external_ids)
