"""Which web pages may read the API's answers: those of the one origin that the stack names."""

from typing import Any

import pytest

from edge import documents
from kernel.web.api import Api
from kernel.web.quotas import FIELDS
from tests.component.conftest import ApiClient

APP = "https://app.example.com"


def answered(origin: str | None) -> dict[str, str]:
    """The headers of an answer to a page of an origin."""
    from activities.bootstrap import table
    from activities.handlers import tasks

    api = ApiClient(Api("activities", table, tasks.routes))
    sent = {"origin": origin} if origin else {}
    answer = api("GET", "/tasks?due=today", None, sent)
    assert answer.status == 200
    return answer.headers


@pytest.mark.parametrize(
    ("allowed", "origin", "given"),
    [
        ("", APP, None),
        ("", None, None),
        (APP, APP, APP),
        (APP, None, None),
        (APP, "https://evil.example", None),
        (APP, f"{APP}.evil.example", None),
        ("*", APP, "*"),
    ],
)
def test_a_function_names_the_origin_that_may_read_its_answer(
    cloud: Any, monkeypatch: pytest.MonkeyPatch, allowed: str, origin: str | None, given: str | None
) -> None:
    monkeypatch.setenv("ALLOWED_ORIGIN", allowed)
    headers = answered(origin)
    assert headers.get("access-control-allow-origin") == given
    assert "access-control-allow-credentials" not in headers
    if given:
        assert set(FIELDS) <= set(headers["access-control-expose-headers"].split(","))


@pytest.mark.parametrize("allowed", ["", APP])
def test_a_document_names_it_always_because_it_is_cached(
    monkeypatch: pytest.MonkeyPatch, allowed: str
) -> None:
    monkeypatch.setenv("ALLOWED_ORIGIN", allowed)
    event = {"httpMethod": "GET", "resource": "/openapi.json", "headers": {}}
    headers = documents.handler(event, None)["headers"]
    assert headers.get("Access-Control-Allow-Origin", "") == allowed
