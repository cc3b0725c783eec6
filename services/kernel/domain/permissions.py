"""Roles and their rights: a level per area, and permissions for single actions.

Contexts declare their areas and permissions in `context.py`; the use cases check them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum


class Role(StrEnum):
    """Roles as the identity provider's realm names them (`realm_access.roles`)."""

    ADMINISTRATOR = "administrator"
    SALES_MANAGER = "sales-manager"
    SALES_REPRESENTATIVE = "sales-representative"
    SUPPORT_AGENT = "support-agent"
    READ_ONLY = "read-only"


class Level(IntEnum):
    """A role's level of rights in an area; each level includes the ones before it."""

    NONE = 0
    READ = 1
    LIMITED = 2
    """Settings only: the product catalogue, not the pipelines."""
    WRITE = 3
    FULL = 4


@dataclass(frozen=True, slots=True)
class Area:
    """A part of the CRM for which rights are granted, such as `customers`."""

    name: str
    levels: Mapping[Role, Level]
    """The level of each role; a role that is absent has none."""

    def level(self, roles: frozenset[Role]) -> Level:
        """The highest level that any of the roles has."""
        return max((self.levels.get(role, Level.NONE) for role in roles), default=Level.NONE)


@dataclass(frozen=True, slots=True)
class Permission:
    """A single action that no level includes."""

    act: str
    """Completes the sentence "To … you need one of these roles"."""
    roles: frozenset[Role]


CHANGE_OTHERS = Permission(
    "change records of others",
    frozenset({Role.ADMINISTRATOR, Role.SALES_MANAGER, Role.SUPPORT_AGENT}),
)
REASSIGN_OTHERS = Permission(
    "reassign records of others", frozenset({Role.ADMINISTRATOR, Role.SALES_MANAGER})
)
"""Ownership is common to all records, so these permissions belong to no context. The levels decide
in which areas: a support agent only reads opportunities."""


def levels(
    *,
    administrator: Level = Level.FULL,
    sales_manager: Level = Level.NONE,
    sales_representative: Level = Level.NONE,
    support_agent: Level = Level.NONE,
    read_only: Level = Level.NONE,
) -> dict[Role, Level]:
    """One column of the permission matrix: the level of every role in an area."""
    return {
        Role.ADMINISTRATOR: administrator,
        Role.SALES_MANAGER: sales_manager,
        Role.SALES_REPRESENTATIVE: sales_representative,
        Role.SUPPORT_AGENT: support_agent,
        Role.READ_ONLY: read_only,
    }
