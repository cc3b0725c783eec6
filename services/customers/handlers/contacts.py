"""REST routes of contacts."""

from pydantic import Field

from customers.bootstrap import contacts
from customers.events.contacts import ContactFields, ContactState
from kernel.domain.aggregate import Version
from kernel.domain.events import Name, UserId
from kernel.domain.ids import Id
from kernel.domain.principal import RequestContext
from kernel.storage.external_ids import ExternalRef
from kernel.storage.records import Page
from kernel.storage.unit_of_work import UnitOfWork
from kernel.web.batch import Batch, BatchResults, upsert_each
from kernel.web.models import RecordQuery
from kernel.web.routes import Routes

routes = Routes()


class ContactQuery(RecordQuery):
    """One of: owner_id, account_id, name_prefix, email_prefix, external_id. Default: your own."""

    owner_id: UserId | None = None
    account_id: Id | None = None
    name_prefix: Name | None = Field(
        None, description="The beginning of the name at any of its words, in either order."
    )
    email_prefix: Name | None = Field(
        None, description="The beginning of an e-mail address, or a whole one."
    )
    external_id: ExternalRef | None = None


@routes.post("/contacts", status=201)
def create_contact(unit: UnitOfWork, body: ContactFields) -> ContactState:
    """Create a contact."""
    return contacts().create(unit, body)


@routes.get("/contacts")
def list_contacts(request: RequestContext, query: ContactQuery) -> Page[ContactState]:
    """List contacts of an owner or account, or by name or e-mail."""
    query.one_of("owner_id", "account_id", "name_prefix", "email_prefix", "external_id")
    query.ensure_no_cursor_with("external_id")
    if query.external_id:
        return contacts().find_by_external_id(request, query.external_id, query.archived)
    if query.account_id:
        return contacts().list_by_account(
            request, query.account_id, query.limit, query.cursor, query.archived
        )
    if query.email_prefix:
        return contacts().list_by_email(
            request, query.email_prefix, query.limit, query.cursor, query.archived
        )
    if query.name_prefix:
        return contacts().list_by_name(
            request, query.name_prefix, query.limit, query.cursor, query.archived
        )
    return contacts().list_by_owner(
        request, query.owner_id, query.limit, query.cursor, query.archived
    )


@routes.post("/contacts/batch", status=207)
def upsert_contacts(unit: UnitOfWork, body: Batch) -> BatchResults:
    """Create or change up to 100 contacts."""
    return upsert_each(
        body.items, ContactFields, lambda item: contacts().upsert(unit.for_import(), item)
    )


@routes.get("/contacts/{contact_id}")
def get_contact(request: RequestContext, contact_id: str) -> ContactState:
    """Get a contact."""
    return contacts().get(request, contact_id)


@routes.patch("/contacts/{contact_id}", ContactFields)
def update_contact(
    unit: UnitOfWork, contact_id: str, if_match: Version, patch: dict[str, object]
) -> ContactState:
    """Change fields of a contact."""
    return contacts().update(unit, contact_id, if_match, patch)


@routes.post("/contacts/{contact_id}/archive")
def archive_contact(unit: UnitOfWork, contact_id: str, if_match: Version) -> ContactState:
    """Archive a contact."""
    return contacts().archive(unit, contact_id, if_match)


@routes.post("/contacts/{contact_id}/restore")
def restore_contact(unit: UnitOfWork, contact_id: str, if_match: Version) -> ContactState:
    """Restore an archived contact."""
    return contacts().restore(unit, contact_id, if_match)


@routes.post("/contacts/{contact_id}/release-external-ids")
def release_external_ids_of_contact(
    unit: UnitOfWork, contact_id: str, if_match: Version
) -> ContactState:
    """Release the external ids of an archived contact."""
    return contacts().release_external_ids(unit, contact_id, if_match)
