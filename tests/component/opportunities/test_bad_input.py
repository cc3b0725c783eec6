"""Bad input to opportunities, products and pipelines: one problem each, nothing published."""

from typing import Any

import pytest

from tests.component.conftest import ApiClient, opportunity_events
from tests.component.customers.conftest import path_of, problem, wrong_fields
from tests.component.opportunities.conftest import ANY, UNKNOWN_ID

OPEN = {"key": "o", "name": "O", "probability": 50}
CLOSED = [
    {"key": "w", "name": "W", "probability": 100, "kind": "won"},
    {"key": "l", "name": "L", "probability": 0, "kind": "lost"},
]

WRONG_DEALS = [
    ({"name": None}, {"name"}),
    ({"name": ""}, {"name"}),
    ({"name": "   "}, {"name"}),
    ({"name": 5}, {"name"}),
    ({"name": "x" * 201}, {"name"}),
    ({"nmae": "A"}, {"nmae"}),
    ({"account_id": "acme"}, {"account_id"}),
    ({"account_id": UNKNOWN_ID.lower()}, {"account_id"}),
    ({"contact_id": 5}, {"contact_id"}),
    ({"product_id": "gtx"}, {"product_id"}),
    ({"product_id": UNKNOWN_ID}, {"product_id"}),
    ({"amount": 12}, {"amount"}),
    ({"amount": {}}, {"amount.minor_units", "amount.currency"}),
    ({"amount": {"minor_units": 1.5, "currency": "USD"}}, {"amount.minor_units"}),
    ({"amount": {"minor_units": "1", "currency": "USD"}}, {"amount.minor_units"}),
    ({"amount": {"minor_units": True, "currency": "USD"}}, {"amount.minor_units"}),
    ({"amount": {"minor_units": 2**53, "currency": "USD"}}, {"amount.minor_units"}),
    ({"amount": {"minor_units": 1, "currency": "DOL"}}, {"amount.currency"}),
    ({"amount": {"minor_units": 1, "currency": "usd"}}, {"amount.currency"}),
    *(
        ({field: value}, {field})
        for field in ("expected_close_on", "opened_on")
        for value in (86400, "86400", "2026-02-30", "2026-01-31T00:00:00Z", "31.01.2026", True, "")
    ),
    ({"region": ""}, {"region"}),
    ({"description": "x" * 2001}, {"description"}),
    ({"tags": "x"}, {"tags"}),
    ({"external_ids": {"crm": ""}}, {"external_ids.crm"}),
    ({"owner_id": ""}, {"owner_id"}),
    ({"id": UNKNOWN_ID}, {"id"}),
    ({"version": 7}, {"version"}),
    ({"tenant_id": "globex"}, {"tenant_id"}),
    ({"status": "won"}, {"status"}),
    ({"probability": 99}, {"probability"}),
    ({"stage_entered_at": "2026-01-01T00:00:00Z"}, {"stage_entered_at"}),
]
WRONG_PRODUCTS = [
    ({"name": None}, {"name"}),
    ({"code": "x" * 61}, {"code"}),
    ({"code": 7}, {"code"}),
    ({"family": ""}, {"family"}),
    ({"price": 12}, {"price"}),
    ({"price": {"minor_units": 1.5, "currency": "USD"}}, {"price.minor_units"}),
    ({"active": "yes"}, {"active"}),
    ({"active": 1}, {"active"}),
    ({"stock": 7}, {"stock"}),
]
# Only for new or imported opportunities; a change has no such fields.
WRONG_PLACES = [
    ({"pipeline_id": "sales"}, "pipeline_id"),
    ({"pipeline_id": UNKNOWN_ID}, "pipeline_id"),
    ({"stage": "nowhere"}, "stage"),
    ({"stage": "Lead"}, "stage"),
    ({"stage": 5}, "stage"),
    ({"stage": "won", "closed_on": 86400}, "closed_on"),
    ({"stage": "won", "closed_on": "2026-01-31T10:00:00Z"}, "closed_on"),
    ({"stage": "lost", "lost_reason": ""}, "lost_reason"),
]
WRONG_STAGES = [
    ({**OPEN, "probability": True}, "stages.0.probability"),
    ({**OPEN, "probability": "5"}, "stages.0.probability"),
    ({**OPEN, "probability": 5.0}, "stages.0.probability"),
    ({**OPEN, "probability": 101}, "stages.0.probability"),
    ({**OPEN, "probability": -1}, "stages.0.probability"),
    ({**OPEN, "key": "Open"}, "stages.0.key"),
    ({**OPEN, "key": ""}, "stages.0.key"),
    ({**OPEN, "name": ""}, "stages.0.name"),
    ({**OPEN, "kind": "stuck"}, "stages.0.kind"),
    ({**OPEN, "forecast_category": "sure"}, "stages.0.forecast_category"),
    ({**OPEN, "colour": "red"}, "stages.0.colour"),
    ("open", "stages.0"),
]
WRONG_VERBS = [
    ("stage", {}, "stage"),
    ("stage", {"stage": "nowhere"}, "stage"),
    ("stage", {"stage": 5}, "stage"),
    ("stage", {"stage": "proposal", "why": "x"}, "why"),
    ("won", {"closed_on": 86400}, "closed_on"),
    ("won", {"closed_on": "2026-01-31T10:00:00Z"}, "closed_on"),
    ("won", {"closed_on": "2025-12-31"}, "closed_on"),
    ("won", {"reason": "price"}, "reason"),
    ("lost", {}, "reason"),
    ("lost", {"reason": "  "}, "reason"),
    ("lost", {"reason": 5}, "reason"),
    ("lost", {"reason": "price", "closed_on": 86400}, "closed_on"),
    ("owner", {}, "owner_id"),
    ("owner", {"owner_id": None}, "owner_id"),
    ("owner", {"owner_id": "bob", "team_id": 5}, "team_id"),
    ("reopen", {"stage": 5}, "stage"),
]
CASES = [
    *(("opportunities", fields, wrong) for fields, wrong in WRONG_DEALS),
    *(("products", fields, wrong) for fields, wrong in WRONG_PRODUCTS),
]


