"""Who may change which field of an opportunity, in which state; the whole table."""

from pathlib import Path
from typing import Any

import pytest

from kernel.domain.permissions import Role
from opportunities.events.opportunities import OpportunityChanges
from opportunities.events.pipelines import StageKind
from opportunities.model.rights import RIGHTS, Right
from reporting.parameters import ReportParameters
from reporting.query.compute import compute
from tests.component.conftest import Answer, ApiClient, opportunity_events
from tests.component.customers.conftest import path_of, problem
from tests.component.opportunities.conftest import ANY, UNKNOWN_ID
from tests.component.opportunities.test_board import board, counted
from tests.unit.reporting.query.synthetic import lay

EUR = {"minor_units": 999, "currency": "EUR"}
VALUES: dict[str, Any] = {
    "name": "B",
    "contact_id": UNKNOWN_ID,
    "description": "b",
    "expected_close_on": "2026-06-09",
    "tags": ["b"],
    "custom_fields": {"b": 1},
    "external_ids": {"b": "1"},
    "owner_id": "cleo",
    "team_id": "south",
    "amount": EUR,
    "account_id": UNKNOWN_ID,
    "product_id": "",  # one that exists
    "region": "south",
    "opened_on": "2026-01-09",
    "closed_on": "2026-06-09",
    "lost_reason": "budget",
}
OWNERSHIP = ("owner_id", "team_id")
FIGURES = ("amount", "account_id", "product_id", "region", "opened_on")
DETAILS = {"closed_on": ("won", "lost"), "lost_reason": ("lost",)}
"""The states in which an opportunity has them."""
WRITERS = ("administrator", "sales-manager", "sales-representative")
CORRECTORS = ("administrator", "sales-manager")


def expected(role: str, status: str, field: str) -> int:
    """The status of a change of one's own opportunity."""
    if role not in WRITERS:
        return 403
    if field in DETAILS:
        if status not in DETAILS[field]:
            return 422
        return 200 if role in CORRECTORS else 403
    if status == "open" or field not in FIGURES:
        return 200
    return 200 if role in CORRECTORS else 403


def an_opportunity(api: ApiClient, status: str, **more: Any) -> Answer:
    closing: dict[str, Any] = {
        "open": {},
        "won": {"stage": "won", "closed_on": "2026-06-01"},
        "lost": {"stage": "lost", "closed_on": "2026-06-01", "lost_reason": "price"},
    }[status]
    row = {"name": "A", "external_ids": {"crm": "1"}, **closing, **more}
    answer = api("POST", "/opportunities", row)
    assert answer.status == 201, answer.text
    return answer


@pytest.mark.parametrize("status", ["open", "won", "lost"])
@pytest.mark.parametrize("role", [*Role, ""])
def test_a_field_changes_with_the_right_to_it(
    api: ApiClient, cloud: Any, role: str, status: str
) -> None:
    caller = api.as_(roles=role)
    VALUES["product_id"] = api("POST", "/products", {"name": "P"}).json["id"]
    found = {}
    for number, (field, value) in enumerate(VALUES.items()):
        made = an_opportunity(api, status, external_ids={"crm": str(number)})
        before = len(opportunity_events(cloud))
        answer = caller("PATCH", path_of(made), {field: value}, ANY)
        found[field] = answer.status
        if answer.status != 200:
            assert len(opportunity_events(cloud)) == before
        if answer.status == 403 and role in WRITERS:
            assert problem(answer) == "forbidden-act"
            assert field in answer.json["detail"]
            assert answer.json["errors"][0]["field"] == field
        if answer.status == 422:
            assert answer.json["errors"][0]["field"] == field
    assert found == {field: expected(role, status, field) for field in VALUES}


def test_the_table_has_every_field_and_every_state() -> None:
    assert set(RIGHTS) == set(OpportunityChanges.model_fields) == set(VALUES)
    assert all(set(states) == set(StageKind) for states in RIGHTS.values())
    meaning = {Right.WRITE: WRITERS, Right.OWNERSHIP: WRITERS, Right.CORRECT: CORRECTORS}
    for field, states in RIGHTS.items():
        for kind, right in states.items():
            assert (right is Right.OWNERSHIP) == (field in OWNERSHIP)
            for role in WRITERS:
                allowed = 422 if right is Right.NONE else (200 if role in meaning[right] else 403)
                assert expected(role, kind, field) == allowed, (field, kind, role)


