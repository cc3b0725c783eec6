"""The Lambda authorizer of both APIs: turns a bearer token into a policy and the caller's identity.

The registry of tenants is asked before anything else, so that a token of an unknown realm costs no
call to the identity provider. What API Gateway answers for what the authorizer does:

  raises "Unauthorized"   401   the token is not accepted
  returns Deny            403   the tenant is suspended
  raises anything else    503   whether the token is good cannot be known now; never cached
  returns Allow                 cached for 300 s; the functions refuse it when the token has expired
"""

from functools import cache, partial
from typing import TYPE_CHECKING, Any

from edge.keys import KeysOfIssuers
from edge.refusals import CannotCheck, Rejected, Suspended
from edge.registry import TableKeyStore, Tenant, TenantRegistry, TenantState
from edge.settings import AuthorizerSettings
from edge.sign_ins import SignIns
from edge.tokens import CALLER, identify, read_unverified
from kernel.cache.connect import shared_cache
from kernel.cache.sessions import ActiveSessions
from kernel.cache.usage import cache_usage
from kernel.domain.clock import utc_now
from kernel.domain.errors import ReadOnlyRegion
from kernel.runtime.aws import client, fence_of
from kernel.runtime.log import logger
from kernel.runtime.metrics import ACTIVE_SESSIONS, together
from kernel.runtime.settings import read_settings
from kernel.runtime.work import working_on
from kernel.storage.table import Table

if TYPE_CHECKING:
    from kernel.runtime.fence import Fence


@cache
def table() -> Table:
    """The edge's table."""
    # A request waits for this read, and may be repeated: it must not wait for long.
    return Table(client("dynamodb", impatient=True), read_settings(AuthorizerSettings).table_name)


@cache
def registry() -> TenantRegistry:
    """The tenants."""
    return TenantRegistry(table())


@cache
def keys() -> KeysOfIssuers:
    """The keys of their issuers."""
    return KeysOfIssuers(TableKeyStore(table()))


@cache
def sign_ins() -> SignIns:
    """The queue of people who have signed in."""
    url = read_settings(AuthorizerSettings).sign_ins_queue_url
    return SignIns(
        lambda: client("sqs", impatient=True), url, utc_now, region_writes=_region_writes
    )


@cache
def fence() -> "Fence | None":
    """Says which of two regions writes; None in a system with one."""
    table_name = read_settings(AuthorizerSettings).sign_ins_fence_name
    return fence_of(table_name) if table_name else None


def _region_writes() -> bool:
    one = fence()
    try:
        if one is not None:
            one.check()
    except ReadOnlyRegion:
        return False
    return True


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """API Gateway's TOKEN authorizer (REST) and REQUEST authorizer (WebSocket)."""
    try:
        caller, tenant = _identified(_token(event), read_settings(AuthorizerSettings))
    except Rejected as why:
        _log_refusal("token rejected", why)
        # The one message API Gateway turns into a 401.
        raise Exception("Unauthorized") from None
    except Suspended as why:
        _log_refusal("tenant suspended", why)
        return _policy(event, "Deny", str(why))
    except CannotCheck as why:
        _log_refusal("token cannot be checked", why)
        raise
    with working_on(partial(_named, caller)):
        _measure(caller)
        sign_ins().report(caller)
    return _allowed(event, caller, tenant, read_settings(AuthorizerSettings))


def _named(caller: dict[str, Any]) -> dict[str, str]:
    """What a warning says. API Gateway gives an authorizer of tokens no correlation id."""
    return {"tenant": caller["tenant"], "record": f"person/{caller['user']}"}


def _identified(token: str, settings: AuthorizerSettings) -> tuple[dict[str, Any], Tenant]:
    """Who is calling. Raises Rejected, Suspended or CannotCheck."""
    claimed = read_unverified(token, settings.issuer_base)
    tenant = registry().find(claimed.tenant)
    if tenant is None:
        raise Rejected(f"there is no tenant {claimed.tenant}")
    active = tenant.state is TenantState.ACTIVE

    def key_of(issuer: str, name: str, key_id: str) -> Any:
        # A suspended tenant's token is verified without a call: nobody else learns its state.
        return keys().of(issuer, name).key(key_id, ask=active)

    try:
        caller = identify(token, claimed, settings.audience, key_of)
    except CannotCheck:
        if active:
            raise
        raise Suspended(claimed.tenant) from None
    if not active:
        raise Suspended(claimed.tenant)
    return caller, tenant


def _token(event: dict[str, Any]) -> str:
    """The token in `Authorization: Bearer` (REST) or `?token=` (WebSocket, without headers)."""
    if event.get("type") == "TOKEN":
        scheme, _, token = str(event.get("authorizationToken", "")).partition(" ")
        return token.strip() if scheme.lower() == "bearer" else ""
    return str((event.get("queryStringParameters") or {}).get("token", ""))


def _allowed(
    event: dict[str, Any], caller: dict[str, Any], tenant: Tenant, settings: AuthorizerSettings
) -> dict[str, Any]:
    return {
        **_policy(event, "Allow", f"{caller['tenant']}/{caller['user']}"),
        "context": {
            **{name: caller[name] for name in CALLER},
            "plan": tenant.plan.value,
            "country": tenant.country or "",
            # API Gateway may serve this answer for 300 s more: the functions compare it themselves.
            "expires": str(caller["expires"]),
        },
        "usageIdentifierKey": settings.machines_key if caller["machine"] else settings.people_key,
    }


def _policy(event: dict[str, Any], effect: str, principal: str) -> dict[str, Any]:
    # API Gateway caches the policy per token, so it must be about the whole stage.
    api, stage = event["methodArn"].split("/")[:2]
    statement = {
        "Action": "execute-api:Invoke",
        "Effect": effect,
        "Resource": f"{api}/{stage}/*",
    }
    return {
        "principalId": principal,
        "policyDocument": {"Version": "2012-10-17", "Statement": [statement]},
    }


def _log_refusal(message: str, why: Exception) -> None:
    usage, kinds = cache_usage("edge")
    logger().info(message, why=str(why), **kinds, **together(*usage))


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
