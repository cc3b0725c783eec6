"""Opportunities that others change while a request moves all of a stage stay as the others say."""

from typing import Any

import pytest

from kernel.domain.aggregate import Change
from kernel.domain.clock import utc_now
from kernel.domain.principal import system_request
from kernel.storage.unit_of_work import UnitOfWork
from opportunities.bootstrap import pipelines
from tests.component.conftest import ApiClient, opportunity_events
from tests.component.customers.conftest import path_of, problem
from tests.component.opportunities.conftest import ANY
from tests.component.opportunities.test_default_pipeline import pipeline_events
from tests.component.opportunities.test_pipelines_change import LOST, OPEN, WON, deal, path

__all__ = ["path"]


def stage_of(api: ApiClient, opportunity: str) -> str:
    return str(api("GET", f"/opportunities/{opportunity}").json["stage"])


def test_one_that_has_left_the_stage_since_it_was_listed_stays_where_it_is(
    api: ApiClient, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stays as it is, although it is where the request would move it."""
    first, second = (deal(api, path, "offer") for _ in range(2))
    service = pipelines()
    listed = service._in_stage

    def late(*arguments: Any) -> Any:
        found = listed(*arguments)
        assert api("POST", f"/opportunities/{first}/stage", {"stage": "open"}, ANY).status == 200
        return found

    monkeypatch.setattr(service, "_in_stage", late)
    moved = api("POST", path + "/stages/offer/move", {"to": "open"})
    assert moved.json == {"moved": 1, "more": True}, "the request may be sent again"
    assert (stage_of(api, first), stage_of(api, second)) == ("open", "open")
    assert api("GET", f"/opportunities/{first}").json["version"] == 2


def test_one_that_somebody_changes_at_the_same_moment_is_left_for_the_next_request(
    api: ApiClient, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (deal(api, path, "offer") for _ in range(2))
    opportunities = pipelines()._opportunities
    get = opportunities.get

    def late(tenant: str, record: str, **more: Any) -> Any:
        found = get(tenant, record, **more)
        if record == first:
            monkeypatch.setattr(opportunities, "get", get)
            api("PATCH", f"/opportunities/{first}", {"name": "Theirs"}, ANY)
            monkeypatch.setattr(opportunities, "get", late)
        return found

    monkeypatch.setattr(opportunities, "get", late)
    move = path + "/stages/offer/move"
    assert api("POST", move, {"to": "open"}).json == {"moved": 1, "more": True}
    monkeypatch.undo()
    assert (stage_of(api, first), stage_of(api, second)) == ("offer", "open")
    assert api("GET", f"/opportunities/{first}").json["name"] == "Theirs"
    assert api("POST", move, {"to": "open"}).json == {"moved": 1, "more": False}


def test_a_move_with_a_key_is_repeated_with_the_same_answer(
    api: ApiClient, cloud: Any, path: str
) -> None:
    for _ in range(3):
        deal(api, path, "offer")
    move, key = path + "/stages/offer/move", {"idempotency-key": "k"}
    first = api("POST", move, {"to": "open"}, key)
    assert first.json == {"moved": 3, "more": False}
    assert api("POST", move, {"to": "open"}, key).text == first.text
    assert len(opportunity_events(cloud)) == 6


def test_a_move_that_was_interrupted_is_continued_with_the_same_key(
    api: ApiClient, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    deals = [deal(api, path, "offer") for _ in range(2)]
    move, key = path + "/stages/offer/move", {"idempotency-key": "k"}
    repository = pipelines()._opportunities
    save = repository.save
    saved: list[object] = []

    def interrupted(*arguments: Any) -> Any:
        if saved:
            raise RuntimeError("The function was stopped.")
        saved.append(arguments)
        return save(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(repository, "save", interrupted)
        assert api("POST", move, {"to": "open"}, key).status == 500
    assert sorted(stage_of(api, one) for one in deals) == ["offer", "open"]
    assert api("POST", move, {"to": "open"}, key).json == {"moved": 1, "more": False}
    assert [stage_of(api, one) for one in deals] == ["open", "open"]


def test_an_archived_opportunity_keeps_its_stage_in_the_pipeline(api: ApiClient, path: str) -> None:
    """A restore of the context has archived it; it can be restored, and needs its stage then."""
    record = deal(api, path, "offer")
    repository = pipelines()._opportunities
    before = repository.get("acme", record)
    change = Change(before.as_created_later(utc_now(), lost=False))
    repository.save(UnitOfWork(system_request("acme")), before, change)
    assert api("GET", f"/opportunities/{record}").json["archived_at"]
    without = {"stages": [OPEN, WON, LOST]}
    refused = api("PATCH", path, without, ANY)
    assert (refused.status, problem(refused)) == (422, "rule-violation")


def test_a_change_of_the_default_pipeline_that_changes_nothing_publishes_nothing(
    api: ApiClient, cloud: Any
) -> None:
    assert api("PATCH", "/pipelines/default", {"name": "Sales"}, ANY).status == 200
    assert pipeline_events(cloud) == []


@pytest.mark.parametrize("role", ["sales_representative", "sales_manager", "read_only"])
def test_moving_all_and_creating_need_full_rights_on_settings(
    api: ApiClient, path: str, role: str
) -> None:
    mine = deal(api, path, "offer")
    other = api.as_(roles=role)
    assert other("POST", path + "/stages/offer/move", {"to": "open"}).status == 403
    stages = [OPEN, WON, LOST]
    assert other("POST", "/pipelines", {"name": "Own", "stages": stages}).status == 403
    assert stage_of(api, mine) == "offer"


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_pages_of_pipelines_have_at_most_their_limit_and_each_once(
    api: ApiClient, path: str, limit: int
) -> None:
    other = path_of(api("POST", "/pipelines", {"name": "Alpha", "stages": [OPEN, WON, LOST]}))
    assert other != path
    names, query = [], f"?limit={limit}"
    while True:
        page = api("GET", f"/pipelines{query}").json
        assert len(page["items"]) <= limit
        names += [one["name"] for one in page["items"]]
        if (cursor := page.get("next_cursor")) is None:
            break
        query = f"?limit={limit}&cursor={cursor}"
    assert names == ["Sales", "Alpha", "Renewals"]