@pytest.mark.parametrize("role", WRITERS)
def test_an_import_has_the_same_rights(api: ApiClient, cloud: Any, role: str) -> None:
    an_opportunity(api, "won", amount={"minor_units": 1, "currency": "EUR"})
    row = {"name": "A", "external_ids": {"crm": "1"}, "stage": "won"}

    def sent(**more: Any) -> int:
        answer = api.as_(roles=role)("POST", "/opportunities/batch", {"items": [row | more]})
        return int(answer.json["results"][0]["status"])

    same = {"amount": {"minor_units": 1, "currency": "EUR"}, "closed_on": "2026-06-01"}
    assert sent(**same) == 200, "the same figures again"
    assert sent(description="b") == 200
    corrects = 200 if role in CORRECTORS else 403
    assert sent(amount=EUR) == corrects
    assert sent(closed_on="2026-06-02") == corrects


def test_a_correction_says_what_was_there_before(api: ApiClient, cloud: Any) -> None:
    made = an_opportunity(api, "lost", amount={"minor_units": 1, "currency": "USD"})
    patch = {"amount": EUR, "closed_on": "2026-05-31", "lost_reason": "budget", "name": "B"}
    corrected = api("PATCH", path_of(made), patch, ANY)
    assert corrected.status == 200, corrected.text
    assert {name: corrected.json[name] for name in patch} == patch
    assert (corrected.json["status"], corrected.json["stage"]) == ("lost", "lost")
    events = opportunity_events(cloud)[2:]
    assert [event["type"] for event in events] == [
        "OpportunityUpdated",
        "OpportunityAmountChanged",
        "OpportunityCorrected",
    ]
    assert events[-1]["data"]["changed"] == ["amount", "closed_on", "lost_reason"]
    assert events[-1]["data"]["previous"] == {
        "amount": {"minor_units": 1, "currency": "USD"},
        "closed_on": "2026-06-01",
        "lost_reason": "price",
    }
    assert events[-1]["data"]["current"]["closed_on"] == "2026-05-31"


def test_a_change_of_other_fields_is_no_correction(api: ApiClient, cloud: Any) -> None:
    made = an_opportunity(api, "won")
    api("PATCH", path_of(made), {"name": "B"}, ANY)
    assert opportunity_events(cloud)[-1]["type"] == "OpportunityUpdated"


@pytest.mark.parametrize(
    ("status", "patch"),
    [
        ("won", {"closed_on": None}),
        ("lost", {"closed_on": None}),
        ("lost", {"lost_reason": None}),
        ("lost", {"lost_reason": "  "}),
        ("won", {"lost_reason": "price"}),
        ("open", {"closed_on": "2026-06-01"}),
        ("won", {"closed_on": "2025-12-31"}),
    ],
)
def test_a_closed_opportunity_keeps_its_day_and_its_reason(
    api: ApiClient, cloud: Any, status: str, patch: dict[str, Any]
) -> None:
    made = an_opportunity(api, status, opened_on="2026-01-01")
    before = len(opportunity_events(cloud))
    answer = api("PATCH", path_of(made), patch, ANY)
    assert (answer.status, answer.json["errors"][0]["field"]) == (422, next(iter(patch)))
    assert len(opportunity_events(cloud)) == before


def test_a_corrected_opportunity_is_listed_by_its_new_closing_day(api: ApiClient) -> None:
    made = an_opportunity(api, "won")
    june = "/opportunities?stage=won&close_from=2026-06-01&close_to=2026-06-30"
    assert len(api("GET", june).json["items"]) == 1
    api("PATCH", path_of(made), {"closed_on": "2026-05-31"}, ANY)
    assert api("GET", june).json["items"] == []


def test_the_board_follows_a_corrected_amount(api: ApiClient, cloud: Any) -> None:
    made = an_opportunity(api, "won", amount={"minor_units": 1, "currency": "USD"})
    api("PATCH", path_of(made), {"amount": EUR}, ANY)
    counted(opportunity_events(cloud))
    assert board(api) == {"won": {"EUR": (1, 999)}}


def test_the_reports_of_both_periods_follow_a_correction(
    api: ApiClient, cloud: Any, tmp_path: Path
) -> None:
    made = an_opportunity(api, "won", amount={"minor_units": 1, "currency": "EUR"})
    api("PATCH", path_of(made), {"amount": EUR, "closed_on": "2026-05-31"}, ANY)
    lake = lay(tmp_path, opportunity_events(cloud))

    def won(first: str, last: str) -> list[Any]:
        asked = {"report": "sales_performance", "by": "month", "from": first, "to": last}
        report = compute(lake, ReportParameters.model_validate(asked))
        return [row for row in report.rows if row[0] in ("2026-05", "2026-06")]

    (may,) = won("2026-05-01", "2026-05-31")
    assert 999 in may
    assert won("2026-06-01", "2026-06-30") == []
