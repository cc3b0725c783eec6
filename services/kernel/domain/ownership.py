"""Who is responsible for a record: the owner of a new one, and who may reassign it."""

from kernel.domain.events import Fields, Snapshot
from kernel.domain.permissions import REASSIGN_OTHERS
from kernel.domain.principal import Principal


def with_owner[F: Fields](fields: F, principal: Principal) -> F:
    """The fields of a new record with an owner: the one they name, else the principal."""
    if fields.owner_id is not None:
        return fields
    owner = {"owner_id": principal.user_id, "team_id": fields.team_id or principal.team_id}
    return fields.model_copy(update=owner)


def ensure_may_reassign(principal: Principal, record: Snapshot) -> None:
    """Raise PermissionDenied for another user's record, unless the role allows to reassign it."""
    if record.owner_id not in (None, principal.user_id):
        principal.require_permission(REASSIGN_OTHERS)


def ensure_may_change_owner(principal: Principal, record: Snapshot, fields: Fields) -> None:
    """Raise PermissionDenied when `fields` take another user's record from its owner or team."""
    if (fields.owner_id, fields.team_id) != (record.owner_id, record.team_id):
        ensure_may_reassign(principal, record)
