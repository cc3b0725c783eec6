"""The WebSocket API in docs/asyncapi.json: how to sign in, and the messages in both directions."""

from typing import Any

_NOTIFICATION = "#/components/schemas/notifications.NotificationState"
_TOKEN = {
    "type": "string",
    "description": "An access token, as for the REST API. Browsers cannot send a header here.",
}

SERVER: dict[str, Any] = {
    "host": "{api}.execute-api.{region}.amazonaws.com",
    "pathname": "/live",
    "protocol": "wss",
    "description": "The stack's output SocketUrl; with a domain, wss://live.<domain>/live.",
    "variables": {"api": {"default": "api"}, "region": {"default": "us-east-1"}},
    "security": [{"$ref": "#/components/securitySchemes/token"}],
}
SECURITY: dict[str, Any] = {
    "token": {
        "type": "httpApiKey",
        "in": "query",
        "name": "token",
        "description": "`?token=<access token>` in the URL of the handshake, which is refused with "
        "401 without a valid one. It is read once: a connection outlives its token.",
    }
}


def _message(name: str, summary: str, properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "title": name,
        "summary": summary,
        "contentType": "application/json",
        "payload": {
            "type": "object",
            "properties": {"type": {"const": name}, **properties},
            "required": ["type", *properties],
        },
    }


MESSAGES: dict[str, Any] = {
    "live.notification": _message(
        "notification",
        "A new notification of the user, an item of `GET /notifications`.",
        {"notification": {"$ref": _NOTIFICATION}},
    ),
    "live.pong": _message("pong", "The answer to every message of the client.", {}),
    "live.closed": _message(
        "closed",
        "The last message before the connection is closed: the user has opened more than ten.",
        {"reason": {"type": "string"}},
    ),
    "live.anything": {
        "name": "anything",
        "title": "anything",
        "summary": "Any text, to learn whether the connection is alive and to keep it open.",
        "payload": {"type": "string"},
    },
}
CHANNEL: dict[str, Any] = {
    "address": "/live",
    "title": "The inbox of one user",
    "description": "A connection lasts at most two hours. What could not be sent is in the inbox.",
    "servers": [{"$ref": "#/servers/live"}],
    "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in MESSAGES},
    "bindings": {
        "ws": {
            "method": "GET",
            "query": {"type": "object", "properties": {"token": _TOKEN}, "required": ["token"]},
            "bindingVersion": "0.1.0",
        }
    },
}


def _operation(action: str, *names: str) -> dict[str, Any]:
    return {
        "action": action,
        "channel": {"$ref": "#/channels/live"},
        "messages": [{"$ref": f"#/channels/live/messages/{name}"} for name in names],
    }


OPERATIONS: dict[str, Any] = {
    "push-to-window": _operation("send", "live.notification", "live.pong", "live.closed"),
    "receive-from-window": _operation("receive", "live.anything"),
}
