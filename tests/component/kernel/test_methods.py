"""What a path answers to methods that it does not have, and where new records are found."""

import json
from typing import Any

import pytest

from edge import documents
from tests.component.conftest import Answer, ApiClient


@pytest.fixture
def api(cloud: Any) -> ApiClient:
    from opportunities.handlers.api import handler

    return ApiClient(handler)


def create(api: ApiClient, path: str = "/opportunities") -> Answer:
    answer = api("POST", path, {"name": "Deal"})
    assert answer.status == 201, answer.text
    return answer


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/opportunities", "GET, HEAD, OPTIONS, POST"),
        ("/opportunities/batch", "OPTIONS, POST"),
        ("/opportunities/01ARZ3NDEKTSV4RRFFQ69G5FAV", "GET, HEAD, OPTIONS, PATCH"),
        ("/opportunities/01ARZ3NDEKTSV4RRFFQ69G5FAV/won", "OPTIONS, POST"),
    ],
)
def test_a_known_path_names_its_methods(api: ApiClient, path: str, allowed: str) -> None:
    for method in ("PUT", "DELETE", "BREW"):
        answer = api(method, path)
        assert (answer.status, answer.headers["allow"]) == (405, allowed)
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json["type"] == "urn:zebros:problem:method-not-allowed"
        assert answer.json["detail"] == f"This path has no {method}; it has {allowed}."


def test_an_unknown_path_has_no_methods(api: ApiClient) -> None:
    answer = api("DELETE", "/nothing")
    assert (answer.status, answer.headers.get("allow")) == (404, None)


def test_head_is_get_without_a_body(api: ApiClient) -> None:
    path = create(api).location
    shown, head = api("GET", path), api("HEAD", path)
    assert (head.status, head.text) == (200, "")
    assert head.headers["etag"] == shown.headers["etag"]
    assert api("HEAD", path, headers={"if-none-match": head.headers["etag"]}).status == 304
    assert api("HEAD", f"{path[:-1]}!").status == 404
    assert api("HEAD", f"{path}/won").status == 405


@pytest.mark.parametrize("path", ["/opportunities", "/v1/opportunities", "/opportunities/"])
def test_location_leads_to_the_record_from_any_address(api: ApiClient, path: str) -> None:
    answer = create(api, path)
    assert answer.location == f"{path.rstrip('/')}/{answer.json['id']}"
    assert api("GET", answer.location).json["id"] == answer.json["id"]


def test_every_get_answers_304_when_nothing_has_changed(api: ApiClient) -> None:
    path = create(api).location
    pipeline = "/pipelines/default"
    for read in (path, "/opportunities", "/pipelines", pipeline, f"{pipeline}/board", "/products"):
        first = api("GET", read)
        known = {"if-none-match": first.headers["etag"]}
        again = api("GET", read, headers=known)
        assert (again.status, again.text) == (304, ""), read
        assert again.headers["etag"] == first.headers["etag"]
        assert api("GET", read, headers={"if-none-match": '"0", W/"x"'}).status == 200
    before = api("GET", "/opportunities").headers["etag"]
    create(api)
    assert api("GET", "/opportunities", headers={"if-none-match": before}).status == 200


@pytest.mark.parametrize("path", documents.PATHS)
def test_public_documents_do_the_same(path: str) -> None:
    def call(method: str, **headers: str) -> dict[str, Any]:
        event = {"httpMethod": method, "path": path, "resource": path, "headers": headers}
        return documents.handler(event, None)

    refused = call("POST")
    assert (refused["statusCode"], refused["headers"]["Allow"]) == (405, "GET, HEAD, OPTIONS")
    assert json.loads(refused["body"])["type"] == "urn:zebros:problem:method-not-allowed"
    assert (call("HEAD")["statusCode"], call("HEAD")["body"]) == (200, "")
    if etag := call("GET")["headers"].get("ETag"):
        again = call("GET", **{"If-None-Match": etag})
        assert (again["statusCode"], again["body"]) == (304, "")
        assert again["headers"]["ETag"] == etag
    assert bool(etag) is path.endswith(".json")
