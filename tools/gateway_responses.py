"""The responses that API Gateway itself sends, for tools/gateway.py."""

import json
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from kernel.web.security import SECURITY_HEADERS


@dataclass(frozen=True, slots=True)
class GatewayResponse:
    """A response that API Gateway itself sends: a problem in the same form as the functions'."""

    kind: str
    status: HTTPStatus
    slug: str
    title: str
    detail: str
    headers: dict[str, str] = field(default_factory=dict)


# A literal is in single quotes; the ones in the value of Content-Security-Policy cannot be escaped.
_SECURITY = {name: f"'{value}'" for name, value in SECURITY_HEADERS.items() if "'" not in value}
_RETRY_AFTER = {"Retry-After": "'1'"}
RESPONSES = (
    GatewayResponse(
        "UNAUTHORIZED",
        HTTPStatus.UNAUTHORIZED,
        "unauthenticated",
        "Not signed in",
        "Send a bearer token of your tenant's identity provider.",
        {"WWW-Authenticate": "'Bearer'"},
    ),
    # The authorizer denies nothing else: a good token of an active tenant is for the whole API.
    GatewayResponse(
        "ACCESS_DENIED",
        HTTPStatus.FORBIDDEN,
        "tenant-suspended",
        "Suspended",
        "Your organisation's access is suspended; its data is kept.",
    ),
    # The authorizer raised or took too long. API Gateway never caches that.
    GatewayResponse(
        "AUTHORIZER_FAILURE",
        HTTPStatus.SERVICE_UNAVAILABLE,
        "not-ready",
        "Not ready",
        "Your token cannot be checked now; send the request again.",
        {"Retry-After": "'5'"},
    ),
    # The authorizer returned a key without a usage plan (infra/edge.yaml).
    GatewayResponse(
        "INVALID_API_KEY",
        HTTPStatus.FORBIDDEN,
        "forbidden",
        "Not allowed",
        "Your token does not give access to this API.",
    ),
    GatewayResponse(
        "MISSING_AUTHENTICATION_TOKEN",
        HTTPStatus.NOT_FOUND,
        "not-found",
        "Not found",
        "This path does not exist.",
    ),
    GatewayResponse(
        "RESOURCE_NOT_FOUND",
        HTTPStatus.NOT_FOUND,
        "not-found",
        "Not found",
        "This path does not exist.",
    ),
    GatewayResponse(
        "REQUEST_TOO_LARGE",
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "too-large",
        "Too large",
        "Send less at once.",
    ),
    GatewayResponse(
        "UNSUPPORTED_MEDIA_TYPE",
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        "unsupported-media-type",
        "Unsupported media type",
        "Send application/json.",
    ),
    GatewayResponse(
        "THROTTLED",
        HTTPStatus.TOO_MANY_REQUESTS,
        "throttled",
        "Too many requests",
        "Send the request again shortly.",
        _RETRY_AFTER,
    ),
    GatewayResponse(
        "QUOTA_EXCEEDED",
        HTTPStatus.TOO_MANY_REQUESTS,
        "throttled",
        "Too many requests",
        "The quota of this key is used up.",
    ),
    GatewayResponse(
        "DEFAULT_4XX",
        HTTPStatus.BAD_REQUEST,
        "malformed-request",
        "Malformed request",
        "The request cannot be read.",
    ),
    GatewayResponse(
        "INTEGRATION_TIMEOUT",
        HTTPStatus.SERVICE_UNAVAILABLE,
        "not-ready",
        "Not ready",
        "It took too long; send the request again.",
        _RETRY_AFTER,
    ),
    GatewayResponse(
        "DEFAULT_5XX",
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "internal",
        "Internal error",
        "Send the request again; report the correlation_id if it fails again.",
    ),
)
"""Every response that API Gateway itself sends, in the order of the document."""


ALLOWED_ORIGIN = {
    "Fn::If": ["HasOrigin", {"Fn::Sub": "'${AllowedOrigin}'"}, {"Ref": "AWS::NoValue"}]
}
"""The value of Access-Control-Allow-Origin; no header where no web page may call the API."""


def definition(response: GatewayResponse) -> dict[str, Any]:
    """The response as the extension x-amazon-apigateway-gateway-responses has it."""
    headers: dict[str, Any] = {
        **_SECURITY,
        **response.headers,
        "X-Correlation-Id": "context.requestId",
        "Access-Control-Allow-Origin": ALLOWED_ORIGIN,
        "Access-Control-Expose-Headers": "'X-Correlation-Id,Retry-After'",
        "Content-Type": "'application/problem+json'",
    }
    problem = {
        "type": f"urn:zebros:problem:{response.slug}",
        "title": response.title,
        "status": int(response.status),
        "detail": response.detail,
        "correlation_id": "$context.requestId",
    }
    return {
        "statusCode": str(int(response.status)),
        "responseParameters": {
            f"gatewayresponse.header.{name}": value for name, value in headers.items()
        },
        "responseTemplates": {"application/json": json.dumps(problem, separators=(",", ":"))},
    }
