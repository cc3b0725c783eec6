"""What accounts and contacts are and what may happen to them. No AWS, no clock, no I/O.

Every transition returns the new state and the events that tell it; nothing here is ever changed in
place.
"""

from collections.abc import Sequence
from datetime import datetime

from customers.events import (
    AccountArchived,
    AccountCreated,
    AccountFields,
    AccountRestored,
    AccountState,
    AccountUpdated,
    ContactArchived,
    ContactCreated,
    ContactFields,
    ContactRestored,
    ContactState,
    ContactUpdated,
)
from kernel.domain.aggregate import Aggregate, born, difference
from kernel.domain.errors import Invalid
from kernel.domain.events import DomainEvent

MAX_ANCESTORS = 10
"""How many companies may stand above one: the most that a change of parent has to read."""


class Account(AccountState, Aggregate):
    """An account with its tenant."""

    @classmethod
    def create(
        cls, tenant_id: str, account_id: str, fields: AccountFields, by: str, at: datetime
    ) -> tuple["Account", AccountCreated]:
        """A new account."""
        _check_founded(fields, at)
        account = cls(**born(tenant_id, account_id, by, at), **dict(fields))
        return account, AccountCreated(current=account)

    def update(self, fields: AccountFields, at: datetime) -> tuple["Account", list[DomainEvent]]:
        """Change fields; no event when nothing differs."""
        _check_founded(fields, at)
        after = self.live().with_changes(**dict(fields))
        changed, previous = difference(self, after, AccountFields)
        if not changed:
            return self, []
        return after, [AccountUpdated(current=after, changed=changed, previous=previous)]

    def archive(self, at: datetime) -> tuple["Account", list[DomainEvent]]:
        """Put away."""
        after = self.archived(at)
        return after, [AccountArchived(current=after)]

    def restore(self) -> tuple["Account", list[DomainEvent]]:
        """Bring back."""
        after = self.restored()
        return after, [AccountRestored(current=after)]


class Contact(ContactState, Aggregate):
    """A contact with its tenant."""

    @classmethod
    def create(
        cls, tenant_id: str, contact_id: str, fields: ContactFields, by: str, at: datetime
    ) -> tuple["Contact", ContactCreated]:
        """A new contact."""
        contact = cls(**born(tenant_id, contact_id, by, at), **dict(fields))
        return contact, ContactCreated(current=contact)

    def update(self, fields: ContactFields) -> tuple["Contact", list[DomainEvent]]:
        """Change fields; no event when nothing differs."""
        after = self.live().with_changes(**dict(fields))
        changed, previous = difference(self, after, ContactFields)
        if not changed:
            return self, []
        return after, [ContactUpdated(current=after, changed=changed, previous=previous)]

    def archive(self, at: datetime) -> tuple["Contact", list[DomainEvent]]:
        """Put away."""
        after = self.archived(at)
        return after, [ContactArchived(current=after)]

    def restore(self) -> tuple["Contact", list[DomainEvent]]:
        """Bring back."""
        after = self.restored()
        return after, [ContactRestored(current=after)]


def check_linked(field: str, wanted: str, account: Account | None) -> None:
    """Raise Invalid, naming `field`, unless `account` is there to be linked to."""
    if account is None:
        raise Invalid.field(field, f"there is no account {wanted}")
    if account.archived_at is not None:
        raise Invalid.field(field, f"account {wanted} is archived; restore it first")


def check_parents(account_id: str, parents: Sequence[Account]) -> None:
    """Raise Invalid unless an account may stand below `parents`, its own parent first."""
    if any(parent.id == account_id for parent in parents):
        raise Invalid.field(
            "parent_account_id", "an account cannot be above itself: that one is below this one"
        )
    if len(parents) > MAX_ANCESTORS:
        raise Invalid.field(
            "parent_account_id", f"there may be {MAX_ANCESTORS} accounts above one, not more"
        )


def _check_founded(fields: AccountFields, at: datetime) -> None:
    latest = at.year + 1
    if fields.founded_year is not None and fields.founded_year > latest:
        raise Invalid.field("founded_year", f"must be between 1000 and {latest}")
