"""The WebSocket API: connections open and close; a message is answered with a pong."""

from typing import Any

from kernel.runtime.log import logger
from kernel.runtime.work import working_on
from kernel.web.requests import has_expired
from notifications.bootstrap import connections


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """API Gateway WebSocket event; the authorizer's context names tenant and user."""
    request = event["requestContext"]
    tenant = (request.get("authorizer") or {}).get("tenant")
    with working_on(lambda: {"tenant": tenant, "connection": request["connectionId"]}):
        return _serve(request)


def _serve(request: dict[str, Any]) -> dict[str, Any]:
    who = request.get("authorizer") or {}
    tenant_id, user_id = who.get("tenant"), who.get("user")
    route, connection_id = request["routeKey"], request["connectionId"]
    logger().info("socket", route=route, connection=connection_id, tenant=tenant_id)
    if route == "$default":
        # Posted, because API Gateway ignores a returned body without a route response.
        connections().pong(connection_id)
        return {"statusCode": 200}
    if not tenant_id or not user_id:
        # Some platforms omit the context on $disconnect; the item is then removed by its TTL, or by
        # the first push that finds the connection gone.
        return {"statusCode": 200 if route == "$disconnect" else 401}
    if route == "$connect":
        if has_expired(who):
            return {"statusCode": 401}
        connections().connect(tenant_id, user_id, connection_id)
    else:
        connections().disconnect(tenant_id, user_id, connection_id)
    return {"statusCode": 200}
