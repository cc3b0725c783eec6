"""The headers of responses in docs/openapi.json."""

from typing import Any

HEADERS: dict[str, dict[str, Any]] = {
    "X-Correlation-Id": {
        "description": "By which the logs are searched: the request's, or a new one.",
        "schema": {"type": "string", "pattern": r"^[\x21-\x7e]{1,128}$"},
    },
    "Access-Control-Allow-Origin": {
        "description": "The origin whose web pages may call this API; without one, no header.",
        "schema": {"type": "string", "maxLength": 300},
    },
    "RateLimit": {
        "description": "What is left of the tenant's quota: `r` requests now, all of it again "
        "after `t` seconds (draft-ietf-httpapi-ratelimit-headers-10).",
        "schema": {"type": "string", "maxLength": 100},
        "example": '"tenant";r=187;t=1',
    },
    "RateLimit-Policy": {
        "description": "The tenant's quota: `q` requests at once, refilled within `w` seconds. "
        '`"instance"` in place of `"tenant"`: the figures are those of one function instance, '
        "because the shared count is not available.",
        "schema": {"type": "string", "maxLength": 100},
        "example": '"tenant";q=200;w=2',
    },
    "Retry-After": {
        "description": "Seconds to wait before sending the same request again, if it may succeed.",
        "schema": {"type": "integer", "minimum": 0, "maximum": 86_400},
    },
    "ETag": {
        "description": "A record's version in quotes, for If-Match and If-None-Match; the weak "
        "ETag of any other response, for If-None-Match.",
        "schema": {"type": "string", "pattern": '^(W/)?"[0-9a-f]{1,24}"$'},
        "example": '"3"',
    },
    "Location": {
        "description": "Where the record is, relative to the request's URL (RFC 9110, 10.2.2).",
        "schema": {"type": "string", "format": "uri-reference", "maxLength": 200},
        "example": "accounts/01ARZ3NDEKTSV4RRFFQ69G5FAV",
    },
    "Allow": {
        "description": "The methods that the path has.",
        "schema": {"type": "string", "maxLength": 100},
        "example": "GET, HEAD, OPTIONS, POST",
    },
    "WWW-Authenticate": {
        "description": "How to sign in (RFC 6750).",
        "schema": {"type": "string", "enum": ["Bearer"]},
    },
}
"""The headers of responses, by name, for `components`."""

_UNAUTHENTICATED = 401
_RETRY_AFTER = dict.fromkeys((409, 429, 503), "Retry-After")
_OF_STATUS = {401: "WWW-Authenticate", 405: "Allow"} | _RETRY_AFTER


def header(*names: str) -> dict[str, Any]:
    """Headers, as a response refers to them."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def always() -> dict[str, Any]:
    """The headers of every response to a request that counts for a quota."""
    return header(
        "X-Correlation-Id", "Access-Control-Allow-Origin", "RateLimit", "RateLimit-Policy"
    )


def of_problem(status: int) -> dict[str, Any]:
    """The headers of a problem. A request without a valid token has no tenant and no quota."""
    own = header(_OF_STATUS[status]) if status in _OF_STATUS else {}
    if status == _UNAUTHENTICATED:
        return header("X-Correlation-Id", "Access-Control-Allow-Origin") | own
    return always() | own
