"""Who is calling, and from where: the principal, and the context of one request."""

from dataclasses import dataclass, replace
from typing import Self

from kernel.domain.errors import FieldError, Forbidden, PermissionDenied
from kernel.domain.permissions import Area, Level, Permission, Role
from kernel.domain.time_zones import DEFAULT_ZONE

SYSTEM_USER = "system"
"""The CRM itself as a user."""


@dataclass(frozen=True, slots=True)
class Principal:
    """A verified user of one tenant; the tenant always comes from the token."""

    tenant_id: str
    user_id: str
    roles: frozenset[Role]
    name: str = ""
    team_id: str | None = None
    time_zone: str = DEFAULT_ZONE
    """The tenant's, which decides what "today" is."""
    country: str | None = None
    """The tenant's (ISO 3166 alpha-2): of telephone numbers without a country code."""
    plan: str = "standard"
    """The tenant's, which decides how much it may use at once."""

    def require(self, level: Level, area: Area) -> None:
        """Raise Forbidden unless the principal's rights in `area` reach `level`."""
        granted = area.level(self.roles)
        if granted < level:
            roles = ", ".join(sorted(self.roles)) or "none"
            raise Forbidden(
                f"This needs {level.name.lower()} rights on {area.name}; your role ({roles}) has "
                f"{granted.name.lower()}."
            )

    def require_permission(self, permission: Permission, *fields: str) -> None:
        """Raise PermissionDenied unless one of the principal's roles grants `permission`.

        `fields` are those that it is needed for, if it is needed for single ones.
        """
        if not self.roles & permission.roles:
            allowed = ", ".join(sorted(permission.roles))
            named = f" ({', '.join(fields)})" if fields else ""
            raise PermissionDenied(
                f"To {permission.act}{named} you need one of these roles: {allowed}.",
                errors=tuple(FieldError(name, f"needs one of: {allowed}") for name in fields),
            )


@dataclass(frozen=True, slots=True)
class RequestContext:
    """The principal, the ids and the origin of a request; its events carry them."""

    principal: Principal
    correlation_id: str = ""
    causation_id: str | None = None
    """The id of the event that caused this request, if one did."""
    origin: str = "api"
    """How the change came in: `api`, `import` or `system`."""

    @property
    def tenant_id(self) -> str:
        """The principal's tenant."""
        return self.principal.tenant_id

    def with_origin(self, origin: str) -> Self:
        """The same request with another origin."""
        return replace(self, origin=origin)


def system_request(
    tenant_id: str, *, correlation_id: str = "", causation_id: str | None = None
) -> RequestContext:
    """The CRM itself acting in a tenant: consumers, state machines, workers."""
    principal = Principal(
        tenant_id, SYSTEM_USER, frozenset({Role.ADMINISTRATOR}), name="Zebros CRM"
    )
    return RequestContext(principal, correlation_id, causation_id, origin="system")
