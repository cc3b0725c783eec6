"""People who sign in are added to the directory; what an administrator changed stays."""

from typing import Any

import pytest

from tests.component.conftest import ApiClient, published
from tests.component.kernel.queues import body, event, lambda_event

ANY = {"if-match": "*"}


def sign_in(user: str, name: str = "", team: str = "", tenant: str = "acme") -> None:
    from customers.consumers.sign_ins import handler

    envelope = event(tenant, f"person/{user}", 1, name=name, team_id=team)
    envelope["type"] = "UserSignedIn"
    assert handler(lambda_event([body(envelope)]), None) == {"batchItemFailures": []}


def test_a_person_who_signs_in_is_added_once(api: ApiClient, cloud: Any) -> None:
    for _ in range(2):
        sign_in("bob", "Bob Holm", "south")
    person = api("GET", "/people/bob").json
    assert (person["name"], person["team_id"], person["active"]) == ("Bob Holm", "south", True)
    (added,) = published(cloud)
    assert (added["type"], added["actor"], added["origin"]) == ("PersonAdded", "system", "system")


def test_a_new_name_and_team_are_followed(api: ApiClient) -> None:
    sign_in("bob", "Bob Holm", "south")
    sign_in("bob", "Bob Reed")
    person = api("GET", "/people/bob").json
    assert (person["name"], person.get("team_id"), person["version"]) == ("Bob Reed", None, 2)


def test_what_an_administrator_changed_stays(api: ApiClient) -> None:
    sign_in("bob", "Bob Holm", "south")
    api("PATCH", "/people/bob", {"active": False, "team_id": "east"}, ANY)
    sign_in("bob", "Bobby", "south")
    person = api("GET", "/people/bob").json
    assert (person["name"], person["team_id"], person["active"]) == ("Bob Holm", "east", False)


def test_sign_ins_alone_refuse_nobody(api: ApiClient) -> None:
    sign_in("bob", "Bob")
    assert api("POST", "/accounts", {"name": "A", "owner_id": "nobody"}).status == 201
    api("POST", "/people", {"id": "cleo", "name": "Cleo"})
    assert api("POST", "/accounts", {"name": "A", "owner_id": "nobody"}).status == 422
    assert api("POST", "/accounts", {"name": "A", "owner_id": "bob"}).status == 201


@pytest.mark.parametrize(("user", "name"), [("a#b", "Bob"), ("x" * 121, "Bob"), ("bob", "n" * 201)])
def test_what_the_directory_does_not_accept_is_left_out(
    api: ApiClient, cloud: Any, user: str, name: str
) -> None:
    sign_in(user, name)
    assert published(cloud) == []


def test_a_person_without_a_name_has_their_id(api: ApiClient) -> None:
    sign_in("bob")
    assert api("GET", "/people/bob").json["name"] == "bob"
    assert api.as_(tenant="bolt")("GET", "/people/bob").status == 404
