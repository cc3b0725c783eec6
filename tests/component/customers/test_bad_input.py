"""Bad input to accounts and contacts: a clear problem each, nothing stored or published."""

import json
from typing import Any

import pytest

from tests.component.conftest import ApiClient, published
from tests.component.customers.conftest import a_contact, an_account, path_of, problem, wrong_fields

ANY = {"if-match": "*"}
UNKNOWN_ID = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
ACCOUNT: dict[str, Any] = {"name": "A"}
CONTACT: dict[str, Any] = {"last_name": "A"}

WRONG_ACCOUNTS = [
    ({"name": None}, {"name"}),
    ({"name": ""}, {"name"}),
    ({"name": "   "}, {"name"}),
    ({"name": 5}, {"name"}),
    ({"name": "x" * 201}, {"name"}),
    ({"nmae": "A"}, {"nmae"}),
    ({"kind": "enemy"}, {"kind"}),
    ({"country": "Germany"}, {"country"}),
    ({"country": "de"}, {"country"}),
    ({"country": "ZZ"}, {"country"}),
    ({"phone": "030 1234567"}, {"phone"}),
    ({"phone": "+49"}, {"phone"}),
    ({"website": "acme.example"}, {"website"}),
    ({"website": "javascript:alert(1)"}, {"website"}),
    ({"employees": -1}, {"employees"}),
    ({"employees": 1.5}, {"employees"}),
    ({"employees": "12"}, {"employees"}),
    ({"employees": True}, {"employees"}),
    ({"employees": 10**30}, {"employees"}),
    (
        {"annual_revenue": {"minor_units": 1.5, "currency": "USD"}},
        {"annual_revenue.minor_units"},
    ),
    (
        {"annual_revenue": {"minor_units": 1, "currency": "DOL"}},
        {"annual_revenue.currency"},
    ),
    ({"annual_revenue": 12}, {"annual_revenue"}),
    ({"annual_revenue": {}}, {"annual_revenue.minor_units", "annual_revenue.currency"}),
    ({"founded_year": 999}, {"founded_year"}),
    ({"founded_year": 2999}, {"founded_year"}),
    ({"founded_year": "1999"}, {"founded_year"}),
    ({"parent_account_id": "acme"}, {"parent_account_id"}),
    ({"parent_account_id": UNKNOWN_ID}, {"parent_account_id"}),
    ({"parent_account_id": UNKNOWN_ID.lower()}, {"parent_account_id"}),
    ({"tags": ["x"] * 21}, {"tags"}),
    ({"tags": "x"}, {"tags"}),
    ({"external_ids": {f"s{i}": "1" for i in range(11)}}, {"external_ids"}),
    ({"external_ids": {"crm": ""}}, {"external_ids.crm"}),
    ({"custom_fields": {"size": 1.5}}, {"custom_fields.size"}),
    ({"custom_fields": {"size": 1.0, "rate": 0.0}}, {"custom_fields.size", "custom_fields.rate"}),
    ({"custom_fields": {"size": 2**53}}, {"custom_fields.size"}),
    ({"custom_fields": {"size": -(2**53)}}, {"custom_fields.size"}),
    ({"custom_fields": {"size": 10**20}}, {"custom_fields.size"}),
    ({"custom_fields": {"size": "x" * 501}}, {"custom_fields.size"}),
    ({"custom_fields": {"size": [1]}}, {"custom_fields.size"}),
    ({"custom_fields": {"a b": 1}}, {"custom_fields.a b.[key]"}),
    ({"owner_id": ""}, {"owner_id"}),
    ({"id": UNKNOWN_ID}, {"id"}),
    ({"version": 7}, {"version"}),
    ({"tenant_id": "globex"}, {"tenant_id"}),
    ({"archived_at": "2026-01-01T00:00:00Z"}, {"archived_at"}),
    ({"created_by": "bob"}, {"created_by"}),
]
WRONG_CONTACTS = [
    ({"last_name": None}, {"last_name"}),
    ({"name": "Ada"}, {"name"}),
    ({"emails": "ada@example.com"}, {"emails"}),
    ({"emails": ["ada@example.com", "ada"]}, {"emails.1"}),
    ({"emails": ["Ada <ada@example.com>"]}, {"emails.0"}),
    ({"emails": [f"a{i}@example.com" for i in range(11)]}, {"emails"}),
    ({"phones": ["555-0100"]}, {"phones.0"}),
    ({"consent": {"email": "yes"}}, {"consent.email"}),
    ({"consent": {"email": 1}}, {"consent.email"}),
    ({"consent": ["email"]}, {"consent"}),
    ({"account_id": UNKNOWN_ID}, {"account_id"}),
    ({"account_id": "acme"}, {"account_id"}),
    ({"account_id": 5}, {"account_id"}),
]
CASES = [
    *(("accounts", ACCOUNT, fields, wrong) for fields, wrong in WRONG_ACCOUNTS),
    *(("contacts", CONTACT, fields, wrong) for fields, wrong in WRONG_CONTACTS),
]


def count_events(cloud: Any) -> int:
    return len(published(cloud)) + len(published(cloud, "contacts"))


