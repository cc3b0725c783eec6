"""The API without a server: an httpx transport calls the contexts' handlers in this process."""

import importlib
import os
from typing import Any

import httpx
import pytest

from tests.component.conftest import create_table
from zebros.client.api import Client, StaticToken

CONTEXTS = {
    "accounts": "customers",
    "contacts": "customers",
    "opportunities": "opportunities",
    "products": "opportunities",
    "pipelines": "opportunities",
    "tasks": "activities",
    "openapi.json": "",
}
CLAIMS = {
    "tenant": "acme",
    "user": "admin",
    "roles": "administrator",
    "name": "Odile Farrant",
    "team": "operations",
    "expires": "4102444800",
}


def create_tables(cloud: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Create the tables of the contexts, as in their stacks."""
    monkeypatch.setenv("CONTACTS_TABLE_NAME", "contacts")
    for name in ("customers", "contacts", "opportunities", "activities"):
        create_table(cloud, name)


def answer(request: httpx.Request) -> httpx.Response:
    """Call the handler of a path, as API Gateway does, and return its response."""
    context = CONTEXTS[request.url.path.split("/")[1]]
    module = f"{context}.handlers.api" if context else "edge.documents"
    # A context reads it once, at its first request. The `cloud` fixture restores the old value.
    os.environ["TABLE_NAME"] = context
    handler: Any = importlib.import_module(module).handler
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
    many = raw.get("multiValueHeaders") or {k: [v] for k, v in raw["headers"].items()}
    headers = {name: values[0] for name, values in many.items()}
    return httpx.Response(raw["statusCode"], headers=headers, text=raw["body"])


def client() -> Client:
    """A client of the API in this process."""
    return Client("http://crm.test", StaticToken("t"), transport=httpx.MockTransport(answer))
