"""Batches of accounts and contacts: every row is upserted independently, by external id."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from kernel.domain.events import MAX_EXTERNAL_IDS
from kernel.runtime import aws
from kernel.web.batch import _groups
from tests.component.conftest import Answer, ApiClient, published
from tests.component.customers.conftest import a_contact, an_account, pages, problem, wrong_fields

UNKNOWN_ID = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
KINDS = {"accounts": ("table", "name"), "contacts": ("contacts", "last_name")}


def rows(kind: str, count: int) -> list[dict[str, Any]]:
    name = KINDS[kind][1]
    return [{name: f"r{i}", "external_ids": {"crm": str(i)}} for i in range(count)]


def send(api: ApiClient, kind: str, items: list[Any], **headers: str) -> Answer:
    return api("POST", f"/{kind}/batch", {"items": items}, headers)


def results(answer: Answer) -> list[Any]:
    assert answer.status == 207, answer.text
    found: list[Any] = answer.json["results"]
    assert [r["index"] for r in found] == list(range(len(found)))
    return found


@pytest.mark.parametrize(("kind", "count"), [("accounts", 100), ("contacts", 12)])
def test_all_other_items_are_stored_when_one_is_bad(
    api: ApiClient, cloud: Any, kind: str, count: int
) -> None:
    table, name = KINDS[kind]
    items = rows(kind, count)
    items[7] = {name: "", "external_ids": {"crm": "7"}, "phone_number": "1"}
    found = results(send(api, kind, items))
    assert [r["status"] for r in found] == [201] * 7 + [422] + [201] * (count - 8)
    assert {e["field"] for e in found[7]["problem"]["errors"]} == {name, "phone_number"}
    assert found[7]["problem"]["type"] == "urn:zebros:problem:invalid-request"
    stored = published(cloud, table)
    assert len(stored) == count - 1
    assert {f["origin"] for f in stored} == {"import"}
    shown = {item["id"]: item for item in pages(api, f"/{kind}?limit=50")}
    assert {r["id"] for r in found if "id" in r} == set(shown)
    assert all(shown[r["id"]]["external_ids"]["crm"] == str(r["index"]) for r in found if "id" in r)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_batch_again_changes_nothing(api: ApiClient, cloud: Any, kind: str) -> None:
    first = results(send(api, kind, rows(kind, 5)))
    again = results(send(api, kind, rows(kind, 5)))
    assert [r["status"] for r in again] == [200] * 5
    assert [(r["id"], r["version"]) for r in again] == [(r["id"], 1) for r in first]
    assert len(published(cloud, KINDS[kind][0])) == 5


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_changes_only_the_fields_it_names(api: ApiClient, kind: str) -> None:
    name = KINDS[kind][1]
    make = an_account if kind == "accounts" else a_contact
    before = make(api, "Old", external_ids={"crm": "1", "erp": "2"}, tags=["a"], team_id="south")
    row = {name: "New", "external_ids": {"crm": "1", "web": "3"}, "team_id": None}
    (result,) = results(send(api, kind, [row]))
    after = api("GET", f"/{kind}/{before.json['id']}").json
    assert (result["status"], result["id"], result["version"]) == (200, before.json["id"], 2)
    assert after[name] == "New"
    assert after["tags"] == ["a"], "not mentioned"
    assert "team_id" not in after, "set to null"
    assert after["external_ids"] == {"crm": "1", "erp": "2", "web": "3"}
    assert after["owner_id"] == "ann", "an import does not change the owner"


@pytest.mark.parametrize("kind", KINDS)
def test_items_about_one_record_are_applied_in_order(api: ApiClient, kind: str) -> None:
    name = KINDS[kind][1]
    items = [{name: f"v{i}", "external_ids": {"crm": "1"}} for i in range(6)]
    found = results(send(api, kind, items))
    assert [(r["status"], r["version"]) for r in found] == [
        (201, 1),
        *((200, i) for i in range(2, 7)),
    ]
    assert api("GET", f"/{kind}/{found[0]['id']}").json[name] == "v5"


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_that_names_two_records_or_none_is_rejected(
    api: ApiClient, cloud: Any, kind: str
) -> None:
    name = KINDS[kind][1]
    ids = [r["id"] for r in results(send(api, kind, rows(kind, 2)))]
    both = {name: "x", "external_ids": {"crm": "0", "erp": "5"}}
    statuses = [r["status"] for r in results(send(api, kind, [both, {name: "x"}, "x", []]))]
    assert statuses == [200, 422, 422, 422]
    (none,) = results(send(api, kind, [{name: "x"}]))
    assert none["problem"]["errors"][0]["field"] == "external_ids"
    api("PATCH", f"/{kind}/{ids[1]}", {"external_ids": {"web": "7"}}, {"if-match": "*"})
    (two,) = results(send(api, kind, [{name: "x", "external_ids": {"crm": "0", "web": "7"}}]))
    assert (two["status"], two["problem"]["type"]) == (409, "urn:zebros:problem:conflict")
    assert all(record in two["problem"]["detail"] for record in ids)
    assert len(published(cloud, KINDS[kind][0])) == 4


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_cannot_change_the_id_of_a_record(api: ApiClient, kind: str) -> None:
    name = KINDS[kind][1]
    make = an_account if kind == "accounts" else a_contact
    record = make(api, external_ids={"crm": "1", "erp": "5"})
    row = {name: "x", "external_ids": {"crm": "2", "erp": "5"}}
    (result,) = results(send(api, kind, [row]))
    assert result["status"] == 422
    (error,) = result["problem"]["errors"]
    assert error["field"] == "external_ids.crm"
    assert error["message"].startswith("the record already has the crm id 1,")
    assert api("GET", f"/{kind}/{record.json['id']}").json == record.json


@pytest.mark.parametrize("kind", KINDS)
def test_a_record_cannot_get_more_external_ids_than_allowed(api: ApiClient, kind: str) -> None:
    name = KINDS[kind][1]
    make = an_account if kind == "accounts" else a_contact
    full = {f"s{i}": "1" for i in range(MAX_EXTERNAL_IDS)}
    record = make(api, external_ids=full)
    (result,) = results(send(api, kind, [{name: "x", "external_ids": {"s0": "1", "new": "1"}}]))
    assert (result["status"], result["problem"]["errors"][0]["field"]) == (422, "external_ids")
    assert api("GET", f"/{kind}/{record.json['id']}").json == record.json


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"items": []}, "items"),
        ({"items": "x"}, "items"),
        ({"items": None}, "items"),
        ({}, "items"),
        ({"items": [{}], "simulate": True}, "simulate"),
    ],
)
def test_a_malformed_batch_is_rejected_as_a_whole(
    api: ApiClient, kind: str, body: Any, field: str
) -> None:
    answer = api("POST", f"/{kind}/batch", body)
    assert (answer.status, problem(answer), wrong_fields(answer)) == (
        *(422, "invalid-request", {field}),
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_hundred_and_one_items_are_rejected_as_a_whole(
    api: ApiClient, cloud: Any, kind: str
) -> None:
    answer = send(api, kind, rows(kind, 101))
    assert (answer.status, wrong_fields(answer)) == (422, {"items"})
    assert "100" in answer.json["detail"]
    assert published(cloud, KINDS[kind][0]) == []


@pytest.mark.parametrize(
    ("fault", "status", "slug"),
    [
        (ClientError({"Error": {"Code": "ThrottlingException"}}, "x"), 503, "not-ready"),
        (ClientError({"Error": {"Code": "ValidationException"}}, "x"), 500, "internal"),
        (KeyError("internal detail"), 500, "internal"),
    ],
    ids=["throttled", "rejected", "mistaken"],
)
def test_a_row_that_fails_does_not_fail_the_others(
    api: ApiClient, cloud: Any, fault: Exception, status: int, slug: str
) -> None:
    calls: list[int] = []

    def fail_once(**_: Any) -> None:
        calls.append(1)
        if len(calls) == 5:
            raise fault

    events = aws.client("dynamodb").meta.events
    events.register("before-call.dynamodb.TransactWriteItems", fail_once)
    found = results(send(api, "accounts", rows("accounts", 20)))
    events.unregister("before-call.dynamodb.TransactWriteItems", fail_once)
    (failed,) = (r for r in found if r["status"] != 201)
    assert (failed["status"], failed["problem"]["status"]) == (status, status)
    assert failed["problem"]["type"] == f"urn:zebros:problem:{slug}"
    assert "internal detail" not in str(found), "internal errors are only logged"
    assert len(published(cloud)) == 19
    again = results(send(api, "accounts", rows("accounts", 20)))
    assert [r["status"] for r in again].count(201) == 1
    assert again[failed["index"]]["status"] == 201


def test_an_unknown_field_name_is_shortened_in_the_problem(api: ApiClient) -> None:
    (result,) = results(send(api, "accounts", [{"name": "A", "x" * 900_000: 1}]))
    (error,) = result["problem"]["errors"]
    assert error == {"field": "x" * 80, "message": "is not a field of this request"}


@pytest.mark.parametrize("kind", KINDS)
def test_a_repeated_batch_with_a_key_gets_the_first_answer(
    api: ApiClient, cloud: Any, kind: str
) -> None:
    key = {"idempotency-key": "k"}
    first = send(api, kind, rows(kind, 3), **key)
    again = send(api, kind, rows(kind, 3), **key)
    assert (again.status, again.text) == (207, first.text)
    assert again.headers["idempotency-replayed"] == "true"
    assert send(api, kind, rows(kind, 2), **key).status == 422
    assert len(published(cloud, KINDS[kind][0])) == 3


def throttled() -> None:
    raise ClientError({"Error": {"Code": "ThrottlingException"}}, "x")


def changed(api: ApiClient) -> None:
    """Another change of the first row's record."""
    found = api("GET", "/accounts?external_id=crm:0").json["items"][0]
    path = f"/accounts/{found['id']}"
    assert api("PATCH", path, {"name": "theirs"}, {"if-match": "*"}).status == 200


