"""The contact aggregate: its rules and transitions. No AWS, no clock, no I/O."""

from datetime import datetime
from typing import ClassVar

from customers.events.contacts import (
    ContactArchived,
    ContactCreated,
    ContactFields,
    ContactRestored,
    ContactState,
    ContactUpdated,
)
from kernel.domain.aggregate import Archivable, Change, changed_fields, new_record
from kernel.domain.events import DomainEvent
from kernel.domain.text import MAX_NAME


def name_in_place_of_last(fields: ContactFields) -> str:
    """What names a contact without a last name: first name, address or number; or empty."""
    names = (fields.first_name, *fields.emails[:1], *fields.phones[:1])
    return next((name for name in names if name), "")[:MAX_NAME]


def fields_of_new(fields: ContactFields) -> ContactFields:
    """The fields of a new contact, whose first name may take the place of its last name."""
    if "last_name" in fields.model_fields_set or fields.first_name is None:
        return fields
    return fields.model_copy(update={"first_name": None})


class Contact(ContactState, Archivable):
    """A contact with its tenant."""

    archived_event: ClassVar[type[DomainEvent]] = ContactArchived
    restored_event: ClassVar[type[DomainEvent]] = ContactRestored
    updated_event: ClassVar[type[DomainEvent]] = ContactUpdated

    @property
    def label(self) -> str:
        """First and last name."""
        return " ".join(part for part in (self.first_name, self.last_name) if part)

    @classmethod
    def create(
        cls, tenant_id: str, contact_id: str, fields: ContactFields, by: str, at: datetime
    ) -> Change["Contact"]:
        """A new contact."""
        contact = cls(**new_record(tenant_id, contact_id, by, at), **dict(fields))
        return Change(contact, (ContactCreated(current=contact),))

    def without_repeated_name(self, fields: ContactFields) -> ContactFields:
        """The fields of a row without the first name that is this contact's last name already."""
        repeated = self.first_name is None and fields.first_name == self.last_name
        if repeated and "last_name" not in fields.model_fields_set:
            fields = fields.model_copy()
            fields.model_fields_set.discard("first_name")
        return fields

    def update(self, fields: ContactFields) -> Change["Contact"]:
        """Change fields; no event when nothing differs. Raises RecordArchived."""
        after = self.ensure_active().with_fields(fields)
        changed, previous = changed_fields(self, after, ContactFields)
        if not changed:
            return Change(self)
        return Change(after, (ContactUpdated(current=after, changed=changed, previous=previous),))
