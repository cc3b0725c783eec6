"""Prints the realm of a tenant, made from identity/realm.yaml, as JSON for Keycloak.

`python -m tools.realm acme --redirect-uri https://app.example.com/callback > acme.json`
"""

import argparse
import json
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import yaml

from edge.tokens import TENANT
from kernel.domain.permissions import Role
from kernel.domain.time_zones import DEFAULT_ZONE, is_time_zone
from tools.drift import ROOT

TEMPLATE = ROOT / "identity" / "realm.yaml"
_PLACEHOLDER = re.compile(r"\$\{([A-Z_]+)\}")
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_RESERVED = "master"
"""The realm of Keycloak's own administrators."""
_AUDIENCE = "zebros-api"
_MACHINE_ROLE = Role.READ_ONLY


class BadRealm(Exception):
    """An option that no realm can have; the message says which."""


@dataclass(frozen=True, slots=True)
class Options:
    """What distinguishes one tenant's realm from another's."""

    tenant: str
    redirect_uris: tuple[str, ...]
    """Where Keycloak may send people back to, exactly."""
    display_name: str = ""
    audience: str = _AUDIENCE
    machine_role: str = _MACHINE_ROLE
    time_zone: str = DEFAULT_ZONE
    """Of the company, as in the IANA time zone database; it decides what "today" is."""


def realm(options: Options) -> dict[str, Any]:
    """The realm as Keycloak imports it. Raises BadRealm."""
    if not TENANT.fullmatch(options.tenant) or options.tenant == _RESERVED:
        raise BadRealm(
            f"{options.tenant!r} cannot be a tenant: 1 to 63 of a-z, 0-9 and hyphens, neither "
            f"first nor last a hyphen, and not {_RESERVED!r}."
        )
    if not options.redirect_uris:
        raise BadRealm("A realm needs a redirect URI.")
    if options.machine_role not in list(Role):
        raise BadRealm(f"{options.machine_role!r} is no role; there are {', '.join(Role)}.")
    if not is_time_zone(options.time_zone):
        raise BadRealm(
            f"{options.time_zone!r} is no time zone; a name is such as Europe/Berlin or Etc/UTC."
        )
    origins = list(dict.fromkeys(_origin(uri) for uri in options.redirect_uris))
    template = yaml.safe_load(TEMPLATE.read_text(encoding="utf-8"))
    profile = template.pop("userProfile")
    values = {
        "TENANT": options.tenant,
        "DISPLAY_NAME": options.display_name or options.tenant,
        "REDIRECT_URIS": list(options.redirect_uris),
        "ORIGINS": origins,
        # Keycloak separates them so.
        "POST_LOGOUT_REDIRECT_URIS": "##".join(f"{origin}/" for origin in origins),
        "AUDIENCE": options.audience,
        "MACHINE_ROLE": options.machine_role,
        "TIME_ZONE": options.time_zone,
        "USER_PROFILE": json.dumps(profile),
    }
    filled: dict[str, Any] = _filled(template, values)
    return filled


def _origin(uri: str) -> str:
    """The scheme, host and port of a redirect URI. Raises BadRealm for one that is too wide."""
    parts = urlsplit(uri)
    secure = parts.scheme == "https" or (
        parts.scheme == "http" and (parts.hostname or "") in _LOOPBACK
    )
    if not secure or not parts.hostname or "*" in uri or "#" in uri or parts.username:
        raise BadRealm(
            f"{uri!r} cannot be a redirect URI: https://host/path, without * and #; http only for "
            "this machine."
        )
    return f"{parts.scheme}://{parts.netloc}"


def _filled(value: Any, values: dict[str, Any]) -> Any:
    """The template with its placeholders replaced; each is a whole value."""
    if isinstance(value, dict):
        return {key: _filled(one, values) for key, one in value.items()}
    if isinstance(value, list):
        return [_filled(one, values) for one in value]
    if isinstance(value, str) and (found := _PLACEHOLDER.fullmatch(value)):
        return values[found[1]]
    return value


def main(argv: Sequence[str] | None = None) -> int:
    """Print the realm; exit with 65 for options that no realm can have."""
    parser = argparse.ArgumentParser(prog="python -m tools.realm", description=__doc__)
    parser.add_argument("tenant", help="The realm's name; tokens name the tenant by it.")
    parser.add_argument(
        "--redirect-uri",
        action="append",
        required=True,
        help="Where people return to after signing in; may be given several times.",
    )
    parser.add_argument("--display-name", default="", help="The company's name, on its pages.")
    parser.add_argument("--audience", default=_AUDIENCE, help="As the stack's Audience.")
    parser.add_argument(
        "--machine-role",
        default=_MACHINE_ROLE.value,
        choices=[role.value for role in Role],
        help="The role of the machine client (default: %(default)s).",
    )
    parser.add_argument(
        "--time-zone",
        default=DEFAULT_ZONE,
        help='The company\'s, such as Europe/Berlin: what "today" is (default: %(default)s).',
    )
    given = parser.parse_args(argv)
    options = Options(
        given.tenant,
        tuple(given.redirect_uri),
        given.display_name,
        given.audience,
        given.machine_role,
        given.time_zone,
    )
    try:
        document = realm(options)
    except BadRealm as fault:
        print(fault, file=sys.stderr)
        return 65
    json.dump(document, sys.stdout, indent=2)
    print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
