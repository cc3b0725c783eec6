"""Verifies access tokens: issuer, kind, signature, audience and expiry; returns who is calling.

Each tenant is one realm of the identity provider: a token's issuer is ISSUER_BASE followed by the
tenant's name, and nothing else names the tenant. Only RS256 is accepted.
"""

import hashlib
import json
import re
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import jwt

from edge.refusals import Rejected
from kernel.cache.connect import cached_reads
from kernel.cache.reading import Entry
from kernel.domain.permissions import Role
from kernel.domain.time_zones import DEFAULT_ZONE, known_zone
from kernel.runtime.log import logger

TENANT = re.compile(r"^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$")
CALLER = ("tenant", "user", "name", "team", "roles", "machine", "time_zone")
"""The members of an identity that API Gateway hands to functions as they are."""
_CLOCK_SKEW_SECONDS = 5
"""By how much the provider's clock may be ahead, for the times at which a token begins."""
_ACCESS_TOKEN_TYPES = ("at+jwt", "application/at+jwt")
"""The header `typ` of access tokens (RFC 9068, section 2.1)."""
_ID_TOKEN_CLAIMS = ("at_hash", "c_hash")
"""Claims that only an ID token has (OpenID Connect Core 1.0, section 3.3.2.11)."""
_LOGGED_ZONES = 1_000
"""The tenants whose unknown zone a process remembers to have logged."""

type KeyOf = Callable[[str, str, str], jwt.PyJWK]
"""The key of an issuer and its tenant by id; raises Rejected or CannotCheck."""


class Claimed(NamedTuple):
    """What an unverified token says about itself."""

    issuer: str
    tenant: str
    key_id: str


def _to_json(value: dict[str, Any]) -> bytes:
    return json.dumps(value).encode()


def _identity(text: bytes) -> dict[str, Any]:
    value = json.loads(text)
    if not isinstance(value, dict) or value.keys() != {*CALLER, "session", "expires"}:
        raise ValueError("not an identity")
    return value


# Verification takes less time than a wait for another caller's.
IDENTITIES = Entry("identity", 3, 60, _to_json, _identity, shared_load=False)


def tenant_of(issuer: str, base: str) -> str:
    """The tenant of an issuer. Raises Rejected for an issuer outside ISSUER_BASE."""
    tenant = issuer.removeprefix(base)
    if not issuer.startswith(base) or not TENANT.fullmatch(tenant):
        raise Rejected(f"unknown issuer {issuer[:200]!r}")
    return tenant


def read_unverified(token: str, base: str) -> Claimed:
    """What a token says about itself, when it can be an access token that has not expired.

    Raises Rejected before anything is asked, for everything that no key could make good.
    """
    try:
        parts = jwt.decode_complete(token, options={"verify_signature": False})
    except jwt.PyJWTError as fault:
        raise Rejected(f"{type(fault).__name__}: {fault}") from fault
    header, claims = parts["header"], parts["payload"]
    issuer = str(claims.get("iss", ""))
    tenant = tenant_of(issuer, base)
    if header.get("alg") != "RS256" or not isinstance(header.get("kid"), str):
        raise Rejected("the token is not signed with a key that it names, by RS256")
    _check_kind(header, claims)
    _check_expiry(claims.get("exp"))
    return Claimed(issuer, tenant, header["kid"])


def _check_kind(header: dict[str, Any], claims: dict[str, Any]) -> None:
    """Raise Rejected for a token of another kind: ID, refresh, offline, logout, …

    An access token says so in its header (RFC 9068), or in its claim `typ`, as Keycloak's do.
    """
    kind = str(header.get("typ", "")).lower()
    by_claim = kind in ("", "jwt") and claims.get("typ") == "Bearer"
    if kind not in _ACCESS_TOKEN_TYPES and not by_claim:
        given = f"{header.get('typ')!r}, {claims.get('typ')!r}"
        raise Rejected(f"no access token: its types are {given[:80]}")
    if claims.get("typ", "Bearer") != "Bearer" or any(name in claims for name in _ID_TOKEN_CLAIMS):
        raise Rejected("no access token: it has claims of another kind")


def _check_expiry(expires: Any) -> None:
    """Raise Rejected at the second of `exp`, without tolerance (RFC 7519, section 4.1.4)."""
    if isinstance(expires, bool) or not isinstance(expires, int | float):
        raise Rejected("the token does not say when it expires")
    if expires <= time.time():
        raise Rejected("the token has expired")


def identify(token: str, claimed: Claimed, audience: str, key_of: KeyOf) -> dict[str, Any]:
    """The identity in a token, verified now or within the last minute.

    Raises Rejected, or CannotCheck when its key cannot be known now.
    """
    # The whole token is in the key: another signature, or another audience, is another key.
    digest = hashlib.sha256(f"{claimed.issuer}\n{audience}\n{token}".encode()).hexdigest()
    found = cached_reads().get_or_load(
        IDENTITIES, claimed.tenant, (digest,), lambda: verify(token, claimed, audience, key_of)
    )
    _check_expiry(found["expires"])
    return found


def verify(token: str, claimed: Claimed, audience: str, key_of: KeyOf) -> dict[str, Any]:
    """Verify a token; returns the caller's identity. Raises Rejected or CannotCheck."""
    key = key_of(claimed.issuer, claimed.tenant, claimed.key_id)
    try:
        claims = jwt.decode(
            token,
            key.key,
            algorithms=["RS256"],
            audience=audience,
            issuer=claimed.issuer,
            leeway=_CLOCK_SKEW_SECONDS,
            options={"require": ["exp", "iat", "sub", "aud", "iss"]},
        )
    except jwt.PyJWTError as fault:
        raise Rejected(f"{type(fault).__name__}: {fault}") from fault
    if claims.get("azp") == audience:
        raise Rejected("no access token: it is addressed to the client that asked for it")
    return {
        "tenant": claimed.tenant,
        "user": str(claims["sub"]),
        "name": str(claims.get("name", "")),
        "team": str(claims.get("team", "")),
        "roles": ",".join(_roles(claims.get("realm_access"))),
        "machine": "yes" if _is_machine(claims) else "",
        "time_zone": _time_zone(claimed.tenant, claims),
        "session": str(claims.get("sid") or claims["sub"]),
        "expires": int(claims["exp"]),
    }


def _time_zone(tenant: str, claims: dict[str, Any]) -> str:
    """The tenant's time zone: the claim `zoneinfo`, which the realm puts into all of its tokens.

    The only place where the setting is read (docs/adr/0023). Without a known zone it is UTC.
    """
    given = claims.get("zoneinfo")
    zone = known_zone(given)
    if zone != given:
        _log_unknown_zone(tenant, repr(given)[:60])
    return zone


@lru_cache(_LOGGED_ZONES)
def _log_unknown_zone(tenant: str, given: str) -> None:
    """Log it once in a process, not with every token."""
    logger().warning("unknown time zone", tenant=tenant, zoneinfo=given, used=DEFAULT_ZONE)


def _is_machine(claims: dict[str, Any]) -> bool:
    """Whether a client has the token in its own name (the grant client_credentials of OAuth 2.0).

    Then `sub` identifies the client (RFC 9068, section 2.2): it equals `client_id`; in Keycloak it
    is a user named service-account-<client>.
    """
    if claims["sub"] == claims.get("client_id"):
        return True
    return str(claims.get("preferred_username", "")).startswith("service-account-")


def _roles(access: Any) -> list[str]:
    """The CRM's roles among those of the claim `realm_access`."""
    named = access.get("roles") if isinstance(access, dict) else None
    return [role.value for role in Role if role in named] if isinstance(named, list) else []
