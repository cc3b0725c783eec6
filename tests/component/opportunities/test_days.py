"""The days of an opportunity: their bounds, and how they fit each other and the tenant's today."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from kernel.domain.dates import FIRST_DAY, LAST_DAY
from opportunities.bootstrap import opportunities
from tests.component.conftest import ApiClient
from tests.component.opportunities.conftest import ANY
from tests.component.opportunities.test_opportunities_api import an_opportunity

NOW = datetime(2026, 6, 30, 20, tzinfo=UTC)
TODAY = date(2026, 6, 30)
TOMORROW = "2026-07-01"
DAY = timedelta(days=1)
DAYS = ("opened_on", "expected_close_on", "closed_on")
BEYOND = ("0001-01-01", "1899-12-30", "1899-12-31", "1900-01-01", "9999-12-31", "2206-01-01")
"""Days that spreadsheets and databases write for "none", and a mistyped year."""


@pytest.fixture(autouse=True)
def clock(api: ApiClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opportunities(), "_now", lambda: NOW)


def closing(api: ApiClient, way: str, day: str) -> Any:
    """Close an opportunity on `day`, in one of the ways there are."""
    if way == "created":
        return api("POST", "/opportunities", {"name": "x", "stage": "won", "closed_on": day})
    if way == "imported":
        item = {"name": "x", "stage": "won", "closed_on": day, "external_ids": {"crm": "1"}}
        return api("POST", "/opportunities/batch", {"items": [item]})
    body = {"closed_on": day, **({"reason": "price"} if way == "lost" else {})}
    return api("POST", f"/opportunities/{an_opportunity(api).json['id']}/{way}", body, ANY)


def problem(answer: Any) -> Any:
    """The problem of an answer, or of the only item of a batch."""
    return answer.json["results"][0]["problem"] if answer.status == 207 else answer.json


@pytest.mark.parametrize("day", [*BEYOND, str(FIRST_DAY - DAY), str(LAST_DAY + DAY)])
@pytest.mark.parametrize("name", DAYS)
def test_a_day_outside_of_the_years_of_business_is_rejected(
    api: ApiClient, name: str, day: str
) -> None:
    stage = {"stage": "won"} if name == "closed_on" else {}
    answer = api("POST", "/opportunities", {"name": "x", name: day, **stage})
    assert (answer.status, answer.json["errors"][0]["field"]) == (422, name)
    assert f"{day} is not between {FIRST_DAY} and {LAST_DAY}" in answer.json["detail"]
    item = {"name": "x", name: day, **stage, "external_ids": {"crm": "1"}}
    imported = api("POST", "/opportunities/batch", {"items": [item]}).json["results"][0]
    assert imported["problem"]["errors"] == answer.json["errors"], "an import has the same rules"


@pytest.mark.parametrize("way", ["created", "imported", "won", "lost"])
def test_an_opportunity_is_closed_at_most_on_the_tenant_s_tomorrow(
    api: ApiClient, way: str
) -> None:
    late = problem(closing(api, way, "2026-07-02"))
    assert late["status"] == 422
    assert late["errors"][0]["field"] == "closed_on"
    assert f"after tomorrow ({TOMORROW})" in late["detail"]
    assert closing(api, way, TOMORROW).status < 300


def test_tomorrow_is_the_one_of_the_tenant_s_time_zone(api: ApiClient) -> None:
    east = api.as_(time_zone="Pacific/Kiritimati")
    assert closing(east, "won", "2026-07-02").status == 200
    assert closing(api.as_(time_zone="America/Los_Angeles"), "won", "2026-07-02").status == 422


def test_an_imported_closing_day_is_corrected_within_the_same_bounds(api: ApiClient) -> None:
    item = {"name": "x", "stage": "won", "external_ids": {"crm": "1"}}
    api("POST", "/opportunities/batch", {"items": [item]})
    late = api("POST", "/opportunities/batch", {"items": [item | {"closed_on": "2026-07-02"}]})
    assert problem(late)["errors"][0]["field"] == "closed_on"
    again = api("POST", "/opportunities/batch", {"items": [item | {"closed_on": "2026-06-01"}]})
    assert again.json["results"][0]["status"] == 200


def test_an_opportunity_is_not_expected_to_close_before_it_was_opened(api: ApiClient) -> None:
    days = {"opened_on": "2026-06-02", "expected_close_on": "2026-06-01"}
    created = api("POST", "/opportunities", {"name": "x", **days})
    assert created.status == 422
    assert created.json["errors"] == [
        {"field": "expected_close_on", "message": "is before opened_on (2026-06-02)"}
    ]
    item = {"name": "x", **days, "external_ids": {"crm": "1"}}
    imported = api("POST", "/opportunities/batch", {"items": [item]})
    assert problem(imported)["errors"] == created.json["errors"]


@pytest.mark.parametrize(
    ("patch", "field"),
    [({"opened_on": "2026-06-06"}, "opened_on"), ({"expected_close_on": "2026-06-01"}, None)],
)
def test_the_field_that_was_changed_is_the_one_that_is_named(
    api: ApiClient, patch: dict[str, str], field: str | None
) -> None:
    days = {"opened_on": "2026-06-02", "expected_close_on": "2026-06-05"}
    made = api("POST", "/opportunities", {"name": "x", **days})
    changed = api("PATCH", f"/opportunities/{made.json['id']}", patch, ANY)
    assert changed.json["errors"][0]["field"] == (field or "expected_close_on")
