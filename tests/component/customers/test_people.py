"""The people directory: who there is, in which team, and whether they are active."""

from typing import Any

import pytest

from tests.component.conftest import ApiClient, published

ANY = {"if-match": "*"}


@pytest.fixture
def api(cloud: Any, monkeypatch: pytest.MonkeyPatch) -> ApiClient:
    monkeypatch.setenv("CONTACTS_TABLE_NAME", "table")
    from customers.handlers.api import handler

    return ApiClient(handler)


def test_an_administrator_adds_and_deactivates_a_person(api: ApiClient, cloud: Any) -> None:
    added = api("POST", "/people", {"id": "bob", "name": "Bob Holm", "team_id": "south"})
    assert added.status == 201, added.text
    assert added.json["active"] is True
    assert added.location == "/people/bob"
    left = api("PATCH", "/people/bob", {"active": False}, added.etag)
    assert (left.json["active"], left.json["version"]) == (False, 2)
    assert api("GET", "/people/bob").json == left.json
    events = published(cloud)
    assert [(one["type"], one["subject"]) for one in events] == [
        ("PersonAdded", "person/bob"),
        ("PersonUpdated", "person/bob"),
    ]
    assert (events[1]["data"]["changed"], events[1]["data"]["previous"]) == (
        ["active"],
        {"active": True},
    )


def test_everybody_reads_the_directory_and_administrators_alone_change_it(api: ApiClient) -> None:
    api("POST", "/people", {"id": "bob", "name": "Bob"})
    for role in ("sales-manager", "sales-representative", "support-agent", "read-only"):
        other = api.as_(user="eve", roles=role)
        assert other("GET", "/people/bob").status == 200
        assert len(other("GET", "/people").json["items"]) == 1
        assert other("POST", "/people", {"id": "cy", "name": "Cy"}).status == 403
        assert other("PATCH", "/people/bob", {"name": "B"}, ANY).status == 403
        results = other("POST", "/people/batch", {"items": [{"id": "cy", "name": "Cy"}]})
        assert [one["status"] for one in results.json["results"]] == [403]


def test_people_are_listed_by_name_and_found_by_prefix(api: ApiClient) -> None:
    for person, name in (("u1", "Émile Zola"), ("u2", "anna Roth"), ("u3", "Emil Nolde")):
        api("POST", "/people", {"id": person, "name": name})
    names = [one["name"] for one in api("GET", "/people").json["items"]]
    assert names == ["anna Roth", "Emil Nolde", "Émile Zola"]
    found = api("GET", "/people?name_prefix=emil").json["items"]
    assert [one["id"] for one in found] == ["u3", "u1"]


def test_an_id_is_used_once(api: ApiClient) -> None:
    assert api("POST", "/people", {"id": "bob", "name": "Bob"}).status == 201
    again = api("POST", "/people", {"id": "bob", "name": "Other"})
    assert (again.status, "There is a person bob already" in again.text) == (409, True)


def test_an_id_may_be_a_name(api: ApiClient) -> None:
    assert api("POST", "/people", {"id": "Moses Frase", "name": "Moses Frase"}).status == 201
    assert api("GET", "/people/Moses Frase").json["id"] == "Moses Frase"


def test_the_location_of_a_person_is_a_reference_whatever_the_id(api: ApiClient) -> None:
    """RFC 3986: what a path may not have is percent-encoded. Schemathesis found it."""
    made = api("POST", "/people", {"id": "*k%2a\\w's:{N}[@_", "name": "Bob"})
    assert made.headers["location"] == "people/*k%252a%5Cw's:%7BN%7D%5B@_"


@pytest.mark.parametrize("wrong", ["", "a#b", "a/b", "é", "x" * 121, "a\nb"])
def test_an_id_is_the_subject_of_a_token(api: ApiClient, wrong: str) -> None:
    answer = api("POST", "/people", {"id": wrong, "name": "Bob"})
    assert (answer.status, answer.json["errors"][0]["field"]) == (422, "id")


def test_a_batch_adds_changes_and_reports_each(api: ApiClient) -> None:
    api("POST", "/people", {"id": "bob", "name": "Bob", "team_id": "south"})
    items: list[Any] = [
        {"id": "bob", "name": "Bob Holm"},
        {"id": "cy", "name": "Cy", "external_ids": {"hr": "7"}},
        {"id": "dan"},
        {"id": "cy", "name": "Cy Twombly"},
    ]
    results = api("POST", "/people/batch", {"items": items}).json["results"]
    assert [one["status"] for one in results][:3:2] == [200, 422]
    assert {results[1]["status"], results[3]["status"]} == {201, 200}
    assert api("GET", "/people/bob").json["team_id"] == "south", "what is not sent stays"
    assert api("GET", "/people?external_id=hr:7").json["items"][0]["id"] == "cy"


def test_a_tenant_sees_its_own_people_only(api: ApiClient) -> None:
    api("POST", "/people", {"id": "bob", "name": "Bob"})
    other = api.as_(tenant="bolt")
    assert other("GET", "/people/bob").status == 404
    assert other("GET", "/people").json["items"] == []
