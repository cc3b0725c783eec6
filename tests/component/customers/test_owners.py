"""Owners of accounts and contacts: people who exist and are active, with their teams."""

from typing import Any

import pytest

from tests.component.conftest import Answer, ApiClient
from tests.component.customers.conftest import a_contact, an_account, path_of

ANY = {"if-match": "*"}
KINDS = ("accounts", "contacts")


def errors(answer: Answer) -> dict[str, str]:
    assert answer.status == 422, answer.text
    return {one["field"]: one["message"] for one in answer.json["errors"]}


def a_record(api: ApiClient, kind: str, **fields: Any) -> Answer:
    return an_account(api, **fields) if kind == "accounts" else a_contact(api, **fields)


@pytest.fixture
def people(api: ApiClient) -> None:
    for person in (
        {"id": "bob", "name": "Bob Holm", "team_id": "south"},
        {"id": "dan", "name": "Dan Reed", "active": False},
    ):
        assert api("POST", "/people", person).status == 201


@pytest.mark.parametrize("kind", KINDS)
def test_an_unknown_person_and_one_who_has_left_own_nothing(
    api: ApiClient, people: None, kind: str
) -> None:
    record = a_record(api, kind)
    name = {"accounts": "name", "contacts": "last_name"}[kind]
    unknown = "there is no person Holm; did you mean bob (Bob Holm)?"
    left = "dan is not active any more; name another person"
    for owner, message in (("Holm", unknown), ("dan", left)):
        for answer in (
            api("POST", f"/{kind}", {name: "B", "owner_id": owner}),
            api("PATCH", path_of(record), {"owner_id": owner}, ANY),
        ):
            assert errors(answer) == {"owner_id": message}


@pytest.mark.parametrize("kind", KINDS)
def test_the_team_follows_the_owner(api: ApiClient, people: None, kind: str) -> None:
    record = a_record(api, kind)
    assert (record.json["owner_id"], record.json["team_id"]) == ("ann", "north")
    given = api("PATCH", path_of(record), {"owner_id": "bob"}, ANY).json
    assert (given["owner_id"], given["team_id"]) == ("bob", "south")
    named = api("PATCH", path_of(record), {"owner_id": "ann", "team_id": "east"}, ANY).json
    assert (named["owner_id"], named["team_id"]) == ("ann", "east")
    assert a_record(api, kind, owner_id="bob").json["team_id"] == "south"


@pytest.mark.parametrize("kind", KINDS)
def test_everybody_owns_records_until_an_administrator_adds_people(
    api: ApiClient, kind: str
) -> None:
    assert a_record(api, kind, owner_id="nobody").json["owner_id"] == "nobody"
    api("POST", "/people", {"id": "bob", "name": "Bob"})
    record = a_record(api, kind)
    assert errors(api("PATCH", path_of(record), {"owner_id": "nobody"}, ANY))
