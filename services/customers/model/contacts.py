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

    def update(self, fields: ContactFields) -> Change["Contact"]:
        """Change fields; no event when nothing differs. Raises RecordArchived."""
        after = self.ensure_active().with_fields(fields)
        changed, previous = changed_fields(self, after, ContactFields)
        if not changed:
            return Change(self)
        return Change(after, (ContactUpdated(current=after, changed=changed, previous=previous),))
