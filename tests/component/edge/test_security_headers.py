"""Every response has the header fields of OWASP's REST Security Cheat Sheet."""

from typing import Any

import pytest

from edge import documents
from tests.component.conftest import ApiClient

FIELDS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "strict-transport-security": "max-age=63072000",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


@pytest.mark.parametrize(
    ("method", "path", "body", "claims", "status"),
    [
        ("GET", "/tasks?due=today", None, {}, 200),
        ("POST", "/tasks", {"title": "Call"}, {}, 201),
        ("POST", "/tasks", {}, {}, 422),
        ("POST", "/tasks", "{", {}, 400),
        ("GET", "/tasks/unknown", None, {}, 404),
        ("GET", "/nothing", None, {}, 404),
        ("GET", "/tasks?due=today", None, {"expires": "1"}, 401),
        ("POST", "/tasks", {"title": "Call"}, {"roles": ""}, 403),
    ],
)
def test_answers_and_problems_have_them(
    cloud: Any, method: str, path: str, body: Any, claims: dict[str, str], status: int
) -> None:
    from activities.handlers.api import handler

    answer = ApiClient(handler, **claims)(method, path, body)
    assert answer.status == status, answer.text
    assert {name: answer.headers.get(name) for name in FIELDS} == FIELDS


@pytest.mark.parametrize(
    ("path", "cached"),
    [
        ("/openapi.json", "public, max-age=300"),
        ("/asyncapi.json", "public, max-age=300"),
        ("/health", "no-store"),
        ("/nothing", "no-store"),
    ],
)
def test_published_documents_have_them_and_may_be_cached(path: str, cached: str) -> None:
    event = {"httpMethod": "GET", "path": path, "resource": path, "headers": {}}
    headers = documents.handler(event, None)["headers"]
    found = {name.lower(): value for name, value in headers.items()}
    assert {name: found.get(name) for name in FIELDS} == {**FIELDS, "cache-control": cached}
