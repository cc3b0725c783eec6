"""The public paths: documents and health."""

import json
from typing import Any

import pytest

from edge.documents import handler


def get(path: str, **headers: str) -> Any:
    return handler({"resource": path, "path": path, "headers": headers or None}, None)


@pytest.mark.parametrize("path", ["/openapi.json", "/asyncapi.json", "/health", "/v1/health"])
def test_public_paths_are_answered(path: str) -> None:
    answer = get(path)
    assert (answer["statusCode"], answer["headers"]["Content-Type"]) == (200, "application/json")
    assert json.loads(answer["body"])


def test_any_other_path_is_not_found() -> None:
    answer = get("/secrets")
    problem = json.loads(answer["body"])
    assert answer["headers"]["Content-Type"] == "application/problem+json"
    assert (answer["statusCode"], problem["type"]) == (404, "urn:zebros:problem:not-found")
    assert problem["correlation_id"] == answer["headers"]["X-Correlation-Id"]


@pytest.mark.parametrize("path", ["/health", "/openapi.json", "/secrets"])
def test_every_answer_has_the_callers_correlation_id_or_a_new_one(path: str) -> None:
    assert get(path, **{"x-correlation-id": "mine"})["headers"]["X-Correlation-Id"] == "mine"
    for unusable in ("a b", "x" * 129, "", "a\n"):
        found = get(path, **{"X-Correlation-Id": unusable})["headers"]["X-Correlation-Id"]
        assert len(found) == 26
