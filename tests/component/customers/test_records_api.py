"""Accounts and contacts through their API: what changes, what is published, what is rejected."""

from datetime import datetime
from typing import Any

import pytest

from tests.component.conftest import Answer, ApiClient, published
from tests.component.customers.conftest import a_contact, an_account, path_of, problem

ANY = {"if-match": "*"}
TABLES = {"accounts": "table", "contacts": "contacts"}


def made(api: ApiClient, kind: str, **fields: Any) -> Answer:
    return (an_account if kind == "accounts" else a_contact)(api, **fields)


def published_events(cloud: Any, kind: str) -> list[dict[str, Any]]:
    return published(cloud, TABLES[kind])


def test_a_new_account_is_stored_published_and_shown_in_normal_form(
    api: ApiClient, cloud: Any
) -> None:
    answer = an_account(
        api,
        "  Émile & Fils ",
        kind="customer",
        sector="retail",
        country="FR",
        region="Europe",
        website="HTTPS://Emile.example/Boutique",
        phone="+33 (1) 23-45-67-89",
        employees=12,
        annual_revenue={"minor_units": 110004000000, "currency": "EUR"},
        founded_year=1996,
        external_ids={"crm": "A1"},
        tags=["vip"],
        custom_fields={"tier": 2},
    )
    shown = answer.json
    assert answer.headers["etag"] == '"1"'
    assert shown["name"] == "Émile & Fils"
    assert shown["website"] == "https://emile.example/Boutique"
    assert shown["phone"] == "+33123456789"
    assert shown["annual_revenue"] == {"minor_units": 110004000000, "currency": "EUR"}
    assert (shown["owner_id"], shown["team_id"], shown["version"]) == ("ann", "north", 1)
    assert api("GET", path_of(answer)).json == shown
    (event,) = published_events(cloud, "accounts")
    assert (event["type"], event["subject"]) == ("AccountCreated", f"account/{shown['id']}")
    assert (event["source"], event["sequence"], event["origin"]) == ("zebros.customers", "1", "api")
    assert event["dataschema"] == "urn:zebros:schema:customers/AccountCreated.v1"
    assert event["data"]["current"] == shown
    assert published_events(cloud, "contacts") == []


def test_a_new_contact_is_stored_published_and_shown_in_normal_form(
    api: ApiClient, cloud: Any
) -> None:
    account = an_account(api).json["id"]
    answer = a_contact(
        api,
        first_name="Ada",
        account_id=account,
        emails=[" ADA@Example.com", "ada@example.com", "ada@work.example"],
        phones=["+44 20 7946 0000", "+44-20-7946-0000"],
        title="Analyst",
        consent={"email": True, "phone": False},
    )
    shown = answer.json
    assert shown["emails"] == ["ada@example.com", "ada@work.example"]
    assert shown["phones"] == ["+442079460000"]
    assert shown["consent"] == {"email": True, "phone": False}
    assert api("GET", path_of(answer)).json == shown
    (event,) = published_events(cloud, "contacts")
    assert (event["type"], event["subject"]) == ("ContactCreated", f"contact/{shown['id']}")
    assert event["data"]["current"] == shown


def test_a_field_that_is_not_set_is_absent_and_not_null(api: ApiClient) -> None:
    assert an_account(api).json.keys() == {
        *("owner_id", "team_id", "name", "kind", "id", "version"),
        *("created_at", "created_by", "updated_at", "updated_by"),
    }
    assert "emails" not in a_contact(api).json


def test_another_owner_may_be_named_at_creation(api: ApiClient) -> None:
    rep = api.as_(roles="sales-representative", user="rep")
    shown = an_account(rep, owner_id="bob", team_id="south").json
    assert (shown["owner_id"], shown["team_id"], shown["created_by"]) == ("bob", "south", "rep")


@pytest.mark.parametrize(
    ("kind", "type_", "patch", "changed"),
    [
        ("accounts", "AccountUpdated", {"name": "New", "sector": "food"}, ["name", "sector"]),
        ("contacts", "ContactUpdated", {"last_name": "Byron", "title": "Countess"}, None),
    ],
)
def test_the_event_of_a_change_has_the_changed_fields_and_their_previous_values(
    api: ApiClient, cloud: Any, kind: str, type_: str, patch: dict[str, str], changed: Any
) -> None:
    before = made(api, kind)
    after = api("PATCH", path_of(before), patch, before.etag)
    assert (after.status, after.json["version"], after.headers["etag"]) == (200, 2, '"2"')
    event = published_events(cloud, kind)[-1]
    assert (event["type"], event["sequence"]) == (type_, "2")
    assert event["data"]["current"] == after.json
    assert sorted(event["data"]["changed"]) == sorted(changed or patch)
    first = next(iter(patch))
    assert event["data"]["previous"][first] == before.json[first]


