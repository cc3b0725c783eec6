"""Archived records are found by whoever asks for them, and give up their external ids."""

from typing import Any

import pytest

from kernel.storage.upgrade import upgrade
from tests.component.conftest import Answer, ApiClient
from tests.component.customers.conftest import pages, path_of, problem
from tests.component.customers.test_records_api import TABLES, made, published_events
from tests.component.opportunities.conftest import ANY
from tests.component.test_budgets import Meter

KINDS = pytest.mark.parametrize("kind", TABLES)


def named(kind: str, name: str) -> dict[str, Any]:
    return {"name": name} if kind == "accounts" else {"last_name": name}


def archived(api: ApiClient, kind: str, name: str = "Acme", **fields: Any) -> Answer:
    record = made(api, kind, **named(kind, name), **fields)
    return api("POST", path_of(record) + "/archive", None, ANY)


def active(api: ApiClient, kind: str, name: str) -> Answer:
    return made(api, kind, **named(kind, name))


def verb(api: ApiClient, kind: str, record: Answer, name: str) -> Answer:
    """Carry out a verb on an archived record."""
    return api("POST", f"/{kind}/{record.json['id']}/{name}", None, ANY)


def ids(api: ApiClient, path: str) -> list[str]:
    return [item["id"] for item in pages(api, path)]


@KINDS
@pytest.mark.parametrize("filter_", ["owner_id=ann", "name_prefix=acme", "external_id=crm:1"])
def test_a_list_has_active_records_archived_ones_or_both(
    api: ApiClient, kind: str, filter_: str
) -> None:
    gone = archived(api, kind, external_ids={"crm": "1"}).json["id"]
    other = made(api, kind, **named(kind, "Acme B"), external_ids={"crm": "2"}).json["id"]
    path = f"/{kind}?{filter_}"
    both = [gone] if "external" in filter_ else [gone, other]
    assert gone not in ids(api, path)
    assert ids(api, path) == ids(api, f"{path}&archived=exclude")
    assert ids(api, f"{path}&archived=only") == [gone]
    assert sorted(ids(api, f"{path}&archived=include")) == sorted(both)


def test_the_archived_contacts_of_an_account_are_listed(api: ApiClient) -> None:
    account = made(api, "accounts", name="Acme").json["id"]
    gone = archived(api, "contacts", account_id=account).json["id"]
    assert ids(api, f"/contacts?account_id={account}") == []
    assert ids(api, f"/contacts?account_id={account}&archived=only") == [gone]


@KINDS
@pytest.mark.parametrize("limit", [1, 2, 3, 50])
def test_both_are_listed_in_one_order_and_each_once(api: ApiClient, kind: str, limit: int) -> None:
    wanted = []
    for number in range(9):
        make = archived if number % 3 == 1 else active
        wanted.append(make(api, kind, f"Acme {number}").json["id"])
    path = f"/{kind}?name_prefix=acme&archived=include&limit={limit}"
    assert ids(api, path) == wanted
    path = f"/{kind}?owner_id=ann&archived=include&limit={limit}"
    assert ids(api, path) == wanted[::-1]


@KINDS
def test_archived_records_of_another_tenant_stay_hidden(api: ApiClient, kind: str) -> None:
    archived(api, kind, external_ids={"crm": "1"})
    other = api.as_(tenant="globex")
    for filter_ in ("owner_id=ann", "name_prefix=acme", "external_id=crm:1"):
        assert ids(other, f"/{kind}?{filter_}&archived=include") == []


@KINDS
def test_a_restored_record_leaves_the_archived_ones(api: ApiClient, kind: str) -> None:
    gone = archived(api, kind)
    verb(api, kind, gone, "restore")
    assert ids(api, f"/{kind}?name_prefix=acme&archived=only") == []
    assert ids(api, f"/{kind}?name_prefix=acme") == [gone.json["id"]]


@KINDS
@pytest.mark.parametrize(("value", "queries"), [("exclude", 1), ("only", 1), ("include", 2)])
def test_a_list_costs_one_query_for_each_of_both(
    api: ApiClient, kind: str, value: str, queries: int
) -> None:
    for number in range(5):
        archived(api, kind, f"Acme {number}")
    meter = Meter()
    assert api("GET", f"/{kind}?name_prefix=acme&archived={value}&limit=2").status == 200
    taken = meter.taken()
    taken.pop("BatchGetItem", None)
    # One for the beginning of the name, and one for its other words.
    assert taken == {"Query": queries * 2}


