"""The Lambda authorizer of both APIs: turns a bearer token into a policy and the caller's identity.

Each tenant is one realm of the identity provider: a token's issuer is ISSUER_BASE followed by the
tenant's name, and nothing else names the tenant. Keys come from the issuer's discovery document
(OpenID Connect Discovery 1.0) and are cached; only RS256 is accepted.
"""

import hashlib
import json
import math
import re
import time
import urllib.request
from functools import cache, lru_cache
from typing import Any

import jwt

from edge.settings import AuthorizerSettings
from kernel.cache.connect import cached_reads, shared_cache
from kernel.cache.reading import Entry
from kernel.cache.sessions import ActiveSessions
from kernel.cache.usage import cache_usage
from kernel.domain.clock import utc_now
from kernel.domain.permissions import Role
from kernel.domain.time_zones import DEFAULT_ZONE, known_zone
from kernel.runtime.log import logger
from kernel.runtime.metrics import ACTIVE_SESSIONS, together
from kernel.runtime.settings import read_settings

TENANT = re.compile(r"^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$")
_KEYS_SECONDS = 300
_NEW_KEY_SECONDS = 5
"""The shortest time between two fetches because of tokens that name a key that is not cached."""
_LEEWAY_SECONDS = 5
_FETCH_SECONDS = 3
_CALLER = ("tenant", "user", "name", "team", "roles", "machine", "time_zone")
"""The members of an identity that API Gateway hands to functions."""
_LOGGED_ZONES = 1_000
"""The tenants whose unknown zone a process remembers to have logged."""


class Rejected(Exception):
    """The token is not accepted; the message is for the log, not for the caller."""


def _to_json(value: dict[str, Any]) -> bytes:
    return json.dumps(value).encode()


def _object(text: bytes) -> dict[str, Any]:
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError("not an object")
    return value


def _identity(text: bytes) -> dict[str, Any]:
    value = _object(text)
    if value.keys() != {*_CALLER, "session", "expires"}:
        raise ValueError("not an identity")
    return value


# Verification takes less time than a wait for another caller's.
_IDENTITIES = Entry("identity", 2, 60, _to_json, _identity, shared_load=False)
_DISCOVERIES = Entry("discovery", 1, _KEYS_SECONDS, _to_json, _object)
_KEY_SETS = Entry("jwks", 1, _KEYS_SECONDS, _to_json, _object)


class _SharedKeys(jwt.PyJWKClient):
    """An issuer's keys, which all instances share through the cache."""

    def __init__(self, tenant: str, jwks_uri: str) -> None:
        # PyJWT's own pause would begin with every fetch: a key that is new soon after one of the
        # regular fetches would be rejected.
        super().__init__(
            jwks_uri, lifespan=_KEYS_SECONDS, cooldown_duration=0, timeout=_FETCH_SECONDS
        )
        self._tenant = tenant
        self._refreshed = -math.inf

    def get_jwk_set(self, refresh: bool = False) -> jwt.PyJWKSet:
        """The keys; `refresh` (for a key that is not among them) asks the issuer itself."""
        if not refresh or time.monotonic() < self._refreshed + _NEW_KEY_SECONDS:
            return super().get_jwk_set()
        cached_reads().forget(_KEY_SETS, self._tenant, (self.uri,))
        keys = super().get_jwk_set(refresh=True)
        self._refreshed = time.monotonic()
        return keys

    def fetch_data(self) -> Any:
        """The key set from the cache or from the issuer."""
        fetch = super().fetch_data
        return cached_reads().get_or_load(_KEY_SETS, self._tenant, (self.uri,), fetch)


def _discover(issuer: str) -> dict[str, Any]:
    """The issuer's discovery document, as far as it is needed. Raises Rejected."""
    url = f"{issuer}/.well-known/openid-configuration"
    try:
        # The issuer begins with ISSUER_BASE, so the operator chose its scheme.
        with urllib.request.urlopen(url, timeout=_FETCH_SECONDS) as answer:  # noqa: S310
            return {"jwks_uri": str(json.load(answer)["jwks_uri"])}
    except (OSError, ValueError, KeyError, TypeError) as fault:
        raise Rejected(f"issuer {issuer} cannot be discovered: {fault!r}") from fault


@cache
def _keys(issuer: str, tenant: str) -> jwt.PyJWKClient:
    """The signing keys of an issuer, found by discovery and cached for five minutes."""
    found = cached_reads().get_or_load(_DISCOVERIES, tenant, (issuer,), lambda: _discover(issuer))
    jwks_uri = str(found.get("jwks_uri"))
    # Keys from another host could sign tokens for this tenant.
    if not jwks_uri.startswith(f"{issuer}/"):
        raise Rejected(f"issuer {issuer} names keys outside itself")
    return _SharedKeys(tenant, jwks_uri)


