"""Who answers for a record: the owner a new one gets, and who may hand one over."""

from kernel.domain.auth import Caller, Permission
from kernel.domain.events import Fields, Snapshot


def owned[F: Fields](fields: F, caller: Caller) -> F:
    """The fields of a new record with an owner: the one they name, else the caller."""
    if fields.owner_id is not None:
        return fields
    owner = {"owner_id": caller.user_id, "team_id": fields.team_id or caller.team_id}
    return fields.model_copy(update=owner)


def must_be_able_to_hand_over(caller: Caller, record: Snapshot) -> None:
    """Raise Forbidden unless the record is the caller's own, nobody's, or their role allows it."""
    if record.owner_id not in (None, caller.user_id):
        caller.must_be_allowed(Permission.REASSIGN_OTHERS)


def check_hand_over(caller: Caller, record: Snapshot, fields: Fields) -> None:
    """Raise Forbidden when `fields` take another user's record from its owner or team."""
    if (fields.owner_id, fields.team_id) != (record.owner_id, record.team_id):
        must_be_able_to_hand_over(caller, record)
