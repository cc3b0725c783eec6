"""Which contact an item of a batch means: by its external ids, then by its e-mail addresses."""

from collections.abc import Iterable

from customers.events.contacts import MAX_EMAILS, ContactFields
from customers.model.contacts import Contact
from customers.repository.contacts import ContactRepository
from kernel.domain.errors import Invalid
from kernel.storage.external_ids import find_by_external_ids

_FIELD = "match_by"
"""The field of every refusal: no value of the row is wrong, so leaving one out cannot help."""


def matching_contact(
    contacts: ContactRepository, tenant_id: str, fields: ContactFields
) -> str | None:
    """The id of the contact that has these external ids or e-mail addresses, or None.

    Raises Invalid when they mean several contacts, or an archived one only; Conflict when the
    external ids belong to different contacts.
    """
    if not fields.external_ids and not fields.emails:
        reason = "needs at least one entry, or emails an e-mail address, to upsert by"
        raise Invalid.field("external_ids", reason)
    by_id = None
    if fields.external_ids:
        by_id = find_by_external_ids(contacts, tenant_id, fields.external_ids)
    holders = {one: contacts.find_by_email(tenant_id, one) for one in fields.emails}
    if by_id is not None:
        for address, found in holders.items():
            _ensure_same(by_id, address, _active(found))
        return by_id
    active = {one.id: one for found in holders.values() for one in _active(found)}
    if len(active) > 1:
        addresses = ", ".join(address for address, found in holders.items() if _active(found))
        raise _refused(
            f"{addresses}: contacts {_listed(active)} have it; archive all but one, or give the "
            "item an external id of the one that is meant"
        )
    for contact in active.values():
        _ensure_no_other_id(contact, fields)
        return contact.id
    for address, found in holders.items():
        if found:
            raise _refused(
                f"{address} is an address of contact {found[0].id}, which is archived; restore it "
                "first"
            )
    return None


def with_all_addresses(before: Contact, fields: ContactFields) -> ContactFields:
    """The fields of an item with the contact's own addresses first.

    Addresses identify the contact, so an item adds some and removes none. Raises Invalid when
    there would be more than a contact may have.
    """
    if "emails" not in fields.model_fields_set:
        return fields
    emails = list(dict.fromkeys([*before.emails, *fields.emails]))
    if len(emails) > MAX_EMAILS:
        raise _refused(
            f"contact {before.id} would have {len(emails)} e-mail addresses; it may have "
            f"{MAX_EMAILS} addresses"
        )
    return fields.model_copy(update={"emails": emails})


def _active(found: Iterable[Contact]) -> list[Contact]:
    return [one for one in found if one.archived_at is None]


def _ensure_same(by_id: str, address: str, found: list[Contact]) -> None:
    """Raise Invalid when only contacts other than that of the external id have an address."""
    ids = [one.id for one in found]
    if ids and by_id not in ids:
        raise _refused(
            f"the external id belongs to contact {by_id}, but {address} to contact "
            f"{_listed(ids)}; correct the item, or archive one of the contacts"
        )


def _ensure_no_other_id(contact: Contact, fields: ContactFields) -> None:
    """Raise Invalid when the same system has another id for a contact: it is another person."""
    for system, value in fields.external_ids.items():
        other = contact.external_ids.get(system, value)
        if other != value:
            raise _refused(
                f"contact {contact.id} has this e-mail address and is {system}:{other}, not "
                f"{system}:{value}; correct the item, or change the id of the contact"
            )


def _listed(ids: Iterable[str]) -> str:
    return " and ".join(sorted(ids))


def _refused(reason: str) -> Invalid:
    return Invalid.field(_FIELD, reason)