def _key(issuer: str, tenant: str, token: str) -> jwt.PyJWK:
    """The key that a token names. Raises Rejected or PyJWTError."""
    try:
        return _keys(issuer, tenant).get_signing_key_from_jwt(token)
    except (OSError, ValueError) as fault:  # a broken connection, or a response that is not JSON
        raise Rejected(f"the keys of {issuer} cannot be fetched: {fault!r}") from fault


def tenant_of(issuer: str, base: str) -> str:
    """The tenant of an issuer. Raises Rejected for an issuer outside ISSUER_BASE."""
    tenant = issuer.removeprefix(base)
    if not issuer.startswith(base) or not TENANT.fullmatch(tenant):
        raise Rejected(f"unknown issuer {issuer[:200]!r}")
    return tenant


def identify(token: str, base: str, audience: str) -> dict[str, Any]:
    """The identity in a token, verified now or within the last minute. Raises Rejected."""
    _, tenant = _claimed(token, base)
    # The whole token is in the key: another signature, or another audience, is another key.
    digest = hashlib.sha256(f"{base}\n{audience}\n{token}".encode()).hexdigest()
    found = cached_reads().get_or_load(
        _IDENTITIES, tenant, (digest,), lambda: verify(token, base, audience)
    )
    if found["expires"] + _LEEWAY_SECONDS <= time.time():
        raise Rejected("the token has expired since it was verified")
    return found


def _claimed(token: str, base: str) -> tuple[str, str]:
    """The issuer and the tenant that an unverified token names. Raises Rejected."""
    try:
        claims = jwt.decode(token, options={"verify_signature": False})
    except jwt.PyJWTError as fault:
        raise Rejected(f"{type(fault).__name__}: {fault}") from fault
    issuer = str(claims.get("iss", ""))
    return issuer, tenant_of(issuer, base)


def verify(token: str, base: str, audience: str) -> dict[str, Any]:
    """Verify a token; returns the caller's identity. Raises Rejected."""
    issuer, tenant = _claimed(token, base)
    try:
        key = _key(issuer, tenant, token)
        if key.key_type != "RSA":  # PyJWT would raise a TypeError, which is not a PyJWTError
            raise Rejected(f"key {key.key_id} is {key.key_type}: RS256 needs RSA")
        claims = jwt.decode(
            token,
            key.key,
            algorithms=["RS256"],
            audience=audience,
            issuer=issuer,
            leeway=_LEEWAY_SECONDS,
            options={"require": ["exp", "iat", "sub", "aud", "iss"]},
        )
    except jwt.PyJWTError as fault:
        raise Rejected(f"{type(fault).__name__}: {fault}") from fault
    return {
        "tenant": tenant,
        "user": str(claims["sub"]),
        "name": str(claims.get("name", "")),
        "team": str(claims.get("team", "")),
        "roles": ",".join(_roles(claims.get("realm_access"))),
        "machine": "yes" if _is_machine(claims) else "",
        "time_zone": _time_zone(tenant, claims),
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


def _measure(caller: dict[str, Any]) -> None:
    """Count the caller's session and what the cache saved, where there is a cache."""
    new = ActiveSessions(shared_cache(), utc_now).seen(caller["tenant"], caller["session"])
    usage, kinds = cache_usage("edge")
    sessions = [ACTIVE_SESSIONS.fields(new)] if new else []
    # Without metrics there is no line: API Gateway asks once in 300 s for each token.
    if usage or sessions:
        logger().info(
            "caller identified", tenant=caller["tenant"], **kinds, **together(*usage, *sessions)
        )


def _token(event: dict[str, Any]) -> str:
    """The token in `Authorization: Bearer` (REST) or `?token=` (WebSocket, without headers)."""
    if event.get("type") == "TOKEN":
        scheme, _, token = str(event.get("authorizationToken", "")).partition(" ")
        return token.strip() if scheme.lower() == "bearer" else ""
    return str((event.get("queryStringParameters") or {}).get("token", ""))


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """API Gateway's TOKEN authorizer (REST) and REQUEST authorizer (WebSocket)."""
    try:
        settings = read_settings(AuthorizerSettings)
        caller = identify(_token(event), settings.issuer_base, settings.audience)
    except Rejected as why:
        usage, kinds = cache_usage("edge")
        logger().info("token rejected", why=str(why), **kinds, **together(*usage))
        # The one message API Gateway turns into a 401.
        raise Exception("Unauthorized") from None
    _measure(caller)
    # API Gateway caches the policy per token, so it must allow the whole stage.
    api, stage = event["methodArn"].split("/")[:2]
    return {
        "principalId": f"{caller['tenant']}/{caller['user']}",
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Action": "execute-api:Invoke",
                    "Effect": "Allow",
                    "Resource": f"{api}/{stage}/*",
                }
            ],
        },
        "context": {name: caller[name] for name in _CALLER},
        "usageIdentifierKey": settings.machines_key if caller["machine"] else settings.people_key,
    }