def taken(api: ApiClient) -> None:
    """Another record with the first row's external id."""
    an_account(api, external_ids={"crm": "0"})


@pytest.mark.parametrize(
    ("known", "meanwhile", "status", "slug"),
    [
        (False, lambda _: throttled(), 503, "not-ready"),
        (True, changed, 412, "stale-version"),
        (False, taken, 409, "duplicate-external-id"),
    ],
    ids=["throttled", "changed meanwhile", "made meanwhile"],
)
def test_a_row_that_failed_temporarily_is_stored_when_the_batch_is_repeated_with_its_key(
    api: ApiClient, known: bool, meanwhile: Any, status: int, slug: str
) -> None:
    items = [{"name": "ours", "external_ids": {"crm": "0"}}]
    if known:
        an_account(api, external_ids={"crm": "0"})
    calls: list[int] = []

    def second(**_: Any) -> None:
        calls.append(1)
        if len(calls) == 2:  # the first takes the key
            meanwhile(api)

    events = aws.client("dynamodb").meta.events
    events.register("before-call.dynamodb.TransactWriteItems", second)
    key = {"idempotency-key": "k"}
    (failed,) = results(send(api, "accounts", items, **key))
    assert (failed["status"], failed["problem"]["type"]) == (status, f"urn:zebros:problem:{slug}")
    again = send(api, "accounts", items, **key)
    (stored,) = results(again)
    assert stored["status"] in (200, 201)
    assert api("GET", f"/accounts/{stored['id']}").json["name"] == "ours"
    kept = send(api, "accounts", items, **key)
    assert (kept.text, kept.headers["idempotency-replayed"]) == (again.text, "true")


