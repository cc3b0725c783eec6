"""Batches of contacts that are matched by e-mail address: who is meant, and who is not."""

from typing import Any

import pytest

from tests.component.conftest import Answer, ApiClient
from tests.component.customers.conftest import a_contact, pages


def send(api: ApiClient, *items: dict[str, Any], **more: Any) -> Answer:
    body = {"items": list(items), "match_by": "email", **more}
    return api("POST", "/contacts/batch", body)


def result(api: ApiClient, item: dict[str, Any], **more: Any) -> Any:
    """The result of an item, which a dry run of it has too."""
    dry = send(api, item, **more, dry_run=True)
    answer = send(api, item, **more)
    assert (dry.status, answer.status) == (207, 207), answer.text
    (found,), (before,) = answer.json["results"], dry.json["results"]
    assert before["status"] == found["status"]
    assert before.get("problem") == found.get("problem")
    return found


def reason(found: Any) -> str:
    assert found["status"] == 422, found
    (error,) = found["problem"]["errors"]
    assert error["field"] == "match_by", "no value of the item is wrong, so none can be left out"
    return str(error["message"])


def stored(api: ApiClient, contact_id: str) -> Any:
    return api("GET", f"/contacts/{contact_id}").json


def test_an_item_without_an_external_id_changes_the_contact_with_its_address(
    api: ApiClient,
) -> None:
    before = a_contact(api, "Lee", emails=["ann@x.example"], title="Buyer").json
    found = result(api, {"last_name": "Leigh", "emails": ["ANN@X.example"]})
    assert (found["status"], found["id"], found["version"]) == (200, before["id"], 2)
    after = stored(api, before["id"])
    assert (after["last_name"], after["title"]) == ("Leigh", "Buyer")
    assert len(pages(api, "/contacts?limit=50")) == 1


def test_an_address_that_nobody_has_is_a_new_contact_once(api: ApiClient) -> None:
    item = {"last_name": "Lee", "emails": ["ann@x.example"]}
    assert result(api, item)["status"] == 201
    again = result(api, item)
    assert (again["status"], again["version"]) == (200, 1)


def test_an_address_is_compared_as_a_whole(api: ApiClient) -> None:
    a_contact(api, emails=["ann@x.example.com"])
    a_contact(api, emails=["joann@x.example"])
    assert result(api, {"last_name": "Lee", "emails": ["ann@x.example"]})["status"] == 201


def test_addresses_are_of_one_tenant(api: ApiClient) -> None:
    a_contact(api, emails=["ann@x.example"])
    other = ApiClient(api.handler, tenant="globex")
    assert result(other, {"last_name": "Lee", "emails": ["ann@x.example"]})["status"] == 201


def test_another_systems_export_adds_its_id_and_keeps_all_addresses(api: ApiClient) -> None:
    before = a_contact(
        api, "Lee", emails=["ann@x.example", "lee@y.example"], external_ids={"crm": "1"}
    ).json
    item = {
        "last_name": "Lee",
        "emails": ["new@z.example", "lee@y.example"],
        "external_ids": {"hubspot": "7"},
    }
    assert result(api, item)["id"] == before["id"]
    after = stored(api, before["id"])
    assert after["external_ids"] == {"crm": "1", "hubspot": "7"}
    assert after["emails"] == ["ann@x.example", "lee@y.example", "new@z.example"]
    again = result(api, item)
    assert (again["id"], again["version"]) == (before["id"], 2), "by its id, and nothing is new"


def test_more_addresses_than_a_contact_may_have_are_refused(api: ApiClient) -> None:
    a_contact(api, emails=[f"a{n}@x.example" for n in range(10)])
    found = result(api, {"last_name": "Lee", "emails": ["a3@x.example", "b@x.example"]})
    assert "10 addresses" in reason(found)


def test_an_address_of_two_contacts_names_both(api: ApiClient) -> None:
    ids = [a_contact(api, name, emails=["info@x.example"]).json["id"] for name in ("A", "B")]
    text = reason(result(api, {"last_name": "C", "emails": ["info@x.example"]}))
    assert all(one in text for one in ids)
    assert "info@x.example" in text


def test_two_addresses_of_different_contacts_name_both(api: ApiClient) -> None:
    ids = [a_contact(api, emails=[f"{n}@x.example"]).json["id"] for n in "ab"]
    text = reason(result(api, {"last_name": "C", "emails": ["a@x.example", "b@x.example"]}))
    assert all(one in text for one in ids)


def test_an_external_id_and_an_address_of_different_contacts_are_refused(api: ApiClient) -> None:
    by_id = a_contact(api, "A", external_ids={"crm": "1"}, emails=["a@x.example"]).json["id"]
    by_address = a_contact(api, "B", emails=["b@x.example"]).json["id"]
    item = {"last_name": "A", "emails": ["b@x.example"], "external_ids": {"crm": "1"}}
    text = reason(result(api, item))
    assert by_id in text
    assert by_address in text
    assert stored(api, by_id)["version"] == stored(api, by_address)["version"] == 1


def test_an_external_id_decides_between_contacts_that_share_an_address(api: ApiClient) -> None:
    a_contact(api, "A", emails=["info@x.example"])
    mine = a_contact(api, "B", emails=["info@x.example"], external_ids={"crm": "2"}).json["id"]
    item = {"last_name": "B2", "emails": ["info@x.example"], "external_ids": {"crm": "2"}}
    assert result(api, item)["id"] == mine


