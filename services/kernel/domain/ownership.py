"""Ownership of records: the owner and team of a record, and who may change whose records.

One rule for every verb (docs/adr/0040): a record is changed by its owner, and by the roles with the
permission CHANGE_OTHERS; everybody else reads it. A record without an owner is everybody's. To give
another's record away takes the permission REASSIGN_OTHERS.
"""

from collections.abc import Container, Iterable
from typing import Protocol

from kernel.domain.errors import Invalid
from kernel.domain.events import Fields, Snapshot
from kernel.domain.permissions import CHANGE_OTHERS, REASSIGN_OTHERS
from kernel.domain.principal import Principal
from kernel.domain.references import PERSON, Reference


class People(Protocol):
    """Who can be given records, as far as a context knows the people of a tenant."""

    def check(self, tenant_id: str, references: list[Reference]) -> dict[str, str | None]:
        """The teams of the people among references, by field.

        Raises Invalid for people and records that cannot be referred to.
        """


def ensure_may_change(principal: Principal, record: Snapshot, *others: str) -> None:
    """Raise PermissionDenied for another user's record, unless the role may change it.

    `others` are further people whose record it is, such as a task's assignee.
    """
    if _is_anothers(principal, record, others):
        principal.require_permission(CHANGE_OTHERS)


def ensure_may_reassign(principal: Principal, record: Snapshot, *others: str) -> None:
    """Raise PermissionDenied for another user's record, unless the role may reassign it."""
    if _is_anothers(principal, record, others):
        principal.require_permission(REASSIGN_OTHERS)


def _is_anothers(principal: Principal, record: Snapshot, others: tuple[str, ...]) -> bool:
    return record.owner_id not in (None, principal.user_id) and principal.user_id not in others


def ensure_may_hand_over(principal: Principal, people: People, from_id: str, to_id: str) -> None:
    """Raise unless a principal may give all records of a person to another one.

    PermissionDenied for the records of others without the permission, Invalid for a person who
    cannot have them.
    """
    if from_id != principal.user_id:
        principal.require_permission(REASSIGN_OTHERS)
    if to_id == from_id:
        raise Invalid.field("to_id", "is the person who has the records already")
    if to_id != principal.user_id:
        people.check(principal.tenant_id, [Reference("to_id", PERSON, to_id)])


def with_owner[F: Fields](
    fields: F,
    principal: Principal,
    people: People,
    before: Snapshot | None = None,
    also: Iterable[Reference] = (),
    sent: Container[str] | None = None,
) -> F:
    """The fields with their owner's team; a new record without an owner is the principal's.

    The team follows a new owner unless the request names one. Raises PermissionDenied when another
    user's record would change owner or team, Invalid for an owner who does not exist or is not
    active (the principal always is), and for what `also` refers to.

    `sent` has the names of the fields in a merge patch, whose other fields are those of the record.
    """
    if before is None:
        if fields.owner_id is None:
            own = {"owner_id": principal.user_id, "team_id": fields.team_id or principal.team_id}
            fields = fields.model_copy(update=own)
        new, team_sent = fields.owner_id, fields.team_id is not None
    else:
        if (fields.owner_id, fields.team_id) != (before.owner_id, before.team_id):
            ensure_may_reassign(principal, before)
        new = fields.owner_id if fields.owner_id != before.owner_id else None
        team_sent = "team_id" in (fields.model_fields_set if sent is None else sent)
    named = list(also)
    if new is not None and new != principal.user_id:
        named.append(Reference("owner_id", PERSON, new))
    teams = people.check(principal.tenant_id, named)
    if new is None or team_sent:
        return fields
    team = principal.team_id if new == principal.user_id else teams.get("owner_id")
    return fields.model_copy(update={"team_id": team})
