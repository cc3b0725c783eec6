"""Who may do what with accounts and contacts: every role, every operation, two tenants."""

from typing import Any

import pytest

from customers.context import CUSTOMERS
from kernel.domain.permissions import Level, Role
from tests.component.conftest import Answer, ApiClient, published
from tests.component.customers.conftest import a_contact, an_account, path_of, problem

ANY = {"if-match": "*"}
TABLES = {"accounts": "table", "contacts": "contacts"}
READS = ("", "?name_prefix=a", "?owner_id=ann", "?external_id=crm:1", "/{id}")
WRITES = (
    ("POST", ""),
    ("PATCH", "/{id}"),
    ("POST", "/{id}/archive"),
    ("POST", "/{id}/restore"),
    ("POST", "/batch"),
)


def a_record(api: ApiClient, kind: str) -> Answer:
    if kind == "accounts":
        return an_account(api, "A", external_ids={"crm": "1"})
    return a_contact(api, "A", external_ids={"crm": "1"})


def a_body(kind: str, path: str) -> Any:
    whole = {"name": "B"} if kind == "accounts" else {"last_name": "B"}
    if path == "/batch":
        return {"items": [{**whole, "external_ids": {"crm": "1"}}]}
    return {"": whole, "/{id}": {"tags": ["x"]}}.get(path)


def first_status(answer: Answer) -> int:
    """The status of the one item of a batch, or of the answer."""
    return int(answer.json["results"][0]["status"] if answer.status == 207 else answer.status)


@pytest.mark.parametrize("kind", TABLES)
@pytest.mark.parametrize("role", [*Role, ""])
def test_a_role_may_read_and_change_what_the_matrix_grants(
    api: ApiClient, cloud: Any, role: str, kind: str
) -> None:
    record = a_record(api, kind)
    caller = api.as_(roles=role)
    level = CUSTOMERS.levels[Role(role)] if role else Level.NONE
    for path in READS:
        answer = caller("GET", f"/{kind}{path}".replace("{id}", record.json["id"]))
        assert answer.status == (200 if level >= Level.READ else 403), path
    before = len(published(cloud, TABLES[kind]))
    for method, path in WRITES:
        concrete = f"/{kind}{path}".replace("{id}", record.json["id"])
        if path.endswith("restore") and level < Level.WRITE:
            api("POST", path_of(record) + "/archive", None, ANY)
            before += 1
        answer = caller(method, concrete, a_body(kind, path), ANY)
        expected = {200, 201} if level >= Level.WRITE else {403}
        assert first_status(answer) in expected, (method, path, answer.text)
        if answer.status == 403:
            assert problem(answer) == "forbidden"
            assert "rights on customers" in answer.json["detail"]
    count = len(published(cloud, TABLES[kind])) - before
    assert count == (5 if level >= Level.WRITE else 0)


@pytest.mark.parametrize("kind", TABLES)
def test_a_batch_reveals_nothing_to_a_caller_without_write_permission(
    api: ApiClient, kind: str
) -> None:
    a_record(api, kind)
    api("POST", f"/{kind}", {**a_body(kind, ""), "external_ids": {"erp": "2"}})
    two = {**a_body(kind, ""), "external_ids": {"crm": "1", "erp": "2"}}
    rejected = api.as_(roles="")("POST", f"/{kind}/batch", {"items": [two]})
    assert rejected.json["results"][0]["problem"]["type"] == "urn:zebros:problem:forbidden"


def test_support_and_read_only_roles_have_the_levels_of_the_strategy() -> None:
    levels = {role: CUSTOMERS.levels[role] for role in Role}
    assert levels[Role.SUPPORT_AGENT] is Level.WRITE
    assert levels[Role.READ_ONLY] is Level.READ


@pytest.mark.parametrize("kind", TABLES)
def test_a_caller_without_tenant_or_name_is_rejected(api: ApiClient, kind: str) -> None:
    for claims in ({"tenant": ""}, {"user": ""}):
        answer = api.as_(**claims)("GET", f"/{kind}")
        assert (answer.status, problem(answer)) == (401, "unauthenticated")


@pytest.mark.parametrize("kind", TABLES)
@pytest.mark.parametrize(
    ("role", "user", "status"),
    [
        ("sales-representative", "ann", 200),
        ("sales-representative", "bob", 403),
        ("support-agent", "bob", 403),
        ("sales-manager", "bob", 200),
        ("administrator", "bob", 200),
    ],
)
def test_another_users_record_is_reassigned_by_managers_only(
    api: ApiClient, cloud: Any, kind: str, role: str, user: str, status: int
) -> None:
    record = a_record(api, kind)
    caller = api.as_(roles=role, user=user)
    for patch in ({"owner_id": "cleo"}, {"team_id": "south"}, {"owner_id": None}):
        before = len(published(cloud, TABLES[kind]))
        answer = caller("PATCH", path_of(record), patch, ANY)
        assert answer.status == status, (patch, answer.text)
        if status == 403:
            act = "reassign" if role == "support-agent" else "change"
            assert f"{act} records of others" in answer.json["detail"]
            assert len(published(cloud, TABLES[kind])) == before
        else:
            api("PATCH", path_of(record), {"owner_id": "ann", "team_id": "north"}, ANY)
    item = {**a_body(kind, ""), "owner_id": "cleo", "external_ids": {"crm": "1"}}
    upserted = caller("POST", f"/{kind}/batch", {"items": [item]})
    assert first_status(upserted) == status