def test_a_contact_with_another_id_of_the_same_system_is_another_person(api: ApiClient) -> None:
    before = a_contact(api, emails=["info@x.example"], external_ids={"crm": "1"}).json
    item = {"last_name": "B", "emails": ["info@x.example"], "external_ids": {"crm": "2"}}
    text = reason(result(api, item))
    assert before["id"] in text
    assert "crm:1" in text
    assert "crm:2" in text


def test_an_archived_contact_is_named_and_not_created_again(api: ApiClient) -> None:
    gone = a_contact(api, emails=["ann@x.example"])
    api("POST", f"{gone.location}/archive", headers={"If-Match": '"1"'})
    text = reason(result(api, {"last_name": "Lee", "emails": ["ann@x.example"]}))
    assert gone.json["id"] in text
    assert "archived" in text
    active = a_contact(api, emails=["ann@x.example"]).json["id"]
    assert result(api, {"last_name": "Lee", "emails": ["ann@x.example"]})["id"] == active


def test_an_address_that_a_contact_no_longer_has_does_not_find_it(api: ApiClient) -> None:
    before = a_contact(api, emails=["old@x.example"])
    patch = {"emails": ["new@x.example"]}
    assert api("PATCH", before.location, patch, {"If-Match": '"1"'}).status == 200
    assert result(api, {"last_name": "Lee", "emails": ["old@x.example"]})["status"] == 201


def test_items_of_one_batch_with_the_same_address_are_one_contact(api: ApiClient) -> None:
    items = [{"last_name": f"L{n}", "emails": ["Ann@x.example", f"{n}@x.example"]} for n in "abc"]
    first, *others = send(api, *items).json["results"]
    assert first["status"] == 201
    assert [(one["status"], one["id"]) for one in others] == [(200, first["id"])] * 2
    assert stored(api, first["id"])["last_name"] == "Lc"


def test_an_item_needs_an_external_id_or_an_address(api: ApiClient) -> None:
    (found,) = send(api, {"last_name": "Lee"}).json["results"]
    (error,) = found["problem"]["errors"]
    assert (found["status"], error["field"]) == (422, "external_ids")
    assert "e-mail address" in error["message"]


def test_without_match_by_an_item_needs_an_external_id(api: ApiClient) -> None:
    item = {"last_name": "Lee", "emails": ["ann@x.example"]}
    answer = api("POST", "/contacts/batch", {"items": [item]})
    assert answer.json["results"][0]["status"] == 422


@pytest.mark.parametrize("wrong", ["phone", "Email", 1, ""])
def test_other_ways_to_match_are_refused(api: ApiClient, wrong: Any) -> None:
    answer = send(api, {"last_name": "Lee"}, match_by=wrong)
    assert answer.status == 422
    assert answer.json["errors"] == [{"field": "match_by", "message": "must be one of: email"}]


def test_an_external_id_that_is_an_address_is_the_same_in_any_case(api: ApiClient) -> None:
    before = a_contact(api, external_ids={"crm": "Ann@X.example"}).json
    assert before["external_ids"] == {"crm": "ann@x.example"}
    item = {"last_name": "Lee", "external_ids": {"crm": "ANN@x.example"}}
    (found,) = api("POST", "/contacts/batch", {"items": [item]}).json["results"]
    assert found["id"] == before["id"]
    (listed,) = api("GET", "/contacts?external_id=crm:aNN@x.example").json["items"]
    assert listed["id"] == before["id"]
    other = a_contact(api, external_ids={"crm": "A-1"}).json
    assert other["external_ids"] == {"crm": "A-1"}, "any other id is as it is"


def test_a_contact_keeps_its_name_when_an_item_has_none(api: ApiClient) -> None:
    before = a_contact(api, "Lee", first_name="Ann", emails=["ann@x.example"]).json
    assert result(api, {"emails": ["ann@x.example"], "title": "Buyer"})["version"] == 2
    after = stored(api, before["id"])
    assert (after["first_name"], after["last_name"], after["title"]) == ("Ann", "Lee", "Buyer")


@pytest.mark.parametrize(
    ("fields", "last_name"),
    [
        ({"first_name": "Prince"}, "Prince"),
        ({"emails": ["No@x.example"], "phones": ["+14155550100"]}, "no@x.example"),
        ({"phones": ["+1 415 555 0100"]}, "+14155550100"),
    ],
)
def test_a_new_contact_without_a_last_name_is_named_by_what_it_has(
    api: ApiClient, fields: dict[str, Any], last_name: str
) -> None:
    item = {**fields, "external_ids": {"crm": "1"}}
    found = result(api, item)
    after = stored(api, found["id"])
    assert (after["last_name"], after.get("first_name")) == (last_name, None)
    again = result(api, item)
    assert (again["id"], again["version"]) == (found["id"], 1)


def test_an_item_without_any_name_is_refused_when_it_is_new(api: ApiClient) -> None:
    (found,) = send(api, {"title": "Buyer", "external_ids": {"crm": "1"}}).json["results"]
    (error,) = found["problem"]["errors"]
    assert (found["status"], error["field"]) == (422, "last_name")
