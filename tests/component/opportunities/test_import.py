"""Opportunities imported from another system, and imported again after corrections there."""

from typing import Any

import pytest

from kernel.domain.ids import new_id
from tests.component.conftest import ApiClient, opportunity_events, published
from tests.component.opportunities.conftest import STAGES

ROW = {"name": "Old", "external_ids": {"crm": "7"}}
LOST = {**ROW, "stage": "lost", "lost_reason": "price", "closed_on": "2026-03-01"}


def import_row(api: ApiClient, **row: Any) -> Any:
    """The result of the one row."""
    (result,) = api("POST", "/opportunities/batch", {"items": [{**ROW, **row}]}).json["results"]
    return result


def stored(api: ApiClient) -> Any:
    (opportunity,) = api("GET", "/opportunities?external_id=crm:7").json["items"]
    return opportunity


@pytest.mark.parametrize("stage", [{"stage": "lost"}, {}])
def test_the_close_details_of_an_imported_opportunity_are_corrected_with_an_event(
    api: ApiClient, cloud: Any, stage: dict[str, str]
) -> None:
    import_row(api, **LOST)
    result = import_row(api, **stage, closed_on="2026-02-01", lost_reason="budget", region="North")
    assert (result["status"], result["version"]) == (200, 2)
    opportunity = stored(api)
    assert (opportunity["closed_on"], opportunity["lost_reason"]) == ("2026-02-01", "budget")
    assert (opportunity["status"], opportunity["region"]) == ("lost", "North")
    *_, event, corrected = opportunity_events(cloud)
    assert len(opportunity_events(cloud)) == 4
    assert corrected["type"] == "OpportunityCorrected", "a correction says so"
    assert (event["type"], event["origin"]) == ("OpportunityUpdated", "import")
    assert sorted(event["data"]["changed"]) == ["closed_on", "lost_reason", "region"]
    assert event["data"]["previous"] == {
        "region": None,
        "closed_on": "2026-03-01",
        "lost_reason": "price",
    }
    assert event["data"]["current"] == opportunity
    again = import_row(api, **LOST | {"closed_on": "2026-02-01", "lost_reason": "budget"})
    assert (result["changed"], again["changed"]) == (True, False)
    assert {**again, "changed": True} == {
        **result,
        "version": 2,
    }


def test_close_details_that_a_row_omits_stay(api: ApiClient) -> None:
    import_row(api, **LOST)
    assert import_row(api, stage="lost", lost_reason=None, closed_on=None)["version"] == 1
    import_row(api, closed_on="2026-04-01")
    assert (stored(api)["closed_on"], stored(api)["lost_reason"]) == ("2026-04-01", "price")


def test_a_corrected_closing_day_moves_the_opportunity_in_its_column(api: ApiClient) -> None:
    import_row(api, **LOST)
    import_row(api, closed_on="2025-12-31")
    column = "/opportunities?stage=lost&close_from=2025-12-01&close_to=2025-12-31"
    assert [opportunity["name"] for opportunity in api("GET", column).json["items"]] == ["Old"]


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ({"stage": "won"}, "stage"),
        ({"stage": "lead"}, "stage"),
        ({"stage": "nowhere"}, "stage"),
        ({"pipeline_id": new_id()}, "pipeline_id"),
        ({"pipeline_id": new_id(), "stage": "lost"}, "pipeline_id"),
        ({"opened_on": "2026-03-02"}, "opened_on"),
        ({"opened_on": "2026-03-02", "closed_on": "2026-02-28"}, "closed_on"),
        ({"lost_reason": "  "}, "lost_reason"),
    ],
)
def test_an_invalid_correction_names_the_field_and_changes_nothing(
    api: ApiClient, cloud: Any, row: dict[str, str], field: str
) -> None:
    import_row(api, **LOST)
    before = stored(api)
    result = import_row(api, **{**row, "name": "New"})
    assert result["status"] == 422
    assert [error["field"] for error in result["problem"]["errors"]] == [field]
    assert stored(api) == before
    assert len(opportunity_events(cloud)) == 2


def test_an_opportunity_stays_in_its_pipeline(api: ApiClient) -> None:
    pipeline = api("POST", "/pipelines", {"name": "Renewals", "stages": STAGES}).json["id"]
    assert import_row(api, pipeline_id=pipeline)["status"] == 201
    assert import_row(api, pipeline_id=pipeline, stage="won")["status"] == 200
    assert import_row(api, name="Newer")["status"] == 200, "which names no pipeline"
    rejected = import_row(api, pipeline_id="default")
    assert rejected["problem"]["errors"] == [
        {"field": "pipeline_id", "message": f"cannot change; the opportunity is in {pipeline}"}
    ]
    assert (stored(api)["pipeline_id"], stored(api)["name"]) == (pipeline, "Newer")


@pytest.mark.parametrize(
    ("placed", "field"),
    [
        ({"closed_on": "2026-01-01"}, "closed_on"),
        ({"stage": "proposal", "closed_on": "2026-01-01"}, "closed_on"),
        ({"lost_reason": "price"}, "lost_reason"),
        ({"stage": "won", "lost_reason": "price"}, "lost_reason"),
        ({"stage": "lost"}, "lost_reason"),
        ({"stage": "won", "closed_on": "2026-01-01", "opened_on": "2026-01-02"}, "closed_on"),
    ],
)
def test_close_details_that_do_not_fit_the_stage_are_rejected(
    api: ApiClient, cloud: Any, placed: dict[str, str], field: str
) -> None:
    answer = api("POST", "/opportunities", {"name": "New", **placed})
    assert answer.status == 422, answer.text
    assert [error["field"] for error in answer.json["errors"]] == [field]
    assert import_row(api, **placed)["problem"]["errors"] == answer.json["errors"]
    assert published(cloud) == []


def test_a_closed_opportunity_does_not_open_after_its_closing_day(api: ApiClient) -> None:
    import_row(api, **LOST)
    path = f"/opportunities/{stored(api)['id']}"
    rejected = api("PATCH", path, {"opened_on": "2026-03-02"}, {"if-match": "*"})
    assert rejected.status == 422
    assert rejected.json["errors"] == [
        {"field": "opened_on", "message": "is after closed_on (2026-03-01)"}
    ]
    assert api("PATCH", path, {"opened_on": "2026-03-01"}, {"if-match": "*"}).status == 200
