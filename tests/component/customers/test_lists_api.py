"""Lists of accounts and contacts: filters, order, pages and cost."""

from typing import Any

import pytest

from tests.component.conftest import ApiClient
from tests.component.customers.conftest import a_contact, an_account, pages, problem, wrong_fields
from tests.component.test_budgets import Meter


def names(api: ApiClient, path: str) -> list[str]:
    return [item.get("name") or item["last_name"] for item in pages(api, path)]


def test_a_list_shows_the_callers_own_records_newest_first(api: ApiClient) -> None:
    ids = [an_account(api, f"a{i}").json["id"] for i in range(3)]
    an_account(api, "bob's", owner_id="bob")
    assert [item["id"] for item in api("GET", "/accounts").json["items"]] == ids[::-1]
    people = [a_contact(api, f"c{i}").json["id"] for i in range(3)]
    a_contact(api, "Bobson", owner_id="bob")
    assert [item["id"] for item in api("GET", "/contacts").json["items"]] == people[::-1]
    assert names(api, "/accounts?owner_id=bob") == ["bob's"]
    assert names(api, "/contacts?owner_id=bob") == ["Bobson"]


def test_a_name_is_found_by_its_prefix_ignoring_case_and_accents(api: ApiClient) -> None:
    for name in ("Émile & Co", "EMIL AG", "Emirates", "Zoë", "Éclair", "Straße 7", "東京"):
        an_account(api, name)
    assert names(api, "/accounts?name_prefix=EMI") == ["EMIL AG", "Émile & Co", "Emirates"]
    assert names(api, "/accounts?name_prefix=é") == [
        *("Éclair", "EMIL AG", "Émile & Co", "Emirates"),
    ]
    assert names(api, "/accounts?name_prefix=strasse") == ["Straße 7"]
    assert names(api, "/accounts?name_prefix=東") == ["東京"]
    assert names(api, "/accounts?name_prefix=nobody") == []
    assert names(api, "/accounts?name_prefix= Emirates ") == ["Emirates"], (
        "surrounding spaces do not count"
    )


def test_a_contact_is_found_by_either_name_first(api: ApiClient) -> None:
    for first, last in (("Ada", "Lovelace"), ("Zoë", "Lovelace"), ("Grace", "Lowell")):
        a_contact(api, last, first_name=first)
    a_contact(api, "Lov")

    def found(prefix: str) -> list[str]:
        items = pages(api, f"/contacts?name_prefix={prefix}")
        return [item.get("first_name", "") for item in items]

    assert found("lov") == ["", "Ada", "Zoë"]
    assert found("Lovelace Z") == ["Zoë"]
    assert found("Ada") == ["Ada"]
    assert found("Zoë L") == ["Zoë"]


def test_a_new_name_is_found_and_the_old_one_is_not(api: ApiClient) -> None:
    account = an_account(api, "Old")
    path = f"/accounts/{account.json['id']}"
    assert api("PATCH", path, {"name": "New"}, account.etag).status == 200
    assert names(api, "/accounts?name_prefix=o") == []
    assert names(api, "/accounts?name_prefix=n") == ["New"]


@pytest.mark.parametrize("limit", [1, 2, 3, 7])
@pytest.mark.parametrize(
    "query", ["owner_id=ann", "name_prefix=p", "account_id={account}"], ids=lambda q: q[:4]
)
def test_pages_show_everything_once(api: ApiClient, query: str, limit: int) -> None:
    account = an_account(api).json["id"]
    wanted = {a_contact(api, f"P{i}", account_id=account).json["id"] for i in range(7)}
    path = f"/contacts?{query.format(account=account)}&limit={limit}"
    seen = [item["id"] for item in pages(api, path)]
    assert (len(seen), set(seen)) == (7, wanted)