def stored(cloud: Any) -> Any:
    return cloud.scan(TableName="table")["Items"]


def named(part: Any) -> str:
    """A test id that does not depend on the order of a set."""
    return str(sorted(part) if isinstance(part, set) else part)[:60]


@pytest.mark.parametrize(("kind", "fields", "wrong"), CASES, ids=named)
def test_a_wrong_field_is_named_and_nothing_is_stored(
    api: ApiClient, cloud: Any, kind: str, fields: dict[str, Any], wrong: set[str]
) -> None:
    record = api("POST", f"/{kind}", {"name": "A"})
    before = stored(cloud)
    row = {"name": "A", "external_ids": {"crm": "1"}, **fields}
    created = api("POST", f"/{kind}", {"name": "A", **fields}, {"idempotency-key": "k"})
    patched = api("PATCH", path_of(record), fields, ANY)
    upserted = api("POST", f"/{kind}/batch", {"items": [row]})
    for answer in (created, patched):
        assert (answer.status, problem(answer)) == (422, "invalid-request"), answer.text
        assert wrong_fields(answer) == wrong
        assert all(error["message"] for error in answer.json["errors"])
    (result,) = upserted.json["results"]
    assert result["problem"]["errors"] == created.json["errors"]
    assert stored(cloud) == before


@pytest.mark.parametrize(("fields", "wrong"), WRONG_PLACES, ids=named)
def test_a_wrong_pipeline_or_stage_is_named_and_nothing_is_stored(
    api: ApiClient, cloud: Any, fields: dict[str, Any], wrong: str
) -> None:
    created = api("POST", "/opportunities", {"name": "A", **fields})
    assert (created.status, problem(created)) == (422, "invalid-request"), created.text
    assert wrong_fields(created) == {wrong}
    row = {"name": "A", "external_ids": {"crm": "1"}, **fields}
    (result,) = api("POST", "/opportunities/batch", {"items": [row]}).json["results"]
    assert result["problem"]["errors"] == created.json["errors"]
    assert stored(cloud) == []


@pytest.mark.parametrize(("stage", "wrong"), WRONG_STAGES, ids=named)
def test_a_wrong_stage_is_named_and_nothing_is_stored(
    api: ApiClient, cloud: Any, stage: Any, wrong: str
) -> None:
    answer = api("POST", "/pipelines", {"name": "A", "stages": [stage, *CLOSED]})
    assert (answer.status, wrong_fields(answer)) == (422, {wrong}), answer.text
    assert stored(cloud) == []


@pytest.mark.parametrize(("verb", "body", "wrong"), WRONG_VERBS, ids=named)
def test_a_transition_with_a_wrong_body_names_the_field_and_changes_nothing(
    api: ApiClient, cloud: Any, verb: str, body: dict[str, Any], wrong: str
) -> None:
    opportunity = api("POST", "/opportunities", {"name": "A", "opened_on": "2026-01-01"})
    answer = api("POST", f"{path_of(opportunity)}/{verb}", body, ANY)
    assert (answer.status, wrong_fields(answer)) == (422, {wrong}), answer.text
    assert len(opportunity_events(cloud)) == 1


@pytest.mark.parametrize("value", ["86400", "2026-01-31T00:00:00Z", "soon", ""])
def test_a_wrong_date_filter_is_named(api: ApiClient, value: str) -> None:
    for name in ("close_from", "close_to"):
        answer = api("GET", f"/opportunities?stage=lead&{name}={value}")
        assert (answer.status, wrong_fields(answer)) == (422, {name})


@pytest.mark.parametrize("kind", ["opportunities", "products", "pipelines"])
@pytest.mark.parametrize("record_id", ["acme", "0" * 200, UNKNOWN_ID, UNKNOWN_ID.lower(), "%00"])
def test_an_unknown_id_is_not_found(api: ApiClient, kind: str, record_id: str) -> None:
    asked = [("GET", "")]
    if kind == "pipelines":
        asked += [("GET", "/board")]
    else:
        asked += [("PATCH", "")]
    if kind == "opportunities":
        asked += [("POST", f"/{verb}") for verb in ("won", "reopen")]
    for method, path in asked:
        answer = api(method, f"/{kind}/{record_id}{path}", {} if method != "GET" else None, ANY)
        assert (answer.status, problem(answer)) == (404, "not-found"), (method, path)