@pytest.mark.parametrize("stored", [True, False])
def test_rows_about_one_record_are_applied_in_their_order(api: ApiClient, stored: bool) -> None:
    if stored:
        an_account(api, external_ids={"erp": "k"})
    named = [{"erp": "k"}, {"crm": "k", "erp": " k "}, {"crm": "k"}, {"aaa": "k", "erp": "k"}]
    items: list[dict[str, Any]] = rows("accounts", 4)
    for number, external_ids in enumerate(named):
        items.insert(2 * number, {"name": f"n{number}", "external_ids": external_ids})
    found = results(send(api, "accounts", items))
    mine = [found[2 * number] for number in range(4)]
    assert [r["status"] for r in mine] == [200 if stored else 201, 200, 200, 200]
    assert len({r["id"] for r in mine}) == 1
    assert [r["version"] for r in mine] == sorted(r["version"] for r in mine)
    assert api("GET", f"/accounts/{mine[0]['id']}").json["name"] == "n3"


def test_a_row_with_the_replacement_character_does_not_stop_the_others(api: ApiClient) -> None:
    items = '{"name":"A\ufffd","external_ids":{"crm":"1"}},{"name":"B","external_ids":{"crm":"2"}}'
    answer = api("POST", "/accounts/batch", f'{{"items":[{items}]}}')
    assert [r["status"] for r in results(answer)] == [201, 201]


