"""The account aggregate: its rules and transitions. No AWS, no clock, no I/O."""

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar

from customers.events.accounts import (
    AccountArchived,
    AccountCreated,
    AccountFields,
    AccountRestored,
    AccountState,
    AccountUpdated,
)
from kernel.domain.aggregate import Archivable, Change, changed_fields, new_record
from kernel.domain.errors import Invalid
from kernel.domain.events import DomainEvent

MAX_ANCESTORS = 10
"""The longest chain of parent accounts; a change of parent reads at most this many."""


class Account(AccountState, Archivable):
    """An account with its tenant."""

    archived_event: ClassVar[type[DomainEvent]] = AccountArchived
    restored_event: ClassVar[type[DomainEvent]] = AccountRestored
    updated_event: ClassVar[type[DomainEvent]] = AccountUpdated

    @classmethod
    def create(
        cls, tenant_id: str, account_id: str, fields: AccountFields, by: str, at: datetime
    ) -> Change["Account"]:
        """A new account. Raises Invalid."""
        _check_founded_year(fields, at)
        account = cls(**new_record(tenant_id, account_id, by, at), **dict(fields))
        return Change(account, (AccountCreated(current=account),))

    def update(self, fields: AccountFields, at: datetime) -> Change["Account"]:
        """Change fields; no event when nothing differs. Raises Invalid, RecordArchived."""
        _check_founded_year(fields, at)
        after = self.ensure_active().with_fields(fields)
        changed, previous = changed_fields(self, after, AccountFields)
        if not changed:
            return Change(self)
        return Change(after, (AccountUpdated(current=after, changed=changed, previous=previous),))


def ensure_linkable(field: str, account_id: str, account: Account | None) -> None:
    """Raise Invalid, naming `field`, unless `account` exists and is not archived."""
    if account is None:
        raise Invalid.field(field, f"there is no account {account_id}")
    if account.archived_at is not None:
        raise Invalid.field(field, f"account {account_id} is archived; restore it first")


def ensure_valid_parents(account_id: str, parents: Sequence[Account]) -> None:
    """Raise Invalid unless `parents` (nearest first) may be the parents of an account."""
    if any(parent.id == account_id for parent in parents):
        raise Invalid.field(
            "parent_account_id", "that account has this one among its own parent accounts"
        )
    if len(parents) > MAX_ANCESTORS:
        raise Invalid.field(
            "parent_account_id", f"an account may have at most {MAX_ANCESTORS} accounts above it"
        )


def _check_founded_year(fields: AccountFields, at: datetime) -> None:
    latest = at.year + 1
    if fields.founded_year is not None and fields.founded_year > latest:
        raise Invalid.field("founded_year", f"must be between 1000 and {latest}")
