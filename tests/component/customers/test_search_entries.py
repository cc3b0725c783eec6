"""What finds a record is exact: each word of a long name, whole addresses, and no old entries."""

from typing import Any

import pytest

from kernel.storage.search import rotations
from tests.component.conftest import ApiClient
from tests.component.customers.conftest import a_contact, an_account, pages, path_of
from tests.component.customers.test_matching import send
from tests.component.customers.test_names import found
from tests.component.opportunities.conftest import ANY
from tests.component.test_budgets import Meter


def test_a_name_begins_with_each_of_its_words_in_turn() -> None:
    assert rotations("king-lovelace ada") == [
        "king-lovelace ada",
        "lovelace ada king",
        "ada king-lovelace",
    ]


@pytest.mark.parametrize("before", [*" -/([", '"', "\u201c", "\u00ab"])
def test_a_word_begins_after_a_character_that_separates(before: str) -> None:
    assert rotations(f"acme{before}north")[1].startswith("north")
    assert rotations("o'neil & co.") == ["o'neil & co.", "& co. o'neil", "co. o'neil &"]


@pytest.mark.parametrize("word", ["the", "betatech", "holding", "betatech-group", "sub", "ÉLAN"])
def test_an_account_is_found_by_every_word_of_its_name(api: ApiClient, word: str) -> None:
    an_account(api, "The Betatech-Group (Holding) Élan/Sub")
    an_account(api, "Atech")
    names = [one["name"] for one in api("GET", f"/accounts?name_prefix={word}").json["items"]]
    assert names == ["The Betatech-Group (Holding) Élan/Sub"]
    assert api("GET", f"/accounts?name_prefix={word}&archived=only").json["items"] == []


def test_accounts_are_found_by_name_page_by_page_once_each(api: ApiClient) -> None:
    for name in ("Acme Acme", "New Acme", "Acme", "North Acme Acre"):
        an_account(api, name)
    shown = [one["name"] for one in pages(api, "/accounts?name_prefix=ac&limit=1")]
    assert shown == ["Acme Acme", "North Acme Acre", "New Acme", "Acme"]


def test_a_person_is_found_by_every_word_of_their_name(api: ApiClient) -> None:
    for person, name in (("ada", "Ada King-Lovelace"), ("ann", "Ann Lee")):
        assert api("POST", "/people", {"id": person, "name": name}).status == 201
    for word in ("ada", "king", "lovelace", "king-l"):
        (one,) = api("GET", f"/people?name_prefix={word}").json["items"]
        assert one["id"] == "ada"
    assert [one["id"] for one in api("GET", "/people").json["items"]] == ["ada", "ann"]


@pytest.mark.parametrize("word", ["maria", "jose", "garcia", "de la", "cruz", "santos"])
def test_a_contact_is_found_by_every_word_of_a_long_name(api: ApiClient, word: str) -> None:
    a_contact(api, "de la Cruz Santos", first_name="Maria Jose Garcia")
    assert found(api, f"name_prefix={word}") == ["de la Cruz Santos"]


def test_an_entry_that_a_record_has_no_longer_finds_nothing(api: ApiClient, cloud: Any) -> None:
    """Entries of an earlier state: a read can see them just after a change was committed."""
    ada = a_contact(api, "Lovelace", first_name="Ada", emails=["ada@example.com"])
    entries = [
        item for item in cloud.scan(TableName="contacts")["Items"] if "#SEARCH#" in item["pk"]["S"]
    ]
    assert api("PATCH", path_of(ada), {"first_name": "Augusta", "emails": []}, ANY).status == 200
    for item in entries:
        cloud.put_item(TableName="contacts", Item=item)
    assert found(api, "name_prefix=ada") == found(api, "email_prefix=ada") == []
    (result,) = send(api, {"last_name": "Lee", "emails": ["ada@example.com"]}).json["results"]
    assert result["status"] == 201
    assert api("POST", path_of(ada) + "/archive", None, ANY).status == 200
    augusta = {
        "pk": {"S": "TENANT#acme#SEARCH#CONTACT#NAME#a"},
        "sk": {"S": f"augusta lovelace#{ada.json['id']}"},
    }
    cloud.put_item(TableName="contacts", Item=augusta)
    assert found(api, "name_prefix=augusta") == []
    assert found(api, "name_prefix=augusta&archived=only") == ["Lovelace"]


def test_a_search_continues_in_its_own_list_only(api: ApiClient) -> None:
    for first in ("Ann", "Anna"):
        a_contact(api, "Lee", first_name=first)
    first_page = api("GET", "/contacts?name_prefix=ann&limit=1").json
    cursor = first_page["next_cursor"]
    assert api("GET", f"/contacts?name_prefix=ann&cursor={cursor}").status == 200
    for other in ("name_prefix=an", "name_prefix=ann&archived=include", "email_prefix=ann"):
        answer = api("GET", f"/contacts?{other}&cursor={cursor}")
        assert (answer.status, answer.json["errors"][0]["field"]) == (422, "cursor"), other


def test_who_has_an_address_is_read_consistently(api: ApiClient) -> None:
    """An item just after the one that created the contact must find it."""
    a_contact(api, "Lee", emails=["ann@x.example"])
    meter = Meter()
    (result,) = send(api, {"last_name": "Lee", "emails": ["ann@x.example"]}).json["results"]
    assert result["status"] == 200
    reads = [one for one in meter.requests if "Key" in one or "KeyConditionExpression" in one]
    assert len(reads) >= 3
    assert all(one["ConsistentRead"] for one in reads)


def entries(cloud: Any) -> list[tuple[str, str]]:
    """The search entries in the table, without the tenant and the id."""
    found = cloud.scan(TableName="contacts")["Items"]
    keys = [(item["pk"]["S"], item["sk"]["S"]) for item in found if "#SEARCH#" in item["pk"]["S"]]
    return sorted((pk.removeprefix("TENANT#acme#"), sk.partition("#")[0]) for pk, sk in keys)


def test_a_contact_has_the_entries_of_its_present_state_only(api: ApiClient, cloud: Any) -> None:
    """Others would make pages of a search short, and remain for ever."""
    ada = a_contact(api, "Byron", first_name="Ada", emails=["ada@example.com"])
    assert entries(cloud) == [
        ("SEARCH#CONTACT#EMAIL#a", "ada@example.com"),
        ("SEARCH#CONTACT#NAME#a", "ada byron"),
    ]
    patch = {"first_name": "Augusta", "last_name": "Lovelace", "emails": ["lovelace@example.com"]}
    assert api("PATCH", path_of(ada), patch, ANY).status == 200
    now = [
        ("SEARCH#CONTACT#EMAIL#l", "lovelace@example.com"),
        ("SEARCH#CONTACT#NAME#a", "augusta lovelace"),
    ]
    assert entries(cloud) == now
    assert api("POST", path_of(ada) + "/archive", None, ANY).status == 200
    assert [text for _, text in entries(cloud)] == [text for _, text in now]
    assert all(partition.startswith("ARCHIVED#") for partition, _ in entries(cloud))
    assert api("POST", path_of(ada) + "/restore", None, ANY).status == 200
    assert entries(cloud) == now
