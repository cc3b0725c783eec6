"""Who may do what with deals, products and pipelines: every role, every operation, two tenants."""

from typing import Any

import pytest

from kernel.domain.permissions import REASSIGN_OTHERS, Area, Level, Role
from opportunities.context import CHANGE_CLOSED, OPPORTUNITIES, SETTINGS
from tests.component.conftest import Answer, ApiClient, published
from tests.component.customers.conftest import path_of, problem
from tests.component.opportunities.conftest import ANY, STAGES, UNKNOWN_ID

ROW = {"name": "B", "external_ids": {"crm": "1"}}
LISTS = (
    "/opportunities",
    "/opportunities?owner_id=ann",
    f"/opportunities?account_id={UNKNOWN_ID}",
    "/opportunities?external_id=crm:1",
    "/opportunities?stage=lead",
    "/products",
    "/products?external_id=crm:1",
    "/pipelines",
    "/pipelines/default",
    "/pipelines/default/board",
)
# In an order in which each transition is possible.
VERBS = (
    ("PATCH", "", {"tags": ["x"]}),
    ("POST", "/stage", {"stage": "proposal"}),
    ("POST", "/won", {}),
    ("POST", "/reopen", {}),
    ("POST", "/lost", {"reason": "price"}),
    ("POST", "/owner", {"owner_id": "cleo"}),
)


def an_opportunity(api: ApiClient, **fields: Any) -> Answer:
    return api("POST", "/opportunities", {"name": "A", "external_ids": {"crm": "1"}, **fields})


def a_product(api: ApiClient) -> Answer:
    return api("POST", "/products", {"name": "A", "external_ids": {"crm": "1"}})


def level_of(role: str, area: Area) -> Level:
    return area.levels[Role(role)] if role else Level.NONE


def first_status(answer: Answer) -> int:
    """The status of the one item of a batch, or of the answer."""
    return int(answer.json["results"][0]["status"] if answer.status == 207 else answer.status)


@pytest.mark.parametrize("role", [*Role, ""])
def test_a_role_may_read_what_the_matrix_grants(api: ApiClient, role: str) -> None:
    shown = (path_of(an_opportunity(api)), path_of(a_product(api)))
    for path in (*LISTS, *shown):
        answer = api.as_(roles=role)("GET", path)
        allowed = level_of(role, OPPORTUNITIES) >= Level.READ
        assert answer.status == (200 if allowed else 403), path


@pytest.mark.parametrize("role", [*Role, ""])
def test_a_role_may_change_opportunities_as_the_matrix_grants(
    api: ApiClient, cloud: Any, role: str
) -> None:
    may = level_of(role, OPPORTUNITIES) >= Level.WRITE
    opportunity = an_opportunity(api)
    caller = api.as_(roles=role)
    for body in ("", "/batch"):
        sent = {"items": [ROW]} if body else {"name": "B"}
        answer = caller("POST", f"/opportunities{body}", sent)
        assert first_status(answer) in ({200, 201} if may else {403}), answer.text
    for method, verb, sent in VERBS:
        before = len(published(cloud))
        answer = caller(method, path_of(opportunity) + verb, sent, ANY)
        reopens = role in CHANGE_CLOSED.roles
        allowed = may and (reopens or verb != "/reopen")
        assert answer.status == (200 if allowed else 403), (verb, answer.text)
        if not allowed:
            assert problem(answer) == ("forbidden-act" if may else "forbidden")
            assert len(published(cloud)) == before
            api(
                method, path_of(opportunity) + verb, sent, ANY
            )  # by an administrator, for the next transition


@pytest.mark.parametrize("role", [*Role, ""])
def test_the_catalogue_needs_limited_and_a_pipeline_full_settings_rights(
    api: ApiClient, cloud: Any, role: str
) -> None:
    product = a_product(api)
    caller, level = api.as_(roles=role), level_of(role, SETTINGS)
    for answer in (
        caller("POST", "/products", {"name": "B"}),
        caller("PATCH", path_of(product), {"code": "B"}, ANY),
        caller("POST", "/products/batch", {"items": [ROW]}),
    ):
        allowed = level >= Level.LIMITED
        assert first_status(answer) in ({200, 201} if allowed else {403}), answer.text
    answer = caller("POST", "/pipelines", {"name": "B", "stages": STAGES})
    assert answer.status == (201 if level is Level.FULL else 403), answer.text
    expected = {Level.FULL: 4, Level.LIMITED: 3}.get(level, 0)
    assert len(published(cloud)) == 1 + expected


def test_the_roles_have_the_levels_of_the_strategy() -> None:
    levels = {role: (OPPORTUNITIES.levels[role], SETTINGS.levels[role]) for role in Role}
    assert levels == {
        Role.ADMINISTRATOR: (Level.FULL, Level.FULL),
        Role.SALES_MANAGER: (Level.WRITE, Level.LIMITED),
        Role.SALES_REPRESENTATIVE: (Level.WRITE, Level.NONE),
        Role.SUPPORT_AGENT: (Level.READ, Level.NONE),
        Role.READ_ONLY: (Level.READ, Level.NONE),
    }
    both = {Role.ADMINISTRATOR, Role.SALES_MANAGER}
    assert CHANGE_CLOSED.roles == both
    assert REASSIGN_OTHERS.roles == both


