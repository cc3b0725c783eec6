"""The default pipeline is changed as any other one; archived pipelines are found and restored."""

from typing import Any

import pytest

from kernel.domain.clock import utc_now
from opportunities.bootstrap import opportunities, pipelines
from opportunities.model.pipelines import Pipeline
from tests.component.conftest import ApiClient
from tests.component.customers.conftest import path_of, problem
from tests.component.opportunities.conftest import ANY, STAGES
from tests.component.opportunities.test_default_pipeline import OPPORTUNITY, pipeline_events
from tests.component.opportunities.test_pipelines_change import LOST, OPEN, WON, deal

DEFAULT = "/pipelines/default"


def new_process() -> None:
    opportunities.cache_clear()
    pipelines.cache_clear()


@pytest.mark.parametrize("used", [False, True])
def test_the_default_pipeline_is_changed_as_any_other_one(
    api: ApiClient, cloud: Any, used: bool
) -> None:
    if used:
        api("POST", "/opportunities", OPPORTUNITY)
    stages = api("GET", DEFAULT).json["stages"]
    stages[1] |= {"name": "Qualified lead", "probability": 30}
    stages.insert(1, {"key": "demo", "name": "Demo", "probability": 20})
    changed = api("PATCH", DEFAULT, {"name": "Direct", "stages": stages}, {"If-Match": '"1"'})
    assert changed.status == 200, changed.text
    assert (changed.json["name"], changed.json["version"]) == ("Direct", 2)
    new_process()
    assert api("GET", DEFAULT).json == changed.json
    assert [one["name"] for one in api("GET", "/pipelines").json["items"]] == ["Direct"]
    board = api("GET", f"{DEFAULT}/board").json
    assert board["name"] == "Direct"
    assert [column["stage"] for column in board["columns"]][:3] == ["lead", "demo", "qualified"]
    created, updated = pipeline_events(cloud)
    assert [(one["type"], one["sequence"]) for one in (created, updated)] == [
        ("PipelineCreated", "1"),
        ("PipelineUpdated", "2"),
    ]
    assert created["data"]["current"]["name"] == "Sales", "its history begins with what it was"
    assert updated["data"]["previous"]["name"] == "Sales"
    new = api("POST", "/opportunities", OPPORTUNITY | {"stage": "demo"}).json
    assert (new["stage_name"], new["probability"]) == ("Demo", 20)
    moved = api("POST", f"/opportunities/{new['id']}/stage", {"stage": "qualified"}, ANY)
    assert (moved.json["stage_name"], moved.json["probability"]) == ("Qualified lead", 30)
    assert len(pipeline_events(cloud)) == 2


def test_a_new_deal_is_in_the_first_stage_that_there_is_now(api: ApiClient) -> None:
    stages = [OPEN, WON, LOST]
    assert api("PATCH", DEFAULT, {"stages": stages}, ANY).status == 200
    new_process()
    assert api("POST", "/opportunities", OPPORTUNITY).json["stage"] == "open"
    refused = api("POST", "/opportunities", OPPORTUNITY | {"stage": "lead"})
    assert (refused.status, refused.json["errors"][0]["field"]) == (422, "stage")
    assert "open (Open)" in refused.json["detail"]
    row = OPPORTUNITY | {"stage": "lead", "external_ids": {"crm": "1"}}
    batch = api("POST", "/opportunities/batch", {"items": [row]})
    assert batch.json["results"][0]["status"] == 422


def test_a_stage_of_the_default_pipeline_goes_after_its_deals_were_moved(api: ApiClient) -> None:
    mine = api("POST", "/opportunities", OPPORTUNITY | {"stage": "proposal"}).json["id"]
    stages = [one for one in api("GET", DEFAULT).json["stages"] if one["key"] != "proposal"]
    refused = api("PATCH", DEFAULT, {"stages": stages}, ANY)
    assert (refused.status, problem(refused)) == (422, "rule-violation")
    assert "stages/proposal/move" in refused.json["detail"]
    assert api("GET", f"/opportunities/{mine}").json["stage"] == "proposal"
    moved = api("POST", f"{DEFAULT}/stages/proposal/move", {"to": "lead"})
    assert moved.json == {"moved": 1, "more": False}
    assert api("PATCH", DEFAULT, {"stages": stages}, ANY).status == 200


def test_two_changes_of_the_default_pipeline_at_once_are_not_mixed(api: ApiClient) -> None:
    first = {"If-Match": '"1"'}
    assert api("PATCH", DEFAULT, {"name": "Direct"}, first).status == 200
    assert api("PATCH", DEFAULT, {"name": "Partner"}, first).status == 412
    assert api("GET", DEFAULT).json["name"] == "Direct"


