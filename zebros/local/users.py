"""The demo users of the local issuer: tenants and their time zones, names and roles."""

from dataclasses import dataclass
from typing import Any

AUDIENCE = "zebros-api"
TENANTS = ("acme", "globex")
TIME_ZONES = {"acme": "America/New_York", "globex": "Europe/Berlin"}
"""The time zone of each tenant (IANA); any other is in UTC."""


@dataclass(frozen=True, slots=True)
class User:
    """A demo user; `username` is also the id (`sub`) and the password."""

    username: str
    name: str
    role: str
    team: str

    def claims(self) -> dict[str, Any]:
        """The claims of their tokens, named as by Keycloak."""
        return {
            "sub": self.username,
            "preferred_username": self.username,
            "name": self.name,
            "team": self.team,
            "realm_access": {"roles": [self.role]},
        }


_ROLES = {
    "admin": ("administrator", "operations"),
    "manager": ("sales-manager", "americas"),
    "rep": ("sales-representative", "americas"),
    "support": ("support-agent", "support"),
    "reader": ("read-only", "operations"),
}
_NAMES = {
    "acme": ("Odile Farrant", "Hugo Stenmark", "Wren Talbot", "Imara Voss", "Caspian Doyle"),
    "globex": ("Sunniva Ruiz", "Bram Oyelaran", "Lotte Quist", "Dario Penhale", "Aiko Brandt"),
}
_OTHER_NAMES = ("Admin", "Manager", "Representative", "Support", "Reader")


def users(tenant: str) -> dict[str, User]:
    """The demo users of a tenant by name: one of each role, and in acme the demo's sellers."""
    named = zip(_ROLES.items(), _NAMES.get(tenant, _OTHER_NAMES), strict=True)
    by_name = {key: User(key, name, role, team) for (key, (role, team)), name in named}
    if tenant == TENANTS[0]:
        from zebros.demo.sellers import SELLERS

        by_name |= {
            seller.user_id: User(
                seller.user_id, seller.name, "sales-representative", seller.team_id
            )
            for seller in SELLERS
        }
    return by_name


def user_of(tenant: str, name: str) -> User:
    """A demo user by name. Raises KeyError, which lists the users."""
    by_name = users(tenant)
    if name not in by_name:
        names = ", ".join(by_name)
        raise KeyError(f"{tenant} has no user {name or '(none given)'}; there are {names}")
    return by_name[name]