def stored(cloud: Any) -> list[Any]:
    return [cloud.scan(TableName=table)["Items"] for table in ("table", "contacts")]


def named(part: Any) -> str:
    """A test id that does not depend on the order of a set."""
    return str(sorted(part) if isinstance(part, set) else part)


@pytest.mark.parametrize(("kind", "good", "fields", "wrong"), CASES, ids=named)
def test_a_wrong_field_is_named_and_nothing_is_stored(
    api: ApiClient,
    cloud: Any,
    kind: str,
    good: dict[str, Any],
    fields: dict[str, Any],
    wrong: set[str],
) -> None:
    record = (an_account if kind == "accounts" else a_contact)(api)
    before = stored(cloud)
    created = api("POST", f"/{kind}", {**good, **fields}, {"idempotency-key": "k"})
    patched = api("PATCH", path_of(record), fields, ANY)
    batch = {"items": [{**good, "external_ids": {"crm": "1"}, **fields}]}
    upserted = api("POST", f"/{kind}/batch", batch)
    for answer in (created, patched):
        assert (answer.status, problem(answer)) == (422, "invalid-request"), answer.text
        assert wrong_fields(answer) == wrong
        assert all(error["message"] for error in answer.json["errors"])
    (result,) = upserted.json["results"]
    assert result["problem"]["errors"] == created.json["errors"]
    assert stored(cloud) == before


@pytest.mark.parametrize("kind", ["accounts", "contacts"])
def test_a_custom_field_keeps_its_type(api: ApiClient, kind: str) -> None:
    given = {"yes": True, "one": 1, "zero": 0, "no": False, "text": "1", "most": 2**53 - 1}
    good = ACCOUNT if kind == "accounts" else CONTACT
    created = api("POST", f"/{kind}", {**good, "custom_fields": given})
    later = {"yes": 1, "one": True, "zero": False, "no": 0}
    patched = api("PATCH", path_of(created), {"custom_fields": later}, ANY)
    item = {**good, "external_ids": {"crm": "1"}, "custom_fields": given}
    (upserted,) = api("POST", f"/{kind}/batch", {"items": [item]}).json["results"]
    for record_id, sent in (
        (created.json["id"], {**given, **later}),
        (upserted["id"], given),
    ):
        shown = api("GET", f"/{kind}/{record_id}").json["custom_fields"]
        assert json.dumps(shown, sort_keys=True) == json.dumps(sent, sort_keys=True)
    assert patched.status == 200
    rejected = api("PATCH", path_of(created), {"custom_fields": {"one": 1.0}}, ANY)
    assert "write any other number as text" in rejected.json["errors"][0]["message"]


def test_a_change_too_large_for_an_event_is_rejected(api: ApiClient, cloud: Any) -> None:
    large = {f"f{i}": "\x01" * 500 for i in range(50)}
    account = an_account(api, custom_fields=large, external_ids={"crm": "1"})
    # The event has the new and the previous values.
    change = {"name": "A", "custom_fields": dict.fromkeys(large, "\x02" * 500)}
    patched = api("PATCH", path_of(account), change, ANY)
    assert (patched.status, problem(patched)) == (413, "too-large")
    assert "custom_fields" in patched.json["detail"]
    item = {**change, "external_ids": {"crm": "1"}}
    (result,) = api("POST", "/accounts/batch", {"items": [item]}).json["results"]
    assert (result["status"], result["problem"]["type"]) == (413, "urn:zebros:problem:too-large")
    assert count_events(cloud) == 1
    some = {"custom_fields": {f"f{i}": "" for i in range(25)}}
    assert api("PATCH", path_of(account), some, ANY).status == 200


@pytest.mark.parametrize("kind", ["accounts", "contacts"])
@pytest.mark.parametrize(
    ("body", "status", "slug"),
    [
        ("", 422, "invalid-request"),
        ("{", 400, "malformed-request"),
        ('{"name": "A",}', 400, "malformed-request"),
        ("name=A", 400, "malformed-request"),
        ("\ufeff{}", 400, "malformed-request"),
        ("[]", 422, "invalid-request"),
        ("null", 422, "invalid-request"),
        ('"A"', 422, "invalid-request"),
        ('{"name": "\\ud800", "last_name": "\\ud800"}', 400, "malformed-request"),
        ('{"custom_fields": ' + '{"a":' * 5000 + "1" + "}" * 5001, 400, "malformed-request"),
        ('{"tags": ["' + "x" * 1_000_001 + '"]}', 413, "too-large"),
        ('{"tags": ["' + "\N{EURO SIGN}" * 333_333 + '"]}', 413, "too-large"),
    ],
    ids=lambda value: str(value)[:24],
)
def test_a_body_that_cannot_be_read_is_rejected(
    api: ApiClient, cloud: Any, kind: str, body: str, status: int, slug: str
) -> None:
    for path in (f"/{kind}", f"/{kind}/batch"):
        answer = api("POST", path, body)
        assert (answer.status, problem(answer)) in ((status, slug), (422, "invalid-request"))
        if path == f"/{kind}":
            assert answer.status == status, answer.text
    assert count_events(cloud) == 0


