"""Use cases of the people directory: check the right, load, decide, commit."""

from typing import Any

from pydantic import ValidationError

from customers.context import PEOPLE
from customers.events.people import PersonFields, PersonId
from customers.model.people import Person
from customers.repository.people import PersonRepository
from customers.service.names import folded_prefix
from kernel.domain.aggregate import Version
from kernel.domain.clock import Clock
from kernel.domain.cloud_events import CloudEvent
from kernel.domain.errors import Busy, Conflict, StaleVersion
from kernel.domain.merge_patch import patched_fields
from kernel.domain.permissions import Level
from kernel.domain.principal import SYSTEM_USER, RequestContext, system_request
from kernel.runtime.log import logger
from kernel.storage.external_ids import page_by_external_id, upserted_fields
from kernel.storage.records import Page
from kernel.storage.unit_of_work import UnitOfWork

_ATTEMPTS = 3


class _SignedIn(PersonFields):
    """What a token says about a person."""

    id: PersonId


class PersonService:
    """What users do with the directory; administrators alone change it."""

    def __init__(self, people: PersonRepository, now: Clock) -> None:
        self._people, self._now = people, now

    def add(self, unit: UnitOfWork, person_id: str, fields: PersonFields) -> Person:
        """Add a person. Raises Conflict when there is one with this id."""
        unit.principal.require(Level.FULL, PEOPLE)
        by = unit.principal.user_id
        change = Person.create(unit.tenant_id, person_id, fields, by, self._now())
        return self._people.save(unit, None, change, self._people.marked(unit.tenant_id))

    def get(self, request: RequestContext, person_id: str) -> Person:
        """A person."""
        request.principal.require(Level.READ, PEOPLE)
        return self._people.get(request.tenant_id, person_id, consistent=False)

    def list(
        self, request: RequestContext, prefix: str | None, limit: int, cursor: str | None
    ) -> Page[Person]:
        """People by name, or those with a word in it from which on it begins with `prefix`."""
        request.principal.require(Level.READ, PEOPLE)
        folded = folded_prefix(prefix) if prefix is not None else None
        return self._people.list(request.tenant_id, folded, limit, cursor)

    def find_by_external_id(self, request: RequestContext, ref: str) -> Page[Person]:
        """The person that has an external id, as a page of one or none."""
        request.principal.require(Level.READ, PEOPLE)
        return page_by_external_id(self._people, request.tenant_id, ref)

    def update(
        self, unit: UnitOfWork, person_id: str, if_match: Version, patch: dict[str, Any]
    ) -> Person:
        """Change a person's fields, also whether they are active."""
        unit.principal.require(Level.FULL, PEOPLE)
        person = self._people.get(unit.tenant_id, person_id, mend=PersonFields)
        before = person.ensure_version(if_match).ensure_active()
        return self._people.save(
            unit, before, before.update(patched_fields(before, patch, PersonFields))
        )

    def upsert(self, unit: UnitOfWork, person_id: str, fields: PersonFields) -> tuple[Person, bool]:
        """Add or change a person by id; also returns whether they were added."""
        unit.principal.require(Level.FULL, PEOPLE)
        for _ in range(_ATTEMPTS):
            before = self._people.find(unit.tenant_id, person_id, mend=PersonFields)
            try:
                if before is None:
                    return self.add(unit, person_id, fields), True
                change = before.ensure_active().update(upserted_fields(before, fields))
                return self._people.save(unit, before, change), False
            except (Conflict, StaleVersion):
                continue  # another item or request added or changed the same person
        raise Busy(f"The person {person_id} is changed by others at once; send it again.")

    def signed_in(self, event: CloudEvent, name: str, team_id: str | None) -> Person | None:
        """Add a person who has signed in, or change their name and team.

        What an administrator has changed stays. Returns None when nothing can be stored: an id or
        a name that the directory does not accept.
        """
        tenant_id, person_id = event.tenant_id, event.subject_id
        try:
            who = _SignedIn(id=person_id, name=name or person_id, team_id=team_id)
        except ValidationError:
            logger().warning("person not added", tenant=tenant_id, person=person_id[:120])
            return None
        request = system_request(
            tenant_id, correlation_id=event.correlation_id, causation_id=event.id
        )
        unit = UnitOfWork(request)
        for _ in range(_ATTEMPTS):
            before = self._people.find(tenant_id, person_id, mend=PersonFields)
            try:
                if before is None:
                    by = request.principal.user_id
                    change = Person.create(tenant_id, person_id, who, by, self._now())
                    return self._people.save(unit, None, change)
                if before.updated_by != SYSTEM_USER or before.archived_at is not None:
                    return before
                return self._people.save(unit, before, before.renamed(who.name, team_id))
            except (Conflict, StaleVersion):
                continue  # another sign-in came first
        raise Busy(f"The person {person_id} is changed by others at once.")
