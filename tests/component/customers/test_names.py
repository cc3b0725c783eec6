"""Names that nobody can read are refused; those that a release before stored stay readable."""

import json
from typing import Any

import pytest

from kernel.storage.packing import pack, unpack
from tests.component.conftest import ApiClient
from tests.component.customers.conftest import a_contact, an_account, pages, path_of
from tests.component.opportunities.conftest import ANY

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
