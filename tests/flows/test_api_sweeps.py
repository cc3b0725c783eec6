"""Every route of the OpenAPI document: other tenants, missing tokens, roles, invalid bodies.

The routes come from the published document, so new ones are included automatically.
"""

import json
import re
from typing import Any

import pytest

from tests.flows import imports
from tests.flows.conftest import ROOT, Crm

DOCUMENT = json.loads((ROOT / "docs" / "openapi.json").read_text(encoding="utf-8"))
OPERATIONS = [
    (method.upper(), path, operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
]
UNKNOWN = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
STAGES = [
    {"key": "a", "name": "A", "probability": 50},
    {"key": "w", "name": "W", "probability": 100, "kind": "won"},
    {"key": "l", "name": "L", "probability": 0, "kind": "lost"},
]


def name(operation: tuple[str, str, Any]) -> str:
    return f"{operation[0]} {operation[1]}"


@pytest.fixture(scope="module")
def records(crm: Crm) -> dict[str, str]:
    """The ids of one record of each type in tenant acme, by the name of the path parameter."""

    def create(path: str, body: dict[str, Any]) -> str:
        answer = crm("POST", path, body)
        assert answer.status_code in (201, 202), answer.text
        return str(answer.json()["id"])

    account = create("/accounts", {"name": "Secret Ltd", "owner_id": "admin"})
    contact = create("/contacts", {"last_name": "Hidden", "account_id": account})
    opportunity = create("/opportunities", {"name": "Secret deal", "account_id": account})
    task = create("/tasks", {"title": "Call", "assignee_id": "rep"})
    report = create("/reports", {"report": "win_rate", "format": "json"})
    crm.finished(report)
    lines = b'{"name": "Secret line", "external_ids": {"sweep": "1"}}'
    imported = imports.requested(crm, lines, "accounts")["id"]
    imports.finished(crm, imported)
    crm.settle()
    inbox = crm("GET", "/notifications", user="rep").json()["items"]
    assert inbox, "assigning a task creates a notification"
    made = {
        "account_id": account,
        "contact_id": contact,
        "person_id": create("/people", {"id": "hidden.person", "name": "Secret Person"}),
        "opportunity_id": opportunity,
        "pipeline_id": create("/pipelines", {"name": "Secret", "stages": STAGES}),
        "product_id": create("/products", {"name": "Secret thing"}),
        "task_id": task,
        "report_id": report,
        "import_id": imported,
        "notification_id": str(inbox[0]["id"]),
        "record_type": "opportunity",
        "record_id": opportunity,
        "stage": "a",
        "tenant": "acme",
    }
    crm.settle()  # what is metered is in a snapshot, too
    return made


def example(schema: dict[str, Any]) -> Any:
    """The smallest value that a schema allows."""
    if ref := schema.get("$ref"):
        return example(DOCUMENT["components"]["schemas"][ref.rsplit("/", 1)[1]])
    if options := schema.get("anyOf"):
        return example(options[0])
    if "const" in schema or "enum" in schema:
        return schema.get("const", schema.get("enum", [None])[0])
    match schema.get("type"):
        case "object":
            required = schema.get("required", [])
            return {key: example(schema["properties"][key]) for key in required}
        case "array":
            return [example(schema.get("items", {}))] * schema.get("minItems", 0)
        case "integer":
            return schema.get("minimum", 1)
        case "boolean":
            return True
    if schema.get("format") == "date":
        return "2026-01-31"
    pattern = schema.get("pattern", "")
    # "HJKMNP" is a part of the alphabet of ULIDs, which only patterns of ids contain.
    return UNKNOWN if "HJKMNP" in pattern else "a" * max(1, schema.get("minLength", 1))


def request_of(path: str, operation: dict[str, Any]) -> tuple[Any, dict[str, str]]:
    """A body and headers that the operation accepts."""
    headers = (
        {"if-match": "*"}
        if any(p["name"] == "If-Match" for p in operation.get("parameters", []))
        else {}
    )
    if operation["operationId"] == "create_pipeline":  # its stages depend on each other
        return {"name": "Stolen", "stages": STAGES}, headers
    if path.endswith("/batch"):  # each item is a body of the collection's POST
        collection = path.removesuffix("/batch")
        one, _ = request_of(collection, DOCUMENT["paths"][collection]["post"])
        return {"items": [{**one, "external_ids": {"crm": "stolen"}}]}, headers
    content = operation.get("requestBody", {}).get("content", {})
    for media_type, described in content.items():
        if "patch" in media_type:
            return {"tags": ["stolen"]}, headers
        return example(described["schema"]), headers
    return None, headers


def filled(path: str, records: dict[str, str]) -> str:
    return re.sub(r"{(\w+)}", lambda part: records[part.group(1)], path)


def snapshot(crm: Crm, records: dict[str, str]) -> str:
    """All records of tenant acme as text, to compare before and after a request."""
    paths = [
        filled(path, records) for method, path, _ in OPERATIONS if method == "GET" and "{" in path
    ]
    seen = []
    for path in sorted(paths):
        user = "rep" if path.startswith("/notifications") else "admin"
        answer = crm("GET", path, user=user).json()
        for link in ("download_url", "download_expires_at"):
            answer.pop(link, None)
        seen.append(f"{path} {json.dumps(answer, sort_keys=True)}")
    return "\n".join(seen)


@pytest.mark.parametrize("path", DOCUMENT["paths"])
def test_a_method_that_a_path_does_not_have_gets_405_and_the_methods_that_it_has(
    crm: Crm, records: dict[str, str], path: str
) -> None:
    answer = crm("DELETE", filled(path, records))
    named = {method.upper() for method in DOCUMENT["paths"][path]} | {"OPTIONS"}
    named |= {"HEAD"} if "GET" in named else set()
    assert (answer.status_code, answer.headers["allow"]) == (405, ", ".join(sorted(named)))
    assert answer.json()["type"] == "urn:zebros:problem:method-not-allowed"
    if "GET" in named:
        user = "rep" if path.startswith("/notifications") else "admin"
        head = crm("HEAD", filled(path, records), user=user)
        assert (head.status_code, head.text) == (200, "")


WITH_ID = [o for o in OPERATIONS if "{" in o[1]]
WITHOUT_ID = [o for o in OPERATIONS if "{" not in o[1]]


@pytest.mark.parametrize("operation", WITH_ID, ids=name)
def test_another_tenant_gets_404_and_changes_nothing(
    crm: Crm, records: dict[str, str], operation: tuple[str, str, Any]
) -> None:
    method, path, described = operation
    before = snapshot(crm, records)
    body, headers = request_of(path, described)
    answer = crm(method, filled(path, records), body, tenant="globex", headers=headers)
    # The usage of tenants is the operator's alone, whatever tenant is named.
    assert answer.status_code == (403 if path.startswith("/scaling/") else 404), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    crm.settle()
    assert snapshot(crm, records) == before


@pytest.mark.parametrize("operation", [o for o in WITHOUT_ID if o[0] == "GET"], ids=name)
def test_a_list_contains_no_record_of_another_tenant(
    crm: Crm, records: dict[str, str], operation: tuple[str, str, Any]
) -> None:
    _, path, _ = operation
    allowed = (403, 422) if path.startswith("/scaling/") else (200, 422)  # of the operator alone
    for query in ("", "?owner_id=admin", f"?account_id={records['account_id']}", "?name_prefix=S"):
        answer = crm("GET", path + query, tenant="globex")
        assert answer.status_code in allowed, answer.text
        for record_id in records.values():
            assert f'"{record_id}"' not in answer.text


@pytest.mark.parametrize("operation", OPERATIONS, ids=name)
def test_every_route_needs_a_token(
    crm: Crm, records: dict[str, str], operation: tuple[str, str, Any]
) -> None:
    method, path, described = operation
    body, headers = request_of(path, described)
    url = crm.state["api"] + filled(path, records)
    for sent in ({}, {"authorization": "Bearer not.a.token"}):
        answer = crm.http.request(method, url, json=body, headers={**headers, **sent})
        assert answer.status_code == 401, answer.text


@pytest.mark.parametrize(
    "operation", [o for o in OPERATIONS if o[0] in ("POST", "PATCH")], ids=name
)
def test_a_read_only_user_cannot_change_a_record(
    crm: Crm, records: dict[str, str], operation: tuple[str, str, Any]
) -> None:
    method, path, described = operation
    if path.startswith(("/reports", "/notifications")):
        pytest.skip("read-only users may request reports and read their inbox")
    body, headers = request_of(path, described)
    answer = crm(method, filled(path, records), body, user="reader", headers=headers)
    if path.endswith("/batch"):
        assert [r["status"] for r in answer.json()["results"]] == [403], answer.text
    else:
        assert answer.status_code == 403, answer.text


@pytest.mark.parametrize("operation", [o for o in OPERATIONS if "requestBody" in o[2]], ids=name)
@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ("{not json", {400}),
        ("[]", {400, 422}),
        ('{"unknown_field": 1}', {400, 422}),
        ('{"name": "' + "x" * 1_100_000 + '"}', {413}),
    ],
    ids=["malformed", "array", "unknown field", "too large"],
)
def test_an_invalid_body_gets_a_problem_with_the_reason(
    crm: Crm,
    records: dict[str, str],
    operation: tuple[str, str, Any],
    sent: str,
    status: set[int],
) -> None:
    method, path, described = operation
    _, headers = request_of(path, described)
    user = "rep" if path.startswith("/notifications") else "admin"
    answer = crm.http.request(
        method,
        crm.state["api"] + filled(path, records),
        content=sent,
        headers={
            "authorization": f"Bearer {crm.token(user=user)}",
            "content-type": "application/json",
            **headers,
        },
    )
    assert answer.status_code in status, answer.text
    problem = answer.json()
    assert problem["type"].startswith("urn:zebros:problem:")
    assert problem["detail"]
    assert problem["correlation_id"] == answer.headers["x-correlation-id"]


def test_a_preflight_response_names_the_allowed_methods_and_headers(crm: Crm) -> None:
    preflight = {"Origin": "https://app.example", "Access-Control-Request-Method": "PATCH"}
    for path in ("/accounts", f"/accounts/{UNKNOWN}"):
        answer = crm.http.options(crm.state["api"] + path, headers=preflight)
        assert answer.status_code == 200
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert "PATCH" in answer.headers["Access-Control-Allow-Methods"]
        allowed = answer.headers["Access-Control-Allow-Headers"].lower()
        assert {"if-match", "idempotency-key", "authorization"} <= set(allowed.split(","))
