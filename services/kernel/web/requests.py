"""Reads an API Gateway REST proxy event: principal, body, merge patch and query string."""

import base64
import json
import re
import time
from typing import Any

from pydantic import BaseModel, ValidationError

from kernel.domain.errors import (
    Forbidden,
    Invalid,
    Malformed,
    TooLarge,
    Unauthenticated,
    UnsupportedMediaType,
)
from kernel.domain.events import MAX_USER_ID
from kernel.domain.permissions import Role
from kernel.domain.principal import Principal, RequestContext
from kernel.domain.time_zones import known_zone
from kernel.domain.validation import given_by, invalid_fields

MAX_BODY_BYTES = 1_000_000
_REPLACEMENT = "\ufffd"
"""API Gateway's replacement for bytes that are not UTF-8."""

_COUNTRY = re.compile("[A-Z]{2}")

Event = dict[str, Any]
Headers = dict[str, str]
"""By lower-case name."""


def headers_of(event: Event) -> Headers:
    """The request's headers."""
    given = event.get("headers") or {}
    return {name.lower(): value for name, value in given.items() if value is not None}


def claims_of(event: Event) -> dict[str, Any]:
    """The claims that the authorizer found in the caller's token."""
    return (event.get("requestContext") or {}).get("authorizer") or {}


def time_zone_of(event: Event) -> str:
    """The time zone of the caller's tenant."""
    return known_zone(claims_of(event).get("time_zone"))


def country_of(event: Event) -> str | None:
    """The country of the caller's tenant."""
    country = str(claims_of(event).get("country") or "")
    return country if _COUNTRY.fullmatch(country) else None


def verified_claims(event: Event) -> dict[str, Any]:
    """The claims of a token that has not expired. Raises Unauthenticated."""
    claims = claims_of(event)
    if not claims.get("tenant") or not claims.get("user"):
        raise Unauthenticated("Send a bearer token of your tenant's identity provider.")
    if has_expired(claims):
        raise Unauthenticated("Your token has expired; get a new one and send the request again.")
    return claims


def has_expired(claims: dict[str, Any]) -> bool:
    """Whether the token has expired, or says nothing about it.

    The authorizer checked it, but API Gateway uses the authorizer's answer for 300 s more.
    """
    expires = str(claims.get("expires") or "")
    return not expires.isascii() or not expires.isdigit() or int(expires) <= time.time()


def request_context(event: Event) -> RequestContext:
    """The context of a request. Raises Unauthenticated, or Forbidden for invalid claims."""
    claims = verified_claims(event)
    for claim, value in (("sub", claims["user"]), ("team", claims.get("team") or "-")):
        # Both are stored as a UserId, whose validation would fail later with a worse message.
        if value != value.strip() or len(value) > MAX_USER_ID:
            raise Forbidden(
                f"The claim {claim} of your token must have 1 to {MAX_USER_ID} characters and no "
                "space around them; ask the administrator of your identity provider to correct it."
            )
    known = {role.value for role in Role}
    roles = str(claims.get("roles", "")).split(",")
    principal = Principal(
        tenant_id=claims["tenant"],
        user_id=claims["user"],
        roles=frozenset(Role(role) for role in roles if role in known),
        name=claims.get("name") or claims["user"],
        team_id=claims.get("team") or None,
        time_zone=time_zone_of(event),
        country=country_of(event),
        plan=claims.get("plan") or "standard",
    )
    return RequestContext(principal, event["correlation_id"])


def body_text(event: Event, *, allow_replaced_bytes: bool) -> str:
    """The body. Raises Malformed when it is not UTF-8, TooLarge when it is too large.

    With `allow_replaced_bytes`, bytes that are not UTF-8 affect only their own item of a batch.
    """
    text = event.get("body") or ""
    if event.get("isBase64Encoded"):
        try:
            text = base64.b64decode(text).decode()
        except ValueError as error:
            raise Malformed("The body is not UTF-8 text.") from error
    if _REPLACEMENT in text and not allow_replaced_bytes:
        raise Malformed("The body is not UTF-8 text (or has U+FFFD, which stands for such bytes).")
    if len(text.encode()) > MAX_BODY_BYTES:
        raise TooLarge(f"A body may have {MAX_BODY_BYTES:,} bytes; use batches.")
    return str(text)


def read_body(
    model: type[BaseModel], text: str, headers: Headers, country: str | None = None
) -> BaseModel:
    """The body as a model; `country` is the tenant's.

    Raises UnsupportedMediaType, Malformed, Invalid.
    """
    _check_media_type(headers, ("application/json",))
    try:
        return model.model_validate_json(text or "{}", context=given_by(country))
    except ValidationError as error:
        first = error.errors()[0]
        if first["type"] == "json_invalid":
            raise Malformed(f"The body is not valid JSON: {first['ctx']['error']}.") from error
        raise invalid_fields(error) from error


def read_patch(text: str, headers: Headers) -> dict[str, Any]:
    """The body as a merge patch (RFC 7396). Raises UnsupportedMediaType, Malformed."""
    _check_media_type(headers, ("application/merge-patch+json", "application/json"))
    try:
        patch = json.loads(text)
    except json.JSONDecodeError as error:
        raise Malformed(f"The body is not valid JSON: {error}.") from error
    except (ValueError, RecursionError) as error:
        raise Malformed("The body has a number too long, or is nested too deeply.") from error
    if not isinstance(patch, dict):
        raise Malformed("A merge patch is a JSON object with the fields to change.")
    return patch


def read_query(model: type[BaseModel], event: Event) -> BaseModel:
    """The query string as a model. Raises Invalid, also for a filter that does not exist."""
    given = event.get("multiValueQueryStringParameters") or {}
    repeated = [name for name, values in given.items() if len(values) > 1]
    if repeated:
        raise Invalid.field(repeated[0][:80], "is given twice; give it once")
    names = [field.alias or name for name, field in model.model_fields.items()]
    for name in given:
        if name not in names:
            what = "filter of this list" if "limit" in names else "parameter of this request"
            raise Invalid.field(name[:80], f"is not a {what}; it has: {', '.join(sorted(names))}")
    try:
        return model.model_validate({name: values[0] for name, values in given.items()})
    except ValidationError as error:
        raise invalid_fields(error) from error


def _check_media_type(headers: Headers, allowed: tuple[str, ...]) -> None:
    media_type = (headers.get("content-type") or allowed[0]).split(";")[0].strip().lower()
    if media_type not in allowed:
        raise UnsupportedMediaType(f"Send {' or '.join(allowed)}, not {media_type[:80]}.")
