"""Ownership of records: the default owner, and who may change it."""

from kernel.domain.events import Fields, Snapshot
from kernel.domain.permissions import REASSIGN_OTHERS
from kernel.domain.principal import Principal


def with_owner[F: Fields](fields: F, principal: Principal) -> F:
    """The fields of a new record with an owner; the default is the principal and their team."""
    if fields.owner_id is not None:
        return fields
    owner = {"owner_id": principal.user_id, "team_id": fields.team_id or principal.team_id}
    return fields.model_copy(update=owner)


def ensure_may_reassign(principal: Principal, record: Snapshot) -> None:
    """Raise PermissionDenied for another user's record, unless the role may reassign it."""
    if record.owner_id not in (None, principal.user_id):
        principal.require_permission(REASSIGN_OTHERS)


def ensure_may_change_owner(principal: Principal, record: Snapshot, fields: Fields) -> None:
    """Raise PermissionDenied if `fields` change the owner or team of another user's record."""
    if (fields.owner_id, fields.team_id) != (record.owner_id, record.team_id):
        ensure_may_reassign(principal, record)
