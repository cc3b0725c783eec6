"""The events of contacts and the state they carry; the source of their schemas."""

from typing import Annotated

from pydantic import AfterValidator, Field, StrictBool

from customers.values.contact_points import Email, Phone
from kernel.domain.events import (
    DomainEvent,
    Fields,
    Key,
    Name,
    Snapshot,
    empty,
    without_repetitions,
)
from kernel.domain.ids import Id

MAX_EMAILS = 10
"""The most e-mail addresses of a contact."""


class ContactFields(Fields):
    """What a caller may set on a contact."""

    account_id: Id | None = Field(None, description="The company this person works for.")
    first_name: Name | None = None
    last_name: Name
    emails: Annotated[list[Email], AfterValidator(without_repetitions)] = Field(
        default_factory=list,
        max_length=MAX_EMAILS,
        exclude_if=empty,
        description="The primary one first.",
    )
    phones: Annotated[list[Phone], AfterValidator(without_repetitions)] = Field(
        default_factory=list, max_length=10, exclude_if=empty, description="The primary one first."
    )
    title: Name | None = Field(None, description="Job title.")
    consent: dict[Key, StrictBool] = Field(
        default_factory=dict,
        max_length=20,
        exclude_if=empty,
        description="Whether we may use a channel, by channel; absent when we have not asked.",
    )


class ContactState(Snapshot, ContactFields):
    """A person, usually at an account."""


class ContactEvent(DomainEvent):
    """Base of the events about a contact."""

    current: ContactState


class ContactCreated(ContactEvent, context="customers"):
    """A contact was created."""


class ContactUpdated(ContactEvent, context="customers"):
    """Fields of a contact changed; `previous` has their earlier values."""

    changed: list[str]
    previous: dict[str, object]


class ContactArchived(ContactEvent, context="customers"):
    """A contact was archived; lists no longer show it."""


class ContactRestored(ContactEvent, context="customers"):
    """An archived contact was restored."""