def test_rows_that_are_linked_through_other_rows_are_found() -> None:
    ids = [{"a": "1"}, {"b": "1"}, {"c": "1"}, {"a": "1", "b": "1"}, "none", {"c": "1"}]
    items = [{"external_ids": one} for one in ids]
    assert sorted(_groups(items)) == [[0, 1, 3], [2, 5], [4]]
    assert _groups(["no row", {"external_ids": None}, None]) == [[0], [1], [2]]


def test_a_batch_with_an_invalid_row_is_not_repeated_with_its_key(api: ApiClient) -> None:
    key, items = {"idempotency-key": "k"}, [*rows("accounts", 2), {"name": ""}]
    first = send(api, "accounts", items, **key)
    again = send(api, "accounts", items, **key)
    assert [r["status"] for r in results(first)] == [201, 201, 422]
    assert (again.text, again.headers["idempotency-replayed"]) == (first.text, "true")


def test_stored_rows_are_reported_even_when_the_key_cannot_be_released(
    api: ApiClient, caplog: pytest.LogCaptureFixture
) -> None:
    calls: list[int] = []

    def second(**_: Any) -> None:
        calls.append(1)
        if len(calls) == 2:
            throttled()

    def lost(**_: Any) -> None:
        throttled()

    events = aws.client("dynamodb").meta.events
    events.register("before-call.dynamodb.TransactWriteItems", second)
    events.register("before-call.dynamodb.DeleteItem", lost)
    key = {"idempotency-key": "k"}
    found = results(send(api, "accounts", rows("accounts", 2), **key))
    assert sorted(r["status"] for r in found) == [201, 503]
    assert "key not released" in caplog.text
    again = send(api, "accounts", rows("accounts", 2), **key)
    assert (again.status, problem(again)) == (409, "idempotency-key-in-use")


def test_a_row_may_refer_to_an_account_of_an_earlier_row(api: ApiClient) -> None:
    parent = results(send(api, "accounts", rows("accounts", 1)))[0]["id"]
    child = {"name": "C", "external_ids": {"crm": "c"}, "parent_account_id": parent}
    person = {"last_name": "P", "external_ids": {"crm": "p"}, "account_id": parent}
    stranger = {**person, "external_ids": {"crm": "q"}, "account_id": UNKNOWN_ID}
    assert results(send(api, "accounts", [child]))[0]["status"] == 201
    found = results(send(api, "contacts", [person, stranger]))
    assert [r["status"] for r in found] == [201, 422]
    assert found[1]["problem"]["errors"][0]["field"] == "account_id"
    loop = {
        **rows("accounts", 1)[0],
        "parent_account_id": results(send(api, "accounts", [child]))[0]["id"],
    }
    (rejected,) = results(send(api, "accounts", [loop]))
    assert rejected["problem"]["errors"][0]["field"] == "parent_account_id"