def test_a_repeated_request_changes_it_once(api: ApiClient, cloud: Any) -> None:
    for _ in range(2):
        answer = api("PATCH", DEFAULT, {"name": "Sales"}, ANY)
        assert (answer.status, answer.json["version"]) == (200, 1)
    assert not [one for one in pipeline_events(cloud) if one["type"] == "PipelineUpdated"]
    assert api("PATCH", DEFAULT, {"stages": [OPEN, WON]}, ANY).status == 422


def test_names_of_the_default_pipeline_are_unique_too(api: ApiClient) -> None:
    own = path_of(api("POST", "/pipelines", {"name": "Renewals", "stages": STAGES}))
    taken = api("PATCH", DEFAULT, {"name": "renewals"}, ANY)
    assert (taken.status, problem(taken)) == (409, "conflict")
    assert api("PATCH", DEFAULT, {"name": "Direct"}, ANY).status == 200
    for name in ("direct", "DIRECT "):
        refused = api("PATCH", own, {"name": name}, ANY)
        assert (refused.status, refused.json["errors"][0]["field"]) == (409, "name")
    assert api("PATCH", own, {"name": "Sales"}, ANY).status == 200, "it is free now"
    refused = api("PATCH", DEFAULT, {"name": "Sales"}, ANY)
    assert (refused.status, problem(refused)) == (409, "conflict")


def test_other_tenants_have_the_default_pipeline_as_it_was(api: ApiClient) -> None:
    api("PATCH", DEFAULT, {"name": "Direct"}, ANY)
    other = api.as_(tenant="globex")
    assert other("GET", DEFAULT).json["name"] == "Sales"
    assert other("POST", "/opportunities", OPPORTUNITY).status == 201


@pytest.mark.parametrize("role", ["sales_representative", "sales_manager", "read_only"])
def test_changing_it_needs_full_rights_on_settings(api: ApiClient, role: str) -> None:
    assert api.as_(roles=role)("PATCH", DEFAULT, {"name": "Direct"}, ANY).status == 403


@pytest.fixture
def archived(api: ApiClient) -> str:
    """A pipeline that a restore of the context has archived."""
    path = path_of(api("POST", "/pipelines", {"name": "Renewals", "stages": STAGES}))
    repository = pipelines()._pipelines
    from kernel.domain.aggregate import Change
    from kernel.domain.principal import system_request
    from kernel.storage.unit_of_work import UnitOfWork

    before: Pipeline = repository.get("acme", path.rpartition("/")[2])
    change = Change(before.as_created_later(utc_now(), lost=False))
    repository.save(UnitOfWork(system_request("acme")), before, change)
    return path


def names(api: ApiClient, query: str) -> list[str]:
    return [one["name"] for one in api("GET", f"/pipelines{query}").json["items"]]


def test_archived_pipelines_are_listed_on_request_and_restored(
    api: ApiClient, archived: str
) -> None:
    assert names(api, "") == names(api, "?archived=exclude") == ["Sales"]
    assert names(api, "?archived=only") == ["Renewals"]
    assert names(api, "?archived=include") == ["Sales", "Renewals"]
    first = api("GET", "/pipelines?archived=include&limit=1").json
    rest = api("GET", f"/pipelines?archived=include&limit=1&cursor={first['next_cursor']}").json
    assert [one["name"] for one in first["items"] + rest["items"]] == ["Sales", "Renewals"]
    refused = api("PATCH", archived, {"name": "Other"}, ANY)
    assert (refused.status, problem(refused)) == (422, "archived")
    assert api("POST", f"{archived}/restore", headers={"If-Match": '"1"'}).status == 412
    restored = api("POST", f"{archived}/restore", headers=ANY)
    assert (restored.status, restored.json.get("archived_at")) == (200, None)
    assert names(api, "") == ["Sales", "Renewals"]
    assert names(api, "?archived=only") == []
    assert deal(api, archived, STAGES[0]["key"])
    again = api("POST", f"{archived}/restore", headers=ANY)
    assert (again.status, problem(again)) == (422, "rule-violation")


def test_a_restored_pipeline_needs_a_name_that_is_free(api: ApiClient, archived: str) -> None:
    other = path_of(api("POST", "/pipelines", {"name": "Renewals", "stages": STAGES}))
    refused = api("POST", f"{archived}/restore", headers=ANY)
    assert (refused.status, problem(refused)) == (409, "conflict")
    assert other.rpartition("/")[2] in refused.json["detail"]


def test_no_deal_begins_in_an_archived_pipeline(api: ApiClient, archived: str) -> None:
    fields = OPPORTUNITY | {"pipeline_id": archived.rpartition("/")[2]}
    refused = api("POST", "/opportunities", fields)
    assert (refused.status, refused.json["errors"][0]["field"]) == (422, "pipeline_id")
    assert "archived" in refused.json["detail"]


@pytest.mark.parametrize("role", ["sales_representative", "sales_manager"])
def test_restoring_a_pipeline_needs_full_rights_on_settings(
    api: ApiClient, archived: str, role: str
) -> None:
    assert api.as_(roles=role)("POST", f"{archived}/restore", headers=ANY).status == 403
