"""Who is calling, and what each role may do: the matrix of the scaling strategy as one table.

Rights are checked in use cases (`caller.must(...)`), never in handlers, so that no way into a use
case goes around them.
"""

from dataclasses import dataclass, field, replace
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Protocol

from kernel.domain.errors import Forbidden

if TYPE_CHECKING:
    from kernel.storage.dynamo import Put


class Role(StrEnum):
    """Roles as the identity provider's realm names them (`realm_access.roles`)."""

    ADMINISTRATOR = "administrator"
    SALES_MANAGER = "sales-manager"
    SALES_REPRESENTATIVE = "sales-representative"
    SUPPORT_AGENT = "support-agent"
    READ_ONLY = "read-only"


class Area(StrEnum):
    """What a right is about."""

    CUSTOMERS = "customers"
    LEADS = "leads"
    OPPORTUNITIES = "opportunities"
    ACTIVITIES = "activities"
    REPORTS = "reports"
    SETTINGS = "settings"


class Level(IntEnum):
    """How far a right goes; each level includes the ones before it."""

    NONE = 0
    READ = 1
    LIMITED = 2
    """Settings only: the product catalogue, not the pipelines."""
    WRITE = 3
    FULL = 4


_N, _R, _L, _W, _F = Level.NONE, Level.READ, Level.LIMITED, Level.WRITE, Level.FULL
_AREAS = (
    Area.CUSTOMERS,
    Area.LEADS,
    Area.OPPORTUNITIES,
    Area.ACTIVITIES,
    Area.REPORTS,
    Area.SETTINGS,
)
MATRIX: dict[Role, dict[Area, Level]] = {
    role: dict(zip(_AREAS, levels, strict=True))
    for role, levels in {
        #                          customers leads opps  activities reports settings
        Role.ADMINISTRATOR: (_F, _F, _F, _F, _F, _F),
        Role.SALES_MANAGER: (_W, _W, _W, _W, _W, _L),
        Role.SALES_REPRESENTATIVE: (_W, _W, _W, _W, _R, _N),
        Role.SUPPORT_AGENT: (_W, _R, _R, _W, _N, _N),
        Role.READ_ONLY: (_R, _R, _R, _R, _R, _N),
    }.items()
}


class Permission(StrEnum):
    """Single acts that a level does not grant by itself."""

    REOPEN_OPPORTUNITY = "reopen an opportunity"
    REASSIGN_OTHERS = "reassign records of others"


PERMISSIONS: dict[Permission, frozenset[Role]] = {
    Permission.REOPEN_OPPORTUNITY: frozenset({Role.ADMINISTRATOR, Role.SALES_MANAGER}),
    Permission.REASSIGN_OTHERS: frozenset({Role.ADMINISTRATOR, Role.SALES_MANAGER}),
}


class Mark(Protocol):
    """What tells later that a request was carried out; stored with the first change it makes."""

    committed: bool

    def action(self) -> "Put | None":
        """What to add to that change's transaction; None when it is stored already."""


@dataclass(frozen=True, slots=True)
class Caller:
    """A verified caller of one tenant; the tenant comes from the token and from nowhere else."""

    tenant_id: str
    user_id: str
    roles: frozenset[Role]
    name: str = ""
    team_id: str | None = None
    correlation_id: str = ""
    origin: str = "api"
    """Where the change comes from: api, import, system."""
    causation_id: str | None = None
    """The id of the event that made this happen, when one did."""
    once: Mark | None = field(default=None, compare=False)
    """The Idempotency-Key of this request."""

    def level(self, area: Area) -> Level:
        """The furthest any of the caller's roles goes in an area."""
        return max((MATRIX[role][area] for role in self.roles), default=Level.NONE)

    def must(self, level: Level, area: Area) -> None:
        """Raise Forbidden unless the caller's rights in `area` reach `level`."""
        if self.level(area) < level:
            roles = ", ".join(sorted(self.roles)) or "none"
            raise Forbidden(
                f"This needs {level.name.lower()} rights on {area}; your role ({roles}) has "
                f"{self.level(area).name.lower()}."
            )

    def may(self, permission: Permission) -> bool:
        """Whether one of the caller's roles grants a single act."""
        return bool(self.roles & PERMISSIONS[permission])

    def must_be_allowed(self, permission: Permission) -> None:
        """Raise Forbidden unless `may(permission)`."""
        if not self.may(permission):
            allowed = ", ".join(sorted(PERMISSIONS[permission]))
            raise Forbidden(
                f"To {permission} you need one of these roles: {allowed}.", slug="forbidden-act"
            )

    def via(self, origin: str) -> "Caller":
        """The same caller acting through another door, without the request's Idempotency-Key."""
        return replace(self, origin=origin, once=None)


def system(tenant_id: str, *, correlation_id: str = "", causation_id: str | None = None) -> Caller:
    """The CRM itself acting in a tenant: consumers, state machines, workers."""
    return Caller(
        tenant_id=tenant_id,
        user_id="system",
        roles=frozenset({Role.ADMINISTRATOR}),
        name="Zebros CRM",
        correlation_id=correlation_id,
        origin="system",
        causation_id=causation_id,
    )
