"""Events this context publishes, with the records they carry: the source of its schemas."""

from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field, StrictBool

from customers.contact_points import Email, Phone, Website
from customers.country import Country
from kernel.domain.events import DomainEvent, Fields, Key, Name, Snapshot, empty
from kernel.domain.ids import Id
from kernel.domain.money import Money


def _once_each(values: list[str]) -> list[str]:
    """Without repetitions: `Ann@example.com` and `ann@example.com` are one address."""
    return list(dict.fromkeys(values))


class AccountKind(StrEnum):
    """What a company is to us."""

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
        None, strict=True, ge=1000, le=9999, description="Next year at the latest."
    )
    parent_account_id: Id | None = Field(None, description="The company it belongs to.")


class AccountState(Snapshot, AccountFields):
    """A company we sell to, or may sell to."""


class ContactFields(Fields):
    """What a caller may set on a contact."""

    account_id: Id | None = Field(None, description="The company this person works for.")
    first_name: Name | None = None
    last_name: Name
    emails: Annotated[list[Email], AfterValidator(_once_each)] = Field(
        default_factory=list, max_length=10, exclude_if=empty, description="The main one first."
    )
    phones: Annotated[list[Phone], AfterValidator(_once_each)] = Field(
        default_factory=list, max_length=10, exclude_if=empty, description="The main one first."
    )
    title: Name | None = Field(None, description="What they do there.")
    consent: dict[Key, StrictBool] = Field(
        default_factory=dict,
        max_length=20,
        exclude_if=empty,
        description="Whether we may write or call, by channel; not asked yet where it is absent.",
    )


class ContactState(Snapshot, ContactFields):
    """A person we deal with."""


class AccountEvent(DomainEvent):
    """Base of the events about an account."""

    current: AccountState


class AccountCreated(AccountEvent, context="customers"):
    """A company came in."""


class AccountUpdated(AccountEvent, context="customers"):
    """Fields of an account changed; `previous` has their earlier values."""

    changed: list[str]
    previous: dict[str, object]


class AccountArchived(AccountEvent, context="customers"):
    """An account was put away; lists no longer show it."""


class AccountRestored(AccountEvent, context="customers"):
    """An archived account came back."""


class ContactEvent(DomainEvent):
    """Base of the events about a contact."""

    current: ContactState


class ContactCreated(ContactEvent, context="customers"):
    """A person came in."""


class ContactUpdated(ContactEvent, context="customers"):
    """Fields of a contact changed; `previous` has their earlier values."""

    changed: list[str]
    previous: dict[str, object]


class ContactArchived(ContactEvent, context="customers"):
    """A contact was put away; lists no longer show it."""


class ContactRestored(ContactEvent, context="customers"):
    """An archived contact came back."""