@pytest.mark.parametrize(
    ("role", "status"),
    [("sales-representative", 403), ("sales-manager", 200), ("administrator", 200)],
)
def test_a_closed_opportunity_is_reopened_by_managers_only(
    api: ApiClient, cloud: Any, role: str, status: int
) -> None:
    opportunity = an_opportunity(api, stage="won")
    before = len(published(cloud))
    answer = api.as_(roles=role)("POST", path_of(opportunity) + "/reopen", {}, ANY)
    assert answer.status == status, "the owner's own deal too"
    if status == 403:
        assert "reopen a closed opportunity" in answer.json["detail"]
        assert len(published(cloud)) == before
    # An import cannot reopen it either.
    a_row = {**ROW, "stage": "lead"}
    imported = api.as_(roles=role)("POST", "/opportunities/batch", {"items": [a_row]})
    assert first_status(imported) == (422 if status == 403 else 200)


@pytest.mark.parametrize(
    ("role", "user", "status"),
    [
        ("sales-representative", "ann", 200),
        ("sales-representative", "bob", 403),
        ("sales-manager", "bob", 200),
        ("administrator", "bob", 200),
    ],
)
def test_another_users_opportunity_is_reassigned_by_managers_only(
    api: ApiClient, cloud: Any, role: str, user: str, status: int
) -> None:
    opportunity = an_opportunity(api)
    caller = api.as_(roles=role, user=user)
    whole = {**ROW, "owner_id": "cleo"}
    for method, path, body in (
        ("POST", path_of(opportunity) + "/owner", {"owner_id": "cleo"}),
        ("PATCH", path_of(opportunity), {"owner_id": "cleo"}),
        ("PATCH", path_of(opportunity), {"team_id": "south"}),
        ("PATCH", path_of(opportunity), {"owner_id": None}),
        ("POST", "/opportunities/batch", {"items": [whole]}),
    ):
        before = len(published(cloud))
        answer = caller(method, path, body, ANY)
        assert first_status(answer) == status, (path, body, answer.text)
        if status == 403:
            assert "change records of others" in answer.text
            assert len(published(cloud)) == before
        else:
            api("PATCH", path_of(opportunity), {"owner_id": "ann", "team_id": "north"}, ANY)


def test_a_representative_changes_another_s_opportunity_by_no_verb(
    api: ApiClient, cloud: Any
) -> None:
    opportunity = an_opportunity(api)
    rep = api.as_(roles="sales-representative", user="bob")
    imported = {"items": [{"name": "B", "external_ids": {"crm": "1"}}]}
    before = published(cloud)
    changes = [(method, path_of(opportunity) + verb, body) for method, verb, body in VERBS]
    for method, path, body in (*changes, ("POST", "/opportunities/batch", imported)):
        answer = rep(method, path, body, ANY)
        assert first_status(answer) == 403, path
        assert "change records of others" in answer.text, path
    assert published(cloud) == before
    assert rep("GET", path_of(opportunity)).status == 200


def test_a_representative_may_take_an_opportunity_without_an_owner(api: ApiClient) -> None:
    opportunity = an_opportunity(api)
    rep = api.as_(roles="sales-representative", user="bob")
    api("PATCH", path_of(opportunity), {"owner_id": None, "team_id": None}, ANY)
    taken = rep("POST", path_of(opportunity) + "/owner", {"owner_id": "bob"}, ANY)
    assert (taken.status, taken.json["owner_id"]) == (200, "bob")


def test_another_tenant_sees_and_changes_nothing(api: ApiClient, cloud: Any) -> None:
    opportunity, product = an_opportunity(api), a_product(api)
    pipeline = api("POST", "/pipelines", {"name": "A", "stages": STAGES})
    before = published(cloud)
    other = api.as_(tenant="globex")
    for path in LISTS[:7]:
        assert other("GET", path).json == {"items": []}, path
    assert [p["id"] for p in other("GET", "/pipelines").json["items"]] == ["default"]
    for record in (opportunity, product, pipeline):
        answer = other("GET", path_of(record))
        assert (answer.status, problem(answer)) == (404, "not-found")
    assert other("GET", path_of(pipeline) + "/board").status == 404
    changes = (
        *((m, path_of(opportunity) + v, b) for m, v, b in VERBS),
        ("PATCH", path_of(product), {}),
    )
    for method, path, body in changes:
        answer = other(method, path, body, ANY)
        assert (answer.status, problem(answer)) == (404, "not-found"), path
    assert published(cloud) == before
    for field, record in (("pipeline_id", pipeline), ("product_id", product)):
        rejected = other("POST", "/opportunities", {"name": "B", field: record.json["id"]})
        assert rejected.json["errors"][0]["field"] == field
    # In the other tenant, this external id belongs to another record.
    made = other("POST", "/opportunities/batch", {"items": [ROW]})
    assert first_status(made) == 201
    assert api("GET", path_of(opportunity)).json == opportunity.json
