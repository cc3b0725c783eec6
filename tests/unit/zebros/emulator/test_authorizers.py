"""The flush of API Gateway's cache of an authorizer's answers."""

import asyncio
from typing import Any

import pytest

from zebros.emulator import authorizers

PATH = "/restapis/one/stages/v1/cache/authorizers"


@pytest.fixture
def apis(emulator: Any) -> Any:
    found = emulator("services.apigateway_v1")
    found._authorizer_cache.clear()
    for api, stage in (("one", "v1"), ("one", "v2"), ("two", "v1")):
        key = ("000000000000", "us-east-1", api, "authorizer", stage, ("token",))
        found._authorizer_cache[key] = (9e12, {}, {})
    yield found
    found._authorizer_cache.clear()


def status_of(apis: Any, method: str, path: str = PATH) -> int:
    return int(asyncio.run(apis.handle_request(method, path, {}, b"", {}))[0])


def test_the_cache_cannot_be_flushed_when_unpatched(apis: Any) -> None:
    assert status_of(apis, "DELETE") == 404
    assert len(apis._authorizer_cache) == 3


def test_the_answers_of_one_stage_are_forgotten(apis: Any, patched: Any) -> None:
    with patched(authorizers.apply):
        assert status_of(apis, "DELETE") == 202
        assert [(key[2], key[4]) for key in apis._authorizer_cache] == [
            ("one", "v2"),
            ("two", "v1"),
        ]
        assert status_of(apis, "GET") == 404, "other requests are answered as before"
