"""The events of accounts and the state they carry; the source of their schemas."""

from enum import StrEnum

from pydantic import Field

from customers.values.contact_points import Phone, Website
from customers.values.countries import Country
from kernel.domain.events import DomainEvent, Fields, Name, Snapshot
from kernel.domain.ids import Id
from kernel.domain.money import Money


class AccountKind(StrEnum):
    """The relation of a company to us."""

    PROSPECT = "prospect"
    CUSTOMER = "customer"
    PARTNER = "partner"
    FORMER = "former"


class AccountFields(Fields):
    """What a caller may set on an account."""

    name: Name
    kind: AccountKind = AccountKind.PROSPECT
    sector: Name | None = None
    country: Country | None = Field(None, description="ISO 3166 alpha-2 code.")
    region: Name | None = Field(None, description="Sales region.")
    website: Website | None = None
    phone: Phone | None = Field(None, description="E.164.")
    employees: int | None = Field(None, strict=True, ge=0, le=10_000_000)
    annual_revenue: Money | None = None
    founded_year: int | None = Field(
        None, strict=True, ge=1000, le=9999, description="At most next year."
    )
    parent_account_id: Id | None = Field(None, description="The parent company's account.")


class AccountState(Snapshot, AccountFields):
    """A company we sell to, or may sell to."""


class AccountEvent(DomainEvent):
    """Base of the events about an account."""

    current: AccountState


class AccountCreated(AccountEvent, context="customers"):
    """An account was created."""


class AccountUpdated(AccountEvent, context="customers"):
    """Fields of an account changed; `previous` has their earlier values."""

    changed: list[str]
    previous: dict[str, object]


class AccountArchived(AccountEvent, context="customers"):
    """An account was archived; lists no longer show it."""


class AccountRestored(AccountEvent, context="customers"):
    """An archived account was restored."""
