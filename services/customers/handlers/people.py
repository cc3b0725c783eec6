"""REST routes of the people directory."""

from pydantic import Field

from customers.bootstrap import people
from customers.events.people import PersonFields, PersonId, PersonState
from kernel.domain.aggregate import Version
from kernel.domain.events import Name
from kernel.domain.principal import RequestContext
from kernel.storage.external_ids import ExternalRef
from kernel.storage.records import Page
from kernel.storage.unit_of_work import UnitOfWork
from kernel.web.batch import Batch, BatchResults, upsert_each
from kernel.web.models import ListQuery
from kernel.web.routes import Routes

routes = Routes()


class NewPerson(PersonFields):
    """A person to add; the id is the `sub` of their tokens."""

    id: PersonId

    def fields(self) -> PersonFields:
        """The person's own fields, still with the set of those that were sent."""
        names = PersonFields.model_fields.keys()
        return PersonFields.model_construct(
            _fields_set=self.model_fields_set & names, **{n: getattr(self, n) for n in names}
        )


class PersonQuery(ListQuery):
    """All people, those whose name begins with a prefix, or one by external id."""

    name_prefix: Name | None = Field(
        None, description="The beginning of the name at any of its words."
    )
    external_id: ExternalRef | None = None


@routes.post("/people", status=201)
def add_person(unit: UnitOfWork, body: NewPerson) -> PersonState:
    """Create a person in the directory.

    Needs the right to manage people. From the first one on, records may belong to active people
    of the directory only. People who sign in are added by themselves.
    """
    return people().add(unit, body.id, body.fields())


@routes.get("/people")
def list_people(request: RequestContext, query: PersonQuery) -> Page[PersonState]:
    """List people by name, or find one by external id.

    Active or not, by name unless `external_id` finds one. `name_prefix` is compared with the
    beginning of any word of the name, without case and accents.
    """
    query.one_of("name_prefix", "external_id")
    query.ensure_no_cursor_with("external_id")
    if query.external_id:
        return people().find_by_external_id(request, query.external_id)
    return people().list(request, query.name_prefix, query.limit, query.cursor)


@routes.post("/people/batch", status=207)
def upsert_people(unit: UnitOfWork, body: Batch) -> BatchResults:
    """Create or change up to 100 people by id.

    Each item is found by its id or an external id, created or changed, and answered on its own.
    """
    return upsert_each(
        unit, body, NewPerson, lambda one, person: people().upsert(one, person.id, person.fields())
    )


@routes.get("/people/{person_id}")
def get_person(request: RequestContext, person_id: str) -> PersonState:
    """Get a person.

    The id is the `sub` of the person's tokens.
    """
    return people().get(request, person_id)


@routes.patch("/people/{person_id}", PersonFields)
def update_person(
    unit: UnitOfWork, person_id: str, if_match: Version, patch: dict[str, object]
) -> PersonState:
    """Change fields of a person, also whether they are active.

    A JSON merge patch. Nothing can be given to a person who is not active; what they have stays
    theirs until it is reassigned.
    """
    return people().update(unit, person_id, if_match, patch)
