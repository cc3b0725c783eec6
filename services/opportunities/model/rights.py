"""Who may change which field of an opportunity in which state: one table, which the service asks.

A closed period's reports are computed from the figures of closed opportunities, so these change
only with a permission. Owner and team follow the rules of ownership in every state.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType

from opportunities.events.pipelines import StageKind


class Right(StrEnum):
    """What a user needs to change a field."""

    WRITE = "write"
    """The right to write opportunities."""
    OWNERSHIP = "ownership"
    """What a change of owner needs (kernel/domain/ownership.py)."""
    CORRECT = "correct"
    """The permission to correct closed opportunities."""
    NONE = "none"
    """Nobody may: in this state an opportunity has no such field."""


type _States = Mapping[StageKind, Right]


def _states(opened: Right, won: Right, lost: Right) -> _States:
    return MappingProxyType({StageKind.OPEN: opened, StageKind.WON: won, StageKind.LOST: lost})


_ALWAYS = _states(Right.WRITE, Right.WRITE, Right.WRITE)
_OWNERSHIP = _states(Right.OWNERSHIP, Right.OWNERSHIP, Right.OWNERSHIP)
_FIGURE = _states(Right.WRITE, Right.CORRECT, Right.CORRECT)

RIGHTS: Mapping[str, _States] = MappingProxyType(
    {
        "name": _ALWAYS,
        "contact_id": _ALWAYS,
        "description": _ALWAYS,
        "expected_close_on": _ALWAYS,
        "tags": _ALWAYS,
        "custom_fields": _ALWAYS,
        "external_ids": _ALWAYS,
        "owner_id": _OWNERSHIP,
        "team_id": _OWNERSHIP,
        "amount": _FIGURE,
        "account_id": _FIGURE,
        "product_id": _FIGURE,
        "region": _FIGURE,
        "opened_on": _FIGURE,
        "closed_on": _states(Right.NONE, Right.CORRECT, Right.CORRECT),
        "lost_reason": _states(Right.NONE, Right.NONE, Right.CORRECT),
    }
)
"""By field and by the state before the change."""


def figures(status: StageKind, changed: Iterable[str]) -> list[str]:
    """Those of the changed fields that are figures of an opportunity in this state."""
    return [name for name in changed if name in RIGHTS and RIGHTS[name][status] is Right.CORRECT]
