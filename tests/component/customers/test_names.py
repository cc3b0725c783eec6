"""Names that nobody can read are refused; those that a release before stored stay readable."""

import json
from typing import Any

import pytest

from kernel.storage.packing import pack, unpack
from kernel.storage.upgrade import upgrade
from tests.component.conftest import ApiClient
from tests.component.customers.conftest import a_contact, an_account, pages, path_of
from tests.component.opportunities.conftest import ANY
from tests.component.test_budgets import Meter

WRONG = ["\x00", "Acme\nLtd", "Acme\u202egnp", "\u200b"]


@pytest.mark.parametrize("name", WRONG)
def test_a_name_that_cannot_be_read_is_refused(api: ApiClient, name: str) -> None:
    account = an_account(api)
    for answer, field in (
        (api("POST", "/accounts", {"name": name}), "name"),
        (api("POST", "/accounts", {"name": "A", "sector": name}), "sector"),
        (api("POST", "/accounts", {"name": "A", "tags": [name]}), "tags.0"),
        (api("POST", "/contacts", {"last_name": name}), "last_name"),
        (api("PATCH", path_of(account), {"name": name}, ANY), "name"),
    ):
        assert (answer.status, answer.json["errors"][0]["field"]) == (422, field)
    row = {"name": name, "external_ids": {"crm": "1"}}
    (result,) = api("POST", "/accounts/batch", {"items": [row]}).json["results"]
    assert result["problem"]["errors"][0]["field"] == "name"


def test_a_name_is_shown_without_what_nobody_can_see(api: ApiClient) -> None:
    assert an_account(api, "\ufeffAc\u200bme Cafe\u0301").json["name"] == "Acme Café"


def test_a_stored_name_of_an_earlier_release_is_shown_and_used(api: ApiClient, cloud: Any) -> None:
    account = an_account(api, "Acme")
    key = {"pk": {"S": f"TENANT#acme#ACCOUNT#{account.json['id']}"}, "sk": {"S": "STATE"}}
    item = cloud.get_item(TableName="table", Key=key)["Item"]
    document = json.loads(unpack(item["doc"]["B"]))
    item["doc"]["B"] = pack(json.dumps({**document, "name": "Acme\nLtd\u202e"}))
    cloud.put_item(TableName="table", Item=item)
    assert api("GET", path_of(account)).json["name"] == "Acme\nLtd\u202e"
    assert api("POST", path_of(account) + "/archive", None, ANY).status == 200
    assert api("POST", path_of(account) + "/restore", None, ANY).status == 200
    changed = api("PATCH", path_of(account), {"name": "Acme Ltd"}, ANY)
    assert changed.json["name"] == "Acme Ltd"


@pytest.mark.parametrize(
    ("name", "prefix"),
    [("O’Neil", "o'neil"), ("O'Neil", "o’neil"), ("Jean‑Luc", "jean-luc"), ("A–B", "a-b")],  # noqa: RUF001
)
def test_apostrophes_and_hyphens_of_any_kind_find_each_other(
    api: ApiClient, name: str, prefix: str
) -> None:
    an_account(api, name)
    a_contact(api, name)
    assert len(pages(api, f"/accounts?name_prefix={prefix}")) == 1
    assert len(pages(api, f"/contacts?name_prefix={prefix}")) == 1


def test_tags_are_a_set(api: ApiClient) -> None:
    account = an_account(api, tags=["b", "a", "b ", "a"])
    assert account.json["tags"] == ["b", "a"]


def found(api: ApiClient, query: str) -> list[str]:
    return [item["last_name"] for item in pages(api, f"/contacts?{query}")]


@pytest.mark.parametrize(
    "query",
    [
        "name_prefix=ada",
        "name_prefix=LOVE",
        "name_prefix=king",
        "name_prefix=ada king",
        "name_prefix=king-lovelace a",
        "name_prefix=lovelace ada",
        "email_prefix=ada@",
        "email_prefix=ADA@Example.com",
        "email_prefix=countess",
    ],
)
@pytest.mark.parametrize("archived", [False, True])
def test_a_contact_is_found_by_any_word_of_its_name_and_by_e_mail(
    api: ApiClient, query: str, archived: bool
) -> None:
    emails = ["ada@example.com", "countess@example.com"]
    ada = a_contact(api, "King-Lovelace", first_name="Ada", emails=emails)
    a_contact(api, "Hopper", first_name="Grace", emails=["grace@example.com"])
    if archived:
        api("POST", path_of(ada) + "/archive", None, ANY)
        assert found(api, query) == []
        query += "&archived=only"
    assert found(api, query) == ["King-Lovelace"]
    other = api.as_(tenant="globex")
    assert found(other, query) == []


@pytest.mark.parametrize("limit", [1, 2, 50])
def test_a_contact_with_two_such_words_is_listed_once(api: ApiClient, limit: int) -> None:
    for first, last in (("Anna", "Anders"), ("Andy", "Ansel"), ("Bo", "Anton"), ("An", "Zorn")):
        a_contact(api, last, first_name=first)
    listed = found(api, f"name_prefix=an&limit={limit}")
    assert sorted(listed) == ["Anders", "Ansel", "Anton", "Zorn"]


def test_a_contact_is_no_longer_found_by_what_it_was_called(api: ApiClient) -> None:
    ada = a_contact(api, "Byron", first_name="Ada", emails=["ada@example.com"])
    patch = {"first_name": "Augusta", "last_name": "Lovelace", "emails": ["al@example.com"]}
    assert api("PATCH", path_of(ada), patch, ANY).status == 200
    for query in ("name_prefix=ada", "name_prefix=byron", "email_prefix=ada"):
        assert found(api, query) == []
    for query in ("name_prefix=augusta", "name_prefix=love", "email_prefix=al@"):
        assert found(api, query) == ["Lovelace"]


def test_a_search_costs_the_same_in_a_table_of_any_size(api: ApiClient) -> None:
    calls = []
    for _ in range(2):
        for number in range(6):
            a_contact(api, f"Smith {number}", first_name="Ann")
        meter = Meter()
        assert len(api("GET", "/contacts?name_prefix=ann&limit=3").json["items"]) == 3
        calls.append(meter.taken())
    assert calls[0] == calls[1] == {"Query": 2, "BatchGetItem": 1}


def test_an_upgrade_writes_the_entries_of_earlier_contacts(api: ApiClient, cloud: Any) -> None:
    from customers.bootstrap import stores

    ada = a_contact(api, "Lovelace", first_name="Ada", emails=["ada@example.com"])
    for item in cloud.scan(TableName="contacts")["Items"]:
        if "#SEARCH#" in item["pk"]["S"]:
            cloud.delete_item(TableName="contacts", Key={n: item[n] for n in ("pk", "sk")})
        elif item["sk"]["S"] == "STATE":
            earlier = {name: value for name, value in item.items() if name != "search"}
            cloud.put_item(TableName="contacts", Item=earlier)
    assert found(api, "name_prefix=ada") == []
    assert found(api, "name_prefix=love") == ["Lovelace"], "by the index, as before"
    key = f"TENANT#acme#CONTACT#{ada.json['id']}"
    assert upgrade(stores(), [key]).upgraded == 1
    assert found(api, "name_prefix=ada") == ["Lovelace"]
    assert found(api, "email_prefix=ada@example.com") == ["Lovelace"]
    assert api("GET", path_of(ada)).json == ada.json
    assert upgrade(stores(), [key]).upgraded == 0
