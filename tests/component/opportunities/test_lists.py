"""Lists of opportunities: of an account, and of a stage by close date."""

from typing import Any

import pytest

from kernel.domain.ids import new_id
from tests.component.conftest import ApiClient
from tests.component.customers.conftest import pages, path_of
from tests.component.opportunities.conftest import ANY


def an_opportunity(api: ApiClient, name: str, **fields: Any) -> str:
    answer = api("POST", "/opportunities", {"name": name, **fields})
    assert answer.status == 201, answer.text
    return path_of(answer)


def names(api: ApiClient, query: str) -> list[str]:
    """Names in the list's order, which is the same for every page size."""
    one, many = (pages(api, f"/opportunities?{query}&limit={limit}") for limit in (1, 200))
    assert one == many
    return [opportunity["name"] for opportunity in many]


@pytest.mark.parametrize("limit", [1, 2, 200])
def test_opportunities_of_an_account_are_listed_newest_first(api: ApiClient, limit: int) -> None:
    account, other = new_id(), new_id()
    for number in range(5):
        an_opportunity(api, f"d{number}", account_id=account, owner_id=f"user{number}")
        an_opportunity(api, f"o{number}", account_id=other)
    found = pages(api, f"/opportunities?account_id={account}&limit={limit}")
    assert len({opportunity["id"] for opportunity in found}) == 5
    assert {opportunity["name"] for opportunity in found} == {f"d{number}" for number in range(5)}
    ids = [opportunity["id"] for opportunity in found]
    assert ids == sorted(ids, reverse=True)


def test_an_opportunity_is_listed_with_its_current_account(api: ApiClient) -> None:
    account, other = new_id(), new_id()
    opportunity = an_opportunity(api, "d", account_id=account)
    api("PATCH", opportunity, {"account_id": other}, ANY)
    assert (names(api, f"account_id={account}"), names(api, f"account_id={other}")) == ([], ["d"])
    api("PATCH", opportunity, {"account_id": None}, ANY)
    assert names(api, f"account_id={other}") == []


def test_opportunities_of_a_stage_are_listed_by_expected_close_date_undated_ones_last(
    api: ApiClient,
) -> None:
    for day in ("2026-03-01", None, "2026-01-15", "2026-02-10"):
        dated = {"expected_close_on": day} if day else {}
        an_opportunity(api, day or "undated", stage="proposal", **dated)
    an_opportunity(api, "elsewhere", expected_close_on="2026-01-15")
    assert names(api, "stage=proposal") == ["2026-01-15", "2026-02-10", "2026-03-01", "undated"]
    for period, found in {
        "close_from=2026-02-10": ["2026-02-10", "2026-03-01"],
        "close_to=2026-02-10": ["2026-01-15", "2026-02-10"],
        "close_from=2026-01-16&close_to=2026-03-01": ["2026-02-10", "2026-03-01"],
        "close_from=2026-02-10&close_to=2026-02-10": ["2026-02-10"],
        "close_from=2026-04-01&close_to=2026-04-30": [],
    }.items():
        assert names(api, f"stage=proposal&{period}") == found, period


def test_closed_opportunities_are_listed_by_closing_day(api: ApiClient) -> None:
    for day in ("2026-03-01", "2026-01-15"):
        an_opportunity(api, day, stage="won", closed_on=day, expected_close_on="2027-01-01")
    assert names(api, "stage=won") == ["2026-01-15", "2026-03-01"]
    assert names(api, "stage=won&close_from=2026-02-01") == ["2026-03-01"]


def test_an_opportunity_is_listed_in_its_current_stage(api: ApiClient) -> None:
    opportunity = an_opportunity(api, "d")
    api("POST", f"{opportunity}/stage", {"stage": "proposal"}, ANY)
    assert (names(api, "stage=lead"), names(api, "stage=proposal")) == ([], ["d"])
    api("POST", f"{opportunity}/won", {}, ANY)
    assert (names(api, "stage=proposal"), names(api, "stage=won")) == ([], ["d"])
    api("POST", f"{opportunity}/reopen", {}, ANY)
    assert (names(api, "stage=won"), names(api, "stage=lead")) == ([], ["d"])


def test_a_stage_filter_names_a_stage_of_the_pipeline(api: ApiClient) -> None:
    stages = [
        {"key": "lead", "name": "Lead", "probability": 50},
        {"key": "won", "name": "Won", "probability": 100, "kind": "won"},
        {"key": "lost", "name": "Lost", "probability": 0, "kind": "lost"},
    ]
    pipeline = api("POST", "/pipelines", {"name": "Renewals", "stages": stages}).json["id"]
    an_opportunity(api, "there", pipeline_id=pipeline)
    an_opportunity(api, "here")
    assert names(api, f"pipeline_id={pipeline}&stage=lead") == ["there"]
    assert names(api, "pipeline_id=default&stage=lead") == names(api, "stage=lead") == ["here"]
    unknown = api("GET", f"/opportunities?pipeline_id={pipeline}&stage=proposal")
    assert (unknown.status, unknown.json["errors"][0]["field"]) == (422, "stage")


def test_a_cursor_is_valid_for_its_own_list_only(api: ApiClient) -> None:
    account = new_id()
    for number in range(2):
        an_opportunity(api, f"d{number}", account_id=account)
    for query, other in (
        (f"account_id={account}", f"account_id={new_id()}"),
        ("stage=lead", "stage=proposal"),
        ("stage=lead", "stage=lead&close_from=2026-01-01"),
        (f"account_id={account}", "owner_id=ann"),
    ):
        cursor = api("GET", f"/opportunities?{query}&limit=1").json["next_cursor"]
        assert api("GET", f"/opportunities?{query}&cursor={cursor}").status == 200
        rejected = api("GET", f"/opportunities?{other}&cursor={cursor}")
        assert (rejected.status, rejected.json["errors"][0]["field"]) == (422, "cursor"), other