@pytest.mark.parametrize("kind", TABLES)
@pytest.mark.parametrize(
    ("role", "allowed"),
    [("sales-representative", False), ("support-agent", True), ("sales-manager", True)],
)
def test_another_users_record_is_changed_by_the_same_roles_by_every_verb(
    api: ApiClient, kind: str, role: str, allowed: bool
) -> None:
    record = a_record(api, kind)
    other = api.as_(roles=role, user="bob")
    for method, path in WRITES[1:]:
        concrete = f"/{kind}{path}".replace("{id}", record.json["id"])
        answer = other(method, concrete, a_body(kind, path), ANY)
        assert first_status(answer) == (200 if allowed else 403), (path, answer.text)
        if not allowed:
            assert "change records of others" in answer.text
            if path.endswith("archive"):
                api(method, concrete, None, ANY)
    assert other("GET", path_of(record)).json["owner_id"] == "ann"


@pytest.mark.parametrize("kind", TABLES)
def test_a_record_without_an_owner_may_be_assigned_by_anyone_who_may_write(
    api: ApiClient, kind: str
) -> None:
    record = a_record(api, kind)
    api("PATCH", path_of(record), {"owner_id": None, "team_id": None}, ANY)
    rep = api.as_(roles="sales-representative", user="bob")
    taken = rep("PATCH", path_of(record), {"owner_id": "bob"}, ANY)
    assert (taken.status, taken.json["owner_id"]) == (200, "bob")


@pytest.mark.parametrize("kind", TABLES)
def test_another_tenant_sees_and_changes_nothing(api: ApiClient, cloud: Any, kind: str) -> None:
    record = a_record(api, kind)
    other = api.as_(tenant="globex")
    before = len(published(cloud, TABLES[kind]))
    for path in READS[:-1]:
        assert other("GET", f"/{kind}{path}").json == {"items": []}, path
    absent = other("GET", path_of(record))
    unknown = other("GET", f"/{kind}/01ARZ3NDEKTSV4RRFFQ69G5FAV")
    assert absent.status == unknown.status == 404
    assert problem(absent) == problem(unknown) == "not-found"
    for method, path in WRITES[1:4]:
        concrete = f"/{kind}{path}".replace("{id}", record.json["id"])
        answer = other(method, concrete, a_body(kind, path), ANY)
        assert (answer.status, problem(answer)) == (404, "not-found"), path
    assert len(published(cloud, TABLES[kind])) == before
    assert api("GET", path_of(record)).json == record.json
    # In the other tenant, this external id belongs to another record.
    made = other("POST", f"/{kind}/batch", a_body(kind, "/batch"))
    assert made.json["results"][0]["status"] == 201
    assert api("GET", f"/{kind}?external_id=crm:1").json["items"] == [record.json]


def test_a_contact_cannot_be_linked_to_another_tenants_account(api: ApiClient, cloud: Any) -> None:
    foreign = an_account(api.as_(tenant="globex")).json["id"]
    answer = api("POST", "/contacts", {"last_name": "A", "account_id": foreign})
    assert (answer.status, answer.json["errors"][0]["field"]) == (422, "account_id")
    assert foreign in answer.json["detail"]
    assert published(cloud, "contacts") == []


@pytest.mark.parametrize("tenant", ["acme#ACCOUNT", "acme#EXTERNAL", "acm"])
def test_a_tenant_whose_name_looks_like_a_key_sees_nothing(api: ApiClient, tenant: str) -> None:
    record = a_record(api, "accounts")
    other = api.as_(tenant=tenant)
    assert other("GET", path_of(record)).status == 404
    assert other("GET", "/accounts?external_id=crm:1").json == {"items": []}


@pytest.mark.parametrize("claim", ["user", "team"])
@pytest.mark.parametrize("value", ["x" * 121, " ann", "ann ", "ann\n", " "])
def test_a_caller_whose_token_has_an_unusable_user_id_is_rejected(
    api: ApiClient, cloud: Any, claim: str, value: str
) -> None:
    stranger = api.as_(**{claim: value})
    for answer in (stranger("POST", "/accounts", {"name": "A"}), stranger("GET", "/accounts")):
        assert (answer.status, problem(answer)) == (403, "forbidden")
        assert ("sub" if claim == "user" else "team") in answer.json["detail"]
    assert published(cloud) == []
    longest = api.as_(**{claim: "x" * 120})
    assert longest("POST", "/accounts", {"name": "A"}).status == 201


@pytest.mark.parametrize("claim", ["tenant", "user"])
def test_an_anonymous_caller_is_asked_for_a_token(api: ApiClient, claim: str) -> None:
    answer = api.as_(**{claim: ""})("GET", "/accounts", None, {"x-correlation-id": "mine"})
    assert (answer.status, problem(answer)) == (401, "unauthenticated")
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.headers["x-correlation-id"] == answer.json["correlation_id"] == "mine"