@pytest.mark.parametrize("kind", TABLES)
def test_a_change_without_effect_makes_no_new_version_and_no_event(
    api: ApiClient, cloud: Any, kind: str
) -> None:
    before = made(api, kind, tags=["a"])
    after = api("PATCH", path_of(before), {"tags": ["a"]}, before.etag)
    assert (after.status, after.json) == (200, before.json)
    assert len(published_events(cloud, kind)) == 1


def test_a_null_removes_a_field_and_an_entry(api: ApiClient) -> None:
    contact = a_contact(api, title="Analyst", consent={"email": True, "phone": True})
    patch = {"title": None, "consent": {"phone": None}}
    after = api("PATCH", path_of(contact), patch, contact.etag).json
    assert "title" not in after
    assert after["consent"] == {"email": True}


@pytest.mark.parametrize("kind", TABLES)
def test_a_change_needs_the_version_the_caller_read(api: ApiClient, cloud: Any, kind: str) -> None:
    path = path_of(made(api, kind))
    for method, verb in (("PATCH", ""), ("POST", "/archive"), ("POST", "/restore")):
        body = {"tags": ["x"]} if method == "PATCH" else None
        missing = api(method, path + verb, body)
        assert (missing.status, problem(missing)) == (428, "precondition-required")
        stale = api(method, path + verb, body, {"if-match": '"7"'})
        assert (stale.status, problem(stale)) == (412, "stale-version")
        unread = api(method, path + verb, body, {"if-match": "7"})
        assert (unread.status, problem(unread)) == (422, "invalid-request")
    assert len(published_events(cloud, kind)) == 1


@pytest.mark.parametrize("kind", TABLES)
def test_an_archived_record_is_shown_but_in_no_list(api: ApiClient, cloud: Any, kind: str) -> None:
    account = an_account(api, "Holder").json["id"]
    more = {"account_id": account} if kind == "contacts" else {}
    record = made(api, kind, external_ids={"crm": "1"}, **more)
    name = record.json.get("name") or record.json["last_name"]
    lists = [f"/{kind}?owner_id=ann", f"/{kind}?name_prefix={name}", f"/{kind}?external_id=crm:1"]
    if kind == "contacts":
        lists.append(f"/contacts?account_id={account}")

    def found() -> list[bool]:
        return [record.json["id"] in {i["id"] for i in api("GET", p).json["items"]} for p in lists]

    assert all(found())
    archived = api("POST", path_of(record) + "/archive", None, record.etag)
    assert (archived.status, archived.json["version"]) == (200, 2)
    made_at, put_away_at, stored_at = (
        datetime.fromisoformat(archived.json[name])
        for name in ("created_at", "archived_at", "updated_at")
    )
    assert made_at <= put_away_at <= stored_at
    assert not any(found())
    assert api("GET", path_of(record)).json == archived.json
    restored = api("POST", path_of(record) + "/restore", None, archived.etag)
    assert (restored.status, restored.json["version"]) == (200, 3)
    assert "archived_at" not in restored.json
    assert all(found())
    types = [
        f["type"] for f in published_events(cloud, kind) if f["subject"].endswith(record.json["id"])
    ]
    singular = "Account" if kind == "accounts" else "Contact"
    assert types == [f"{singular}{verb}" for verb in ("Created", "Archived", "Restored")]


@pytest.mark.parametrize("kind", TABLES)
def test_an_archived_record_cannot_be_changed_or_archived_again(
    api: ApiClient, cloud: Any, kind: str
) -> None:
    record = made(api, kind, external_ids={"crm": "1"})
    path = path_of(record)
    api("POST", path + "/archive", None, ANY)
    again = api("POST", path + "/archive", None, ANY)
    assert (again.status, problem(again)) == (422, "archived")
    change = api("PATCH", path, {"tags": ["x"]}, ANY)
    assert (change.status, problem(change)) == (422, "archived")
    upsert = api("POST", f"/{kind}/batch", {"items": [{**NAMED, "external_ids": {"crm": "1"}}]})
    if kind == "contacts":
        upsert = api(
            "POST", "/contacts/batch", {"items": [{"last_name": "X", "external_ids": {"crm": "1"}}]}
        )
    (result,) = upsert.json["results"]
    assert result["problem"]["type"] == "urn:zebros:problem:archived"
    assert len(published_events(cloud, kind)) == 2


