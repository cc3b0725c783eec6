"""The customers API with its two tables."""

from typing import Any

import pytest

from tests.component.conftest import Answer, ApiClient, create_table


@pytest.fixture
def api(cloud: Any, monkeypatch: pytest.MonkeyPatch) -> ApiClient:
    monkeypatch.setenv("CONTACTS_TABLE_NAME", "contacts")
    create_table(cloud, "contacts")
    from customers.handlers.api import handler

    return ApiClient(handler)


def an_account(api: ApiClient, name: str = "Acme", **fields: Any) -> Answer:
    answer = api("POST", "/accounts", {"name": name, **fields})
    assert answer.status == 201, answer.text
    return answer


def a_contact(api: ApiClient, last_name: str = "Lovelace", **fields: Any) -> Answer:
    answer = api("POST", "/contacts", {"last_name": last_name, **fields})
    assert answer.status == 201, answer.text
    return answer


def path_of(answer: Answer) -> str:
    """The path of the record in a response to a POST."""
    return answer.location


def pages(api: ApiClient, path: str) -> list[Any]:
    """Every record of a list, page by page."""
    found: list[Any] = []
    cursor = ""
    while True:
        page = api("GET", path + cursor)
        assert page.status == 200, page.text
        found += page.json["items"]
        if "next_cursor" not in page.json:
            return found
        cursor = f"&cursor={page.json['next_cursor']}"


def problem(answer: Answer) -> str:
    """The slug of a problem response."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    assert answer.json["status"] == answer.status
    assert answer.json["detail"]
    assert answer.json["correlation_id"]
    return str(answer.json["type"]).removeprefix("urn:zebros:problem:")


def wrong_fields(answer: Answer) -> set[str]:
    """The fields that a problem names."""
    return {error["field"] for error in answer.json["errors"]}