def test_another_value_is_refused_with_those_there_are(api: ApiClient) -> None:
    answer = api("GET", "/accounts?archived=yes")
    assert (answer.status, answer.json["errors"][0]["field"]) == (422, "archived")
    for value in ("exclude", "only", "include"):
        assert value in answer.json["detail"]


@KINDS
@pytest.mark.parametrize("way", ["POST", "PATCH"])
def test_a_taken_external_id_names_the_record_and_says_how_to_go_on(
    api: ApiClient, kind: str, way: str
) -> None:
    gone = archived(api, kind, external_ids={"crm": "1"}).json["id"]
    body = {**named(kind, "New"), "external_ids": {"crm": "1"}}
    path = f"/{kind}"
    if way == "PATCH":
        path = path_of(made(api, kind, **named(kind, "New")))
    taken = api(way, path, body, ANY)
    assert (taken.status, problem(taken)) == (409, "duplicate-external-id")
    detail = taken.json["detail"]
    assert gone in detail
    assert "Acme" in detail
    assert "archived" in detail
    assert f"{gone}/restore" in detail
    assert f"{gone}/release-external-ids" in detail
    assert taken.json["errors"][0]["field"] == "external_ids.crm"


@KINDS
def test_an_external_id_of_an_active_record_names_that_record(api: ApiClient, kind: str) -> None:
    first = made(api, kind, **named(kind, "Acme"), external_ids={"crm": "1"}).json["id"]
    taken = api("POST", f"/{kind}", {**named(kind, "New"), "external_ids": {"crm": "1"}})
    assert taken.status == 409
    assert first in taken.json["detail"]
    assert "archived" not in taken.json["detail"]
    assert "restore" not in taken.json["detail"]


@KINDS
def test_the_external_ids_of_an_archived_record_are_released_and_taken_over(
    api: ApiClient, cloud: Any, kind: str
) -> None:
    gone = archived(api, kind, external_ids={"crm": "1", "erp": "2"})
    released = verb(api, kind, gone, "release-external-ids")
    assert released.status == 200, released.text
    assert "external_ids" not in released.json
    assert released.json["archived_at"] == gone.json["archived_at"], "it stays archived"
    event = [
        one for one in published_events(cloud, kind) if one["subject"].endswith(gone.json["id"])
    ][-1]
    assert event["type"].endswith("Updated")
    assert event["data"]["changed"] == ["external_ids"]
    assert event["data"]["previous"] == {"external_ids": {"crm": "1", "erp": "2"}}
    body = {**named(kind, "New"), "external_ids": {"crm": "1"}}
    assert api("POST", f"/{kind}", body).status == 201
    restored = verb(api, kind, gone, "restore")
    assert restored.status == 200, "it no longer contradicts the new one"


@KINDS
def test_an_active_record_keeps_its_external_ids(api: ApiClient, kind: str) -> None:
    record = made(api, kind, external_ids={"crm": "1"})
    answer = api("POST", path_of(record) + "/release-external-ids", None, ANY)
    assert (answer.status, problem(answer)) == (422, "rule-violation")
    assert "PATCH" in answer.json["detail"]


@KINDS
def test_an_import_of_an_archived_record_names_it_and_says_how_to_go_on(
    api: ApiClient, kind: str
) -> None:
    gone = archived(api, kind, external_ids={"crm": "1"}).json["id"]
    row = {**named(kind, "New"), "external_ids": {"crm": "1"}}
    (result,) = api("POST", f"/{kind}/batch", {"items": [row]}).json["results"]
    assert result["problem"]["type"] == "urn:zebros:problem:archived"
    for part in (gone, "Acme", f"{gone}/restore", f"{gone}/release-external-ids"):
        assert part in result["problem"]["detail"]


def test_an_upgrade_lists_records_that_were_archived_by_an_earlier_release(
    api: ApiClient, cloud: Any
) -> None:
    from customers.bootstrap import stores

    gone = archived(api, "accounts")
    key = f"TENANT#acme#ACCOUNT#{gone.json['id']}"
    item = cloud.get_item(TableName="table", Key={"pk": {"S": key}, "sk": {"S": "STATE"}})["Item"]
    earlier = {name: value for name, value in item.items() if not name.startswith("gsi")}
    cloud.put_item(TableName="table", Item=earlier)
    assert ids(api, "/accounts?name_prefix=acme&archived=only") == []
    result = upgrade(stores(), [key])
    assert (result.read, result.upgraded) == (1, 1)
    assert ids(api, "/accounts?name_prefix=acme&archived=only") == [gone.json["id"]]
    assert api("GET", f"/accounts/{gone.json['id']}").json == gone.json
    assert upgrade(stores(), [key]).upgraded == 0
