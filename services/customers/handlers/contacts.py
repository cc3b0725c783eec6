"""REST routes of contacts."""

from typing import Any, Literal

from pydantic import Field, ModelWrapValidatorHandler, model_validator

from customers.bootstrap import contacts
from customers.events.contacts import ContactFields, ContactState
from customers.model.contacts import name_in_place_of_last
from kernel.domain.aggregate import Aggregate, Version
from kernel.domain.events import Name, UserId
from kernel.domain.ids import Id
from kernel.domain.principal import RequestContext
from kernel.storage.external_ids import ExternalRef
from kernel.storage.records import Page
from kernel.storage.unit_of_work import UnitOfWork
from kernel.web.batch import Batch, BatchResults, external_ids_of, upsert_each
from kernel.web.models import PeopleQuery, RecordQuery
from kernel.web.reassigning import Reassignment, ReassignmentResults, reassign_each
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


class ContactBatch(Batch):
    """Contacts to create or change by external id or e-mail; each is validated separately."""

    match_by: Literal["email"] | None = Field(
        None, description="Find contacts by their e-mail addresses too."
    )

    def names(self, item: object) -> list[tuple[str, str]]:
        """What identifies an item that is not validated yet: external ids and addresses."""
        emails: Any = item.get("emails") if self.match_by and isinstance(item, dict) else None
        found = emails if isinstance(emails, list) else []
        # No system has an empty name.
        return external_ids_of(item) + [("", str(one).strip().lower()) for one in found]


class UpsertedContact(ContactFields):
    """A contact of a batch, whose last name may be absent: a new one has another name then."""

    @model_validator(mode="wrap")
    @classmethod
    def _with_a_name(
        cls, value: Any, handler: ModelWrapValidatorHandler["UpsertedContact"]
    ) -> "UpsertedContact":
        if not isinstance(value, dict) or "last_name" in value:
            return handler(value)
        if not any(value.get(name) for name in ("first_name", "emails", "phones")):
            return handler(value)
        contact = handler({**value, "last_name": "-"})
        contact = contact.model_copy(update={"last_name": name_in_place_of_last(contact)})
        contact.model_fields_set.discard("last_name")
        return contact


@routes.post("/contacts", status=201)
def create_contact(unit: UnitOfWork, body: ContactFields) -> ContactState:
    """Create a contact.

    You own it unless `owner_id` names somebody else. E-mail addresses are stored in lower case
    and telephone numbers as E.164.
    """
    return contacts().create(unit, body)


@routes.get("/contacts")
def list_contacts(request: RequestContext, query: ContactQuery) -> Page[ContactState]:
    """List contacts of an owner or account, or by name or e-mail.

    One filter at a time. `name_prefix` is compared with the beginning of any word of the name,
    without case and accents; `archived` also shows archived contacts.
    """
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
def upsert_contacts(unit: UnitOfWork, body: ContactBatch) -> BatchResults:
    """Create or change up to 100 contacts.

    Each item is found by its external ids, created or changed, and answered on its own: one
    that is rejected does not affect the others. Fields that an item does not have stay. A new
    contact without a last name has its first name, e-mail address or number in place of it.
    With `match_by`, an item whose external ids are unknown, or that has none, changes the
    contact with one of its e-mail addresses, which keeps its own addresses. An item that means
    several contacts, or an archived one, is a 422 with their ids.
    """
    by_email = body.match_by == "email"

    def upsert(one: UnitOfWork, contact: UpsertedContact) -> tuple[Aggregate, bool]:
        return contacts().upsert(one, contact, by_email=by_email)

    return upsert_each(unit, body, UpsertedContact, upsert, body.names)


@routes.post("/contacts/reassign", status=207)
def reassign_contacts(unit: UnitOfWork, body: Reassignment) -> ReassignmentResults:
    """Give the contacts of a person to another one.

    Up to `limit` of them in one request, each answered on its own; `next_cursor` is there until
    none is left, so the work can be stopped and gone on with. For the records of others it
    needs the permission to reassign.
    """
    page = contacts().list_to_hand_over(unit, body.from_id, body.to_id, body.limit, body.cursor)
    patch = body.patch(owner_id=body.to_id)
    return reassign_each(
        page, lambda one: contacts().update(unit.for_record(), one.id, one.version, patch)
    )


@routes.get("/contacts/{contact_id}")
def get_contact(
    request: RequestContext,
    contact_id: str,
    query: PeopleQuery,  # noqa: ARG001 - the API adds the people
) -> ContactState:
    """Get a contact.

    Archived contacts are shown too; they have `archived_at`.
    """
    return contacts().get(request, contact_id)


@routes.patch("/contacts/{contact_id}", ContactFields)
def update_contact(
    unit: UnitOfWork, contact_id: str, if_match: Version, patch: dict[str, object]
) -> ContactState:
    """Change fields of a contact.

    A JSON merge patch: fields that are absent stay, and null removes one. Sales representatives
    change their own contacts and those without an owner.
    """
    return contacts().update(unit, contact_id, if_match, patch)


@routes.post("/contacts/{contact_id}/archive")
def archive_contact(unit: UnitOfWork, contact_id: str, if_match: Version) -> ContactState:
    """Archive a contact.

    It leaves all lists and cannot be changed any more. Its history stays, and `restore` undoes
    it.
    """
    return contacts().archive(unit, contact_id, if_match)


@routes.post("/contacts/{contact_id}/restore")
def restore_contact(unit: UnitOfWork, contact_id: str, if_match: Version) -> ContactState:
    """Restore an archived contact.

    It appears in lists again, with the fields that it had.
    """
    return contacts().restore(unit, contact_id, if_match)


@routes.post("/contacts/{contact_id}/release-external-ids")
def release_external_ids_of_contact(
    unit: UnitOfWork, contact_id: str, if_match: Version
) -> ContactState:
    """Release the external ids of an archived contact.

    Another record can have them then, for example the one that an import creates. A record that
    is not archived is a 422.
    """
    return contacts().release_external_ids(unit, contact_id, if_match)
