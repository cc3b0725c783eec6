"""Owners of opportunities: people who exist and are active, with their teams."""

from typing import Any

import pytest

from tests.component.conftest import Answer, ApiClient, opportunity_events
from tests.component.opportunities.conftest import ANY
from tests.component.references import deliver


@pytest.fixture
def people(cloud: Any) -> Any:
    """The consumer that learns of people; it knows bob, cleo, and dan, who has left."""
    from opportunities.consumers.references import handler

    person(handler, "bob", "Bob Holm", team_id="south")
    person(handler, "cleo", "Cléo Martin")
    person(handler, "dan", "Dan Reed", team_id="south", active=False)
    return handler


def person(handler: Any, user: str, name: str, sequence: int = 1, **fields: Any) -> None:
    deliver(handler, f"person/{user}", sequence, **{"active": True, "name": name, **fields})


def errors(answer: Answer) -> dict[str, str]:
    assert answer.status == 422, answer.text
    return {one["field"]: one["message"] for one in answer.json["errors"]}


def a_deal(api: ApiClient, **fields: Any) -> str:
    answer = api("POST", "/opportunities", {"name": "A", **fields})
    assert answer.status == 201, answer.text
    return f"/opportunities/{answer.json['id']}"


@pytest.mark.parametrize(
    ("owner", "message"),
    [
        ("bbo", "there is no person bbo; did you mean bob (Bob Holm)?"),
        ("Bob Holm", "there is no person Bob Holm; did you mean bob (Bob Holm)?"),
        ("cleo martin", "there is no person cleo martin; did you mean cleo (Cléo Martin)?"),
        ("zzzzzz", "there is no person zzzzzz"),
        ("dan", "dan is not active any more; name another person"),
    ],
)
def test_a_person_who_cannot_own_it_is_refused_with_a_suggestion(
    api: ApiClient, people: Any, cloud: Any, owner: str, message: str
) -> None:
    path = a_deal(api)
    before = opportunity_events(cloud)
    for answer in (
        api("POST", "/opportunities", {"name": "B", "owner_id": owner}),
        api("POST", f"{path}/owner", {"owner_id": owner}, ANY),
        api("PATCH", path, {"owner_id": owner}, ANY),
    ):
        assert errors(answer) == {"owner_id": message}
    assert opportunity_events(cloud) == before


def test_a_wrong_owner_and_a_wrong_account_are_named_together(api: ApiClient, people: Any) -> None:
    from tests.component.references import complete

    complete(people)
    wrong = {"owner_id": "nobody", "account_id": "01ARZ3NDEKTSV4RRFFQ69G5FAV"}
    answer = api("POST", "/opportunities", {"name": "A", **wrong})
    assert errors(answer).keys() == {"owner_id", "account_id"}


def test_the_caller_is_always_known(api: ApiClient, people: Any) -> None:
    assert a_deal(api)
    assert a_deal(api, owner_id="ann")


def test_everybody_may_own_records_until_an_administrator_adds_people(
    api: ApiClient, cloud: Any
) -> None:
    from opportunities.consumers.references import handler

    a_deal(api, owner_id="nobody")
    envelope_of = {"active": True, "name": "Eve"}
    deliver(handler, "person/eve", actor="system", **envelope_of)
    a_deal(api, owner_id="nobody")
    deliver(handler, "person/bob", **{**envelope_of, "name": "Bob"})
    assert errors(api("POST", "/opportunities", {"name": "A", "owner_id": "nobody"}))
    assert api.as_(tenant="bolt")(
        "POST", "/opportunities", {"name": "A", "owner_id": "nobody"}
    ).status == 201  # fmt: skip


@pytest.mark.parametrize(
    ("change", "team"),
    [
        ({"owner_id": "bob"}, "south"),
        ({"owner_id": "cleo"}, None),
        ({"owner_id": "bob", "team_id": "east"}, "east"),
        ({"owner_id": "bob", "team_id": None}, None),
        ({"owner_id": "ann"}, "north"),
    ],
)
@pytest.mark.parametrize("verb", ["owner", "patch", "batch"])
def test_the_team_follows_the_owner_unless_it_is_named(
    api: ApiClient, people: Any, change: dict[str, Any], team: str | None, verb: str
) -> None:
    path = a_deal(api, team_id="north", external_ids={"crm": "1"})
    match verb:
        case "owner":
            answer = api("POST", f"{path}/owner", change, ANY)
        case "patch":
            answer = api("PATCH", path, change, ANY)
        case _:
            item = {"name": "A", "external_ids": {"crm": "1"}, **change}
            answer = api("POST", "/opportunities/batch", {"items": [item]})
    assert answer.status in (200, 207), answer.text
    stored = api("GET", path).json
    assert (stored["owner_id"], stored.get("team_id")) == (change["owner_id"], team)


def test_a_new_deal_has_the_team_of_its_owner(api: ApiClient, people: Any) -> None:
    for owner, team in (("bob", "south"), ("cleo", None), ("ann", "north")):
        assert api("GET", a_deal(api, owner_id=owner)).json.get("team_id") == team
    assert api("GET", a_deal(api, owner_id="bob", team_id="east")).json["team_id"] == "east"


def test_a_person_who_moves_or_returns_is_known(api: ApiClient, people: Any) -> None:
    person(people, "bob", "Bob Holm", 2, team_id="east")
    assert api("GET", a_deal(api, owner_id="bob")).json["team_id"] == "east"
    person(people, "dan", "Dan Reed", 2)
    a_deal(api, owner_id="dan")


def test_a_deal_of_a_person_who_has_left_can_be_changed(api: ApiClient, people: Any) -> None:
    path = a_deal(api, owner_id="bob")
    person(people, "bob", "Bob Holm", 2, active=False)
    assert api("PATCH", path, {"name": "B"}, ANY).status == 200
    assert api("PATCH", path, {"owner_id": "bob", "name": "C"}, ANY).status == 200