def test_a_cursor_is_valid_for_its_own_list_only(api: ApiClient) -> None:
    for i in range(3):
        an_account(api, f"P{i}", owner_id="ann")
        a_contact(api, f"P{i}")
    cursor = api("GET", "/accounts?name_prefix=p&limit=1").json["next_cursor"]
    assert len(api("GET", f"/accounts?name_prefix=p&cursor={cursor}").json["items"]) == 2
    flipped = ("A" if cursor[5] != "A" else "B").join((cursor[:5], cursor[6:]))
    for caller, path in (
        (api, f"/accounts?name_prefix=p&cursor={flipped}"),
        (api, f"/accounts?name_prefix=pp&cursor={cursor}"),
        (api, f"/accounts?owner_id=ann&cursor={cursor}"),
        (api, f"/contacts?name_prefix=p&cursor={cursor}"),
        (api.as_(tenant="globex"), f"/accounts?name_prefix=p&cursor={cursor}"),
    ):
        rejected = caller("GET", path)
        assert (rejected.status, wrong_fields(rejected)) == (422, {"cursor"}), path


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/accounts?colour=red", {"colour"}),
        ("/accounts?account_id=01ARZ3NDEKTSV4RRFFQ69G5FAV", {"account_id"}),
        ("/accounts?limit=0", {"limit"}),
        ("/accounts?limit=201", {"limit"}),
        ("/accounts?limit=ten", {"limit"}),
        ("/accounts?name_prefix=", {"name_prefix"}),
        ("/accounts?name_prefix=\u0301", {"name_prefix"}),
        (f"/accounts?name_prefix={'a' * 201}", {"name_prefix"}),
        ("/accounts?external_id=crm", {"external_id"}),
        ("/accounts?external_id=1:2", {"external_id"}),
        ("/accounts?owner_id=a&name_prefix=b", {"owner_id", "name_prefix"}),
        ("/accounts?external_id=a:1&cursor=zzz", {"cursor"}),
        ("/contacts?external_id=a:1&cursor=zzz", {"cursor"}),
        ("/contacts?account_id=acme", {"account_id"}),
        (
            "/contacts?account_id=01ARZ3NDEKTSV4RRFFQ69G5FAV&external_id=crm:1",
            {"account_id", "external_id"},
        ),
        ("/contacts?email=ada@example.com", {"email"}),
        ("/contacts?owner_id=a&owner_id=b", {"owner_id"}),
    ],
)
def test_an_unsupported_list_is_rejected_with_the_reason(
    api: ApiClient, path: str, fields: set[str]
) -> None:
    answer = api("GET", path)
    assert answer.status == 422, answer.text
    assert problem(answer) in ("invalid-request", "unindexed-filter")
    assert wrong_fields(answer) == fields


@pytest.mark.parametrize("name", ["\ufdfa" * 200, "\U00010330" * 200, "#" * 200, "\u0301a", "-'-"])
def test_any_name_can_be_stored(api: ApiClient, name: str) -> None:
    answer = an_account(api, name)
    assert answer.json["name"] == name
    assert api("GET", "/accounts").json["items"] == [answer.json]


def partitions(cloud: Any, table: str) -> set[str]:
    items = cloud.scan(TableName=table)["Items"]
    return {item["gsi2pk"]["S"] for item in items if "gsi2pk" in item}


def test_the_names_of_a_tenant_are_spread_over_partitions(api: ApiClient, cloud: Any) -> None:
    for initial in "abcÀ":
        an_account(api, f"{initial}x")
        a_contact(api, f"{initial}x")
    wanted = {f"TENANT#acme#NAME#{initial}" for initial in "abc"}
    assert partitions(cloud, "table") == wanted
    assert partitions(cloud, "contacts") == wanted


@pytest.mark.parametrize(
    "path",
    [
        *("/accounts", "/people", "/contacts", "/contacts?email_prefix=l"),
        "/contacts?account_id=01ARZ3NDEKTSV4RRFFQ69G5FAV",
    ],
)
def test_a_list_is_one_query(api: ApiClient, path: str) -> None:
    an_account(api)
    a_contact(api)
    meter = Meter()
    assert api("GET", path).status == 200
    assert meter.taken() == {"Query": 1}


@pytest.mark.parametrize("kind", ["accounts", "contacts"])
def test_a_list_by_name_is_two_queries(api: ApiClient, kind: str) -> None:
    """One for names that begin so, one for their other words."""
    an_account(api, "Lovelace")
    a_contact(api, "Lovelace", first_name="Ada")
    meter = Meter()
    assert len(api("GET", f"/{kind}?name_prefix=l").json["items"]) == 1
    assert meter.taken() == {"Query": 2}


def test_records_cost_what_the_budget_says(api: ApiClient) -> None:
    account = an_account(api)
    meter = Meter()
    api("GET", f"/accounts/{account.json['id']}")
    assert meter.taken() == {"GetItem": 1}
    assert not meter.requests[-1]["ConsistentRead"]
    an_account(api)
    assert meter.taken() == {"TransactWriteItems": 1}
    a_contact(api, account_id=account.json["id"])
    assert meter.taken() == {"GetItem": 1, "TransactWriteItems": 1}
    api("PATCH", f"/accounts/{account.json['id']}", {"sector": "food"}, account.etag)
    assert meter.taken() == {"GetItem": 1, "TransactWriteItems": 1}
