"""Quotas through an API: fair to other tenants, shown in every response, free of table reads."""

import re
from typing import Any

import pytest

from tests.component.conftest import ApiClient
from tests.component.kernel.valkey_server import PASSWORD, Server
from tests.component.test_budgets import Meter

PRODUCT = {"name": "GTX Plus", "code": "gtx"}


@pytest.fixture
def api(cloud: Any, monkeypatch: pytest.MonkeyPatch) -> ApiClient:
    """An API whose tenants may send one request a second, and three at once."""
    from opportunities.handlers.api import handler

    monkeypatch.setenv("TENANT_REQUESTS_PER_SECOND", "1")
    monkeypatch.setenv("TENANT_BURST", "3")
    return ApiClient(handler)


@pytest.fixture
def shared(api: ApiClient, server: Server, monkeypatch: pytest.MonkeyPatch) -> ApiClient:
    """The same with a cache."""
    monkeypatch.setenv("CACHE_ENDPOINT", server.url)
    monkeypatch.setattr("kernel.cache.connect._password", lambda _: PASSWORD)
    return api


def fields(answer: Any) -> tuple[str, int, int, str]:
    name, left, after = re.fullmatch(
        r'("[a-z]+");r=(\d+);t=(\d+)', answer.headers["ratelimit"]
    ).groups()
    return name, int(left), int(after), answer.headers["ratelimit-policy"]


def test_every_response_shows_the_quota(shared: ApiClient) -> None:
    assert fields(shared("GET", "/pipelines")) == ('"tenant"', 2, 1, '"tenant";q=3;w=3')
    assert fields(shared("GET", "/products/none"))[1] <= 2, "problems, too"


def test_a_request_beyond_the_quota_is_a_problem_and_changes_nothing(shared: ApiClient) -> None:
    for _ in range(3):
        shared("GET", "/pipelines")
    meter = Meter()
    answer = shared("POST", "/products", PRODUCT, {"idempotency-key": "k", "origin": "x"})
    assert meter.taken() == {}
    assert answer.status == 429
    assert answer.json["type"] == "urn:zebros:problem:quota-exceeded"
    assert answer.json["detail"] == (
        "Your organisation may send 1 requests a second, and 3 at once after a pause; send this "
        "one again later."
    )
    assert answer.headers["retry-after"] == "1"
    assert fields(answer)[1] == 0


def test_a_quota_used_up_is_not_another_tenant_s(shared: ApiClient) -> None:
    statuses = [shared("GET", "/pipelines").status for _ in range(6)]
    assert statuses.count(429) >= 2
    other = shared.as_(tenant="globex")
    assert [other("GET", "/pipelines").status for _ in range(3)] == [200] * 3


def test_counting_a_request_reads_no_table(shared: ApiClient) -> None:
    shared("GET", "/pipelines")  # reads the cursor secret
    meter = Meter()
    shared("GET", "/products/01ARZ3NDEKTSV4RRFFQ69G5FAV")
    assert meter.taken() == {"GetItem": 1}


def test_without_a_cache_each_instance_counts_by_itself(api: ApiClient) -> None:
    assert fields(api("GET", "/pipelines")) == ('"instance"', 2, 1, '"instance";q=3;w=3')
    statuses = [api("GET", "/pipelines").status for _ in range(4)]
    assert statuses.count(429) >= 1


def test_a_cache_that_goes_away_leaves_the_instance_s_quota(
    shared: ApiClient, server: Server
) -> None:
    shared("GET", "/pipelines")
    server.kill()
    assert fields(shared("GET", "/pipelines"))[:2] == ('"instance"', 2)
    statuses = [shared("GET", "/pipelines").status for _ in range(5)]
    assert 429 in statuses
    assert 200 in statuses


def test_a_request_without_a_tenant_counts_for_none(api: ApiClient) -> None:
    answer = api.as_(tenant="")("GET", "/pipelines")
    assert answer.status == 401
    assert "ratelimit" not in answer.headers


def test_without_a_quota_nothing_is_counted(
    api: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TENANT_REQUESTS_PER_SECOND")
    answers = [api("GET", "/pipelines") for _ in range(6)]
    assert {one.status for one in answers} == {200}
    assert "ratelimit" not in answers[0].headers