NAMED = {"name": "X"}


@pytest.mark.parametrize("kind", TABLES)
def test_an_active_record_cannot_be_restored(api: ApiClient, cloud: Any, kind: str) -> None:
    record = made(api, kind)
    answer = api("POST", path_of(record) + "/restore", None, record.etag)
    assert (answer.status, problem(answer)) == (422, "rule-violation")
    assert len(published_events(cloud, kind)) == 1


@pytest.mark.parametrize("kind", TABLES)
def test_an_archived_record_keeps_its_external_id(api: ApiClient, kind: str) -> None:
    record = made(api, kind, external_ids={"crm": "1"})
    api("POST", path_of(record) + "/archive", None, ANY)
    name = {"name": "B"} if kind == "accounts" else {"last_name": "B"}
    taken = api("POST", f"/{kind}", {**name, "external_ids": {"crm": "1"}})
    assert (taken.status, problem(taken)) == (409, "duplicate-external-id")


@pytest.mark.parametrize("kind", TABLES)
def test_a_repeated_key_makes_one_record_in_either_table(
    api: ApiClient, cloud: Any, kind: str
) -> None:
    key = {"idempotency-key": "k-1"}
    body = {"name": "Once"} if kind == "accounts" else {"last_name": "Once"}
    first = api("POST", f"/{kind}", body, key)
    again = api("POST", f"/{kind}", body, key)
    assert (first.status, again.status, again.text) == (201, 201, first.text)
    assert again.headers["idempotency-replayed"] == "true"
    assert len(published_events(cloud, kind)) == 1
    other = api("POST", f"/{kind}", {**body, "tags": ["x"]}, key)
    assert (other.status, problem(other)) == (422, "idempotency-key-reused")
    path = path_of(first)
    archived = api("POST", path + "/archive", None, {**ANY, "idempotency-key": "k-2"})
    replayed = api("POST", path + "/archive", None, {**ANY, "idempotency-key": "k-2"})
    assert (replayed.status, replayed.text) == (200, archived.text)


@pytest.mark.parametrize("kind", TABLES)
def test_an_external_id_names_one_record(api: ApiClient, cloud: Any, kind: str) -> None:
    first = made(api, kind, external_ids={"crm": "1", "erp": "9"})
    second = made(api, kind, external_ids={"crm": "2"})
    taken = api("PATCH", path_of(second), {"external_ids": {"erp": "9"}}, ANY)
    assert (taken.status, problem(taken)) == (409, "duplicate-external-id")
    api("PATCH", path_of(first), {"external_ids": {"erp": None}}, ANY)
    freed = api("PATCH", path_of(second), {"external_ids": {"erp": "9"}}, ANY)
    assert freed.status == 200
    (found,) = api("GET", f"/{kind}?external_id=erp:9").json["items"]
    assert found == freed.json
    assert api("GET", f"/{kind}?external_id=erp:8").json == {"items": []}


def test_accounts_and_contacts_may_have_the_same_external_id(api: ApiClient) -> None:
    account = an_account(api, external_ids={"crm": "1"})
    contact = a_contact(api, external_ids={"crm": "1"})
    assert api("GET", "/accounts?external_id=crm:1").json["items"] == [account.json]
    assert api("GET", "/contacts?external_id=crm:1").json["items"] == [contact.json]


def test_a_contact_moves_to_another_account_and_is_listed_there(api: ApiClient) -> None:
    first, second = (an_account(api, name).json["id"] for name in ("A", "B"))
    contact = a_contact(api, account_id=first)
    moved = api("PATCH", path_of(contact), {"account_id": second}, contact.etag)
    assert moved.status == 200
    assert api("GET", f"/contacts?account_id={first}").json["items"] == []
    assert api("GET", f"/contacts?account_id={second}").json["items"] == [moved.json]


def test_a_contact_stays_with_an_account_that_was_archived_later(api: ApiClient) -> None:
    account = an_account(api)
    contact = a_contact(api, account_id=account.json["id"])
    api("POST", path_of(account) + "/archive", None, ANY)
    assert api("PATCH", path_of(contact), {"title": "CEO"}, ANY).status == 200
