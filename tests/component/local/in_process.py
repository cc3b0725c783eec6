"""The API in this process: an httpx transport that hands requests to the contexts' handlers."""

import importlib
import importlib.util
from typing import Any

import httpx

from local.client import Client, GivenToken

CONTEXTS = {
    "accounts": "customers",
    "contacts": "customers",
    "opportunities": "opportunities",
    "products": "opportunities",
    "pipelines": "opportunities",
}
CLAIMS = {
    "tenant": "acme",
    "user": "admin",
    "roles": "administrator",
    "name": "Odile Farrant",
    "team": "operations",
}


def answer(request: httpx.Request) -> httpx.Response:
    """What API Gateway would answer."""
    context = CONTEXTS.get(request.url.path.split("/")[1])
    if context is None or importlib.util.find_spec(f"{context}.handlers.api") is None:
        return httpx.Response(404, json={"title": "Not found", "status": 404})
    handler: Any = importlib.import_module(f"{context}.handlers.api").handler
    query: dict[str, list[str]] = {}
    for name, value in request.url.params.multi_items():
        query.setdefault(name, []).append(value)
    event = {
        "httpMethod": request.method,
        "path": request.url.path,
        "resource": request.url.path,
        "headers": dict(request.headers),
        "queryStringParameters": {name: values[-1] for name, values in query.items()} or None,
        "multiValueQueryStringParameters": query or None,
        "body": request.content.decode() or None,
        "isBase64Encoded": False,
        "requestContext": {"authorizer": CLAIMS, "requestId": "r"},
    }
    raw = handler(event, None)
    headers = {name: values[0] for name, values in raw["multiValueHeaders"].items()}
    return httpx.Response(raw["statusCode"], headers=headers, text=raw["body"])


def client() -> Client:
    """A client of the API in this process."""
    return Client("http://crm.test", GivenToken("t"), transport=httpx.MockTransport(answer))