@pytest.mark.parametrize("kind", ["accounts", "contacts"])
@pytest.mark.parametrize(
    ("body", "status"),
    [("", 400), ("{", 400), ("[]", 400), ("null", 400), ('{"custom_fields": [1]}', 422)],
)
def test_a_patch_that_cannot_be_read_is_rejected(
    api: ApiClient, cloud: Any, kind: str, body: str, status: int
) -> None:
    record = (an_account if kind == "accounts" else a_contact)(api)
    answer = api("PATCH", path_of(record), body, ANY)
    assert (answer.status, answer.text[:1]) == (status, "{")
    deep = '{"custom_fields": ' + '{"a":' * 3000 + "1" + "}" * 3001
    # Parsing rejects it, or validation if the interpreter can parse this depth.
    assert api("PATCH", path_of(record), deep, ANY).status in (400, 422)
    assert count_events(cloud) == 1


@pytest.mark.parametrize("kind", ["accounts", "contacts"])
@pytest.mark.parametrize(
    "record_id", ["acme", "default", "0" * 200, UNKNOWN_ID, UNKNOWN_ID.lower(), "%00"]
)
def test_an_unknown_id_is_not_found(api: ApiClient, kind: str, record_id: str) -> None:
    for method, path in (
        ("GET", ""),
        ("PATCH", ""),
        ("POST", "/archive"),
        ("POST", "/restore"),
    ):
        body = {"tags": []} if method == "PATCH" else None
        answer = api(method, f"/{kind}/{record_id}{path}", body, ANY)
        assert (answer.status, problem(answer)) == (404, "not-found"), path


def test_an_id_of_the_other_kind_is_not_found(api: ApiClient) -> None:
    account, contact = an_account(api).json["id"], a_contact(api).json["id"]
    assert api("GET", f"/contacts/{account}").status == 404
    assert api("GET", f"/accounts/{contact}").status == 404
    answer = api("POST", "/contacts", {"last_name": "A", "account_id": contact})
    assert (answer.status, wrong_fields(answer)) == (422, {"account_id"})


def test_a_contact_cannot_be_linked_to_an_archived_account(api: ApiClient, cloud: Any) -> None:
    account = an_account(api)
    api("POST", path_of(account) + "/archive", None, ANY)
    answer = api("POST", "/contacts", {"last_name": "A", "account_id": account.json["id"]})
    assert (answer.status, wrong_fields(answer)) == (422, {"account_id"})
    assert "restore it first" in answer.json["detail"]
    contact = a_contact(api)
    moved = api("PATCH", path_of(contact), {"account_id": account.json["id"]}, ANY)
    assert (moved.status, wrong_fields(moved)) == (422, {"account_id"})


def test_the_founded_year_is_at_most_next_year(api: ApiClient) -> None:
    year = int(an_account(api).json["created_at"][:4])
    assert an_account(api, founded_year=year + 1).json["founded_year"] == year + 1
    late = api("POST", "/accounts", {"name": "A", "founded_year": year + 2})
    assert late.json["errors"] == [
        {"field": "founded_year", "message": f"must be between 1000 and {year + 1}"}
    ]


@pytest.mark.parametrize("media_type", ["text/plain", "application/xml", "multipart/form-data"])
def test_a_body_that_is_not_json_is_rejected(api: ApiClient, media_type: str) -> None:
    for method, path in (("POST", "/accounts"), ("PATCH", path_of(an_account(api)))):
        answer = api(method, path, json.dumps(ACCOUNT), {"content-type": media_type, **ANY})
        assert (answer.status, problem(answer)) == (415, "unsupported-media-type")


def test_an_unknown_path_is_not_found(api: ApiClient) -> None:
    for method, path in (("GET", "/leads"), ("DELETE", "/leads"), ("POST", "/accounts/x/y")):
        answer = api(method, path, {})
        assert (answer.status, problem(answer)) == (404, "not-found")


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_a_body_that_is_not_text_is_rejected(api: ApiClient, cloud: Any, method: str) -> None:
    path = "/accounts" if method == "POST" else path_of(an_account(api))
    before = count_events(cloud)
    answer = api(method, path, '{"name":"\ufffdt\ufffd"}', ANY)
    assert (answer.status, problem(answer)) == (400, "malformed-request")
    assert "UTF-8" in answer.json["detail"]
    assert count_events(cloud) == before


def test_a_number_out_of_range_is_rejected(api: ApiClient) -> None:
    path = path_of(an_account(api))
    answer = api("PATCH", path, '{"employees": ' + "9" * 5000 + "}", ANY)
    assert (answer.status, problem(answer)) == (400, "malformed-request")
    assert "sys." not in answer.text


def test_an_external_id_is_found_with_or_without_surrounding_spaces(api: ApiClient) -> None:
    made = an_account(api, external_ids={"crm": " a\nb "}).json
    for ref in ("crm:a\nb", "crm: a\nb"):
        assert [one["id"] for one in api("GET", f"/accounts?external_id={ref}").json["items"]] == [
            made["id"]
        ]
