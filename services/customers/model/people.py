"""The person aggregate: its rules and transitions. No AWS, no clock, no I/O."""

from datetime import datetime
from typing import ClassVar

from customers.events.people import PersonAdded, PersonFields, PersonState, PersonUpdated
from kernel.domain.aggregate import Aggregate, Change, changed_fields, new_record
from kernel.domain.events import DomainEvent


class Person(PersonState, Aggregate):
    """A person with their tenant."""

    updated_event: ClassVar[type[DomainEvent]] = PersonUpdated

    @classmethod
    def create(
        cls, tenant_id: str, person_id: str, fields: PersonFields, by: str, at: datetime
    ) -> Change["Person"]:
        """A new person."""
        values = {name: getattr(fields, name) for name in PersonFields.model_fields}
        person = cls(**new_record(tenant_id, person_id, by, at), **values)
        return Change(person, (PersonAdded(current=person),))

    def update(self, fields: PersonFields) -> Change["Person"]:
        """Change fields; no event when nothing differs."""
        after = self.with_fields(fields)
        changed, previous = changed_fields(self, after, PersonFields)
        if not changed:
            return Change(self)
        return Change(after, (PersonUpdated(current=after, changed=changed, previous=previous),))

    def renamed(self, name: str, team_id: str | None) -> Change["Person"]:
        """Change what the identity provider says; no event when nothing differs."""
        values = {field: getattr(self, field) for field in PersonFields.model_fields}
        return self.update(PersonFields(**{**values, "name": name, "team_id": team_id}))
