"""A leaver's accounts and contacts are given to another person, a page at a time."""

from typing import Any

import pytest

from tests.component.conftest import ApiClient, published
from tests.component.customers.conftest import a_contact, an_account

ANY = {"if-match": "*"}
TABLES = {"accounts": "table", "contacts": "contacts"}


def some(api: ApiClient, kind: str, count: int) -> list[str]:
    make = an_account if kind == "accounts" else a_contact
    return [make(api, f"N{number}").json["id"] for number in range(count)]


def hand_over(api: ApiClient, kind: str, **body: Any) -> Any:
    answer = api("POST", f"/{kind}/reassign", {"from_id": "ann", "to_id": "bob", **body})
    assert answer.status == 207, answer.text
    return answer.json


@pytest.mark.parametrize("kind", TABLES)
def test_every_record_is_given_away_page_by_page(api: ApiClient, kind: str) -> None:
    api("POST", "/people", {"id": "bob", "name": "Bob", "team_id": "south"})
    made = some(api, kind, 5)
    given, cursor = [], None
    while True:
        page = hand_over(api, kind, limit=2, **({"cursor": cursor} if cursor else {}))
        given += page["results"]
        if (cursor := page.get("next_cursor")) is None:
            break
    assert {one["id"] for one in given} == set(made)
    assert {one["status"] for one in given} == {200}
    for record in made:
        stored = api("GET", f"/{kind}/{record}").json
        assert (stored["owner_id"], stored["team_id"]) == ("bob", "south")
    assert hand_over(api, kind)["results"] == []


@pytest.mark.parametrize("kind", TABLES)
def test_an_interrupted_call_is_continued_by_the_same_call(
    api: ApiClient, kind: str, cloud: Any
) -> None:
    made = some(api, kind, 3)
    hand_over(api, kind, limit=1)
    rest = hand_over(api, kind)
    assert len(rest["results"]) == 2
    assert len([e for e in published(cloud, TABLES[kind]) if e["sequence"] == "2"]) == len(made)


@pytest.mark.parametrize("kind", TABLES)
def test_a_record_that_fails_is_reported_and_the_others_are_given(
    api: ApiClient, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = some(api, kind, 2)
    from customers import bootstrap

    service = getattr(bootstrap, kind)()
    update = service.update

    def failing(unit: Any, record_id: str, *rest: Any) -> Any:
        if record_id == first:
            raise RuntimeError("lost connection")
        return update(unit, record_id, *rest)

    monkeypatch.setattr(service, "update", failing)
    results = {one["id"]: one for one in hand_over(api, kind)["results"]}
    assert (results[first]["status"], results[second]["status"]) == (500, 200)
    monkeypatch.undo()


def test_a_change_since_the_page_was_read_is_not_overwritten(
    api: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    (record,) = some(api, "accounts", 1)
    from customers import bootstrap

    service = bootstrap.accounts()
    listed = service.list_to_hand_over

    def late(*arguments: Any) -> Any:
        page = listed(*arguments)
        api("PATCH", f"/accounts/{record}", {"owner_id": "cleo"}, ANY)
        return page

    monkeypatch.setattr(service, "list_to_hand_over", late)
    (result,) = hand_over(api, "accounts")["results"]
    assert result["status"] == 412
    assert api("GET", f"/accounts/{record}").json["owner_id"] == "cleo"


@pytest.mark.parametrize(
    ("role", "user", "status"),
    [
        ("sales-representative", "ann", 207),
        ("sales-representative", "eve", 403),
        ("support-agent", "eve", 403),
        ("read-only", "ann", 403),
        ("sales-manager", "eve", 207),
    ],
)
def test_records_of_others_are_given_away_by_managers(
    api: ApiClient, role: str, user: str, status: int
) -> None:
    some(api, "accounts", 1)
    body = {"from_id": "ann", "to_id": "bob"}
    answer = api.as_(roles=role, user=user)("POST", "/accounts/reassign", body)
    assert answer.status == status, answer.text
    if status == 207:
        assert [one["status"] for one in answer.json["results"]] == [200]


def test_a_person_who_cannot_have_them_is_refused_before_anything_changes(
    api: ApiClient, cloud: Any
) -> None:
    api("POST", "/people", {"id": "bob", "name": "Bob", "active": False})
    some(api, "accounts", 1)
    before = published(cloud)
    for to, message in (
        ("bob", "bob is not active any more; name another person"),
        ("bop", "there is no person bop; did you mean bob (Bob)?"),
        ("ann", "is the person who has the records already"),
    ):
        answer = api("POST", "/accounts/reassign", {"from_id": "ann", "to_id": to})
        assert answer.status == 422
        assert answer.json["errors"] == [{"field": "to_id", "message": message}]
    assert published(cloud) == before


def test_a_repeated_key_is_carried_out_once(api: ApiClient, cloud: Any) -> None:
    some(api, "accounts", 2)
    body, key = {"from_id": "ann", "to_id": "bob"}, {"idempotency-key": "k"}
    first = api("POST", "/accounts/reassign", body, key)
    again = api("POST", "/accounts/reassign", body, key)
    assert (first.status, again.text) == (207, first.text)
    assert len(published(cloud)) == 4
