"""Opportunities through their API handler against DynamoDB (moto)."""

from typing import Any

import pytest

from kernel.domain.ids import new_id
from kernel.storage.table import Table
from tests.component.conftest import ApiClient, opportunity_events


def an_opportunity(api: ApiClient, **fields: Any) -> Any:
    answer = api("POST", "/opportunities", {"name": "Big one", **fields})
    assert answer.status == 201, answer.text
    return answer


def test_winning_an_open_opportunity_stores_the_state_and_the_event(
    api: ApiClient, cloud: Any
) -> None:
    opportunity = an_opportunity(api, amount={"minor_units": 105400, "currency": "USD"})
    won = api("POST", f"/opportunities/{opportunity.json['id']}/won", {}, opportunity.etag)
    assert won.status == 200, won.text
    assert (won.json["status"], won.json["stage"], won.json["version"]) == ("won", "won", 2)
    assert won.headers["etag"] == '"2"'
    created, event = opportunity_events(cloud)
    assert [created["type"], event["type"]] == ["OpportunityCreated", "OpportunityWon"]
    assert [created["sequence"], event["sequence"]] == ["1", "2"]
    assert event["data"]["current"]["amount"] == {"minor_units": 105400, "currency": "USD"}
    assert event["data"]["current"]["version"] == 2
    assert "tenant_id" not in event["data"]["current"]
    assert "tenant_id" not in won.json
    assert api("GET", f"/opportunities/{opportunity.json['id']}").json == won.json


def test_a_reassigned_opportunity_loses_its_team_unless_one_is_known_or_given(
    api: ApiClient, cloud: Any
) -> None:
    opportunity = an_opportunity(api, team_id="north")
    path, any_version = f"/opportunities/{opportunity.json['id']}", {"if-match": "*"}
    given = {"owner_id": "bob", "team_id": "north"}
    assert api("POST", f"{path}/owner", given, any_version).json["team_id"] == "north"
    same = api("POST", f"{path}/owner", {"owner_id": "bob"}, any_version).json
    assert (same["team_id"], same["version"]) == ("north", 2), "nothing changed"
    none = api("POST", f"{path}/owner", {"owner_id": "cleo"}, any_version).json
    assert ("team_id" in none, none["version"]) == (False, 3), "reports credit no wrong team"
    assert opportunity_events(cloud)[-1]["data"]["previous_team_id"] == "north"


def test_a_product_created_a_moment_ago_can_be_used(
    api: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    product = api("POST", "/products", {"name": "New"}).json["id"]
    get = Table.get

    def lagging(table: Table, pk: str, sk: str, *, consistent: bool = False) -> Any:
        return get(table, pk, sk, consistent=consistent) if consistent else None

    monkeypatch.setattr(Table, "get", lagging)
    assert an_opportunity(api, product_id=product).json["product_id"] == product
    unknown = api("POST", "/opportunities", {"name": "x", "product_id": new_id()})
    assert (unknown.status, unknown.json["errors"][0]["field"]) == (422, "product_id")


def test_a_won_opportunity_cannot_be_won_again_or_moved(api: ApiClient) -> None:
    opportunity = an_opportunity(api)
    path = f"/opportunities/{opportunity.json['id']}"
    won = api("POST", f"{path}/won", {}, opportunity.etag)
    assert api("POST", f"{path}/won", {}, won.etag).json["type"] == (
        "urn:zebros:problem:rule-violation"
    )
    assert api("POST", f"{path}/stage", {"stage": "proposal"}, won.etag).status == 422


def test_a_change_needs_the_current_version(api: ApiClient) -> None:
    opportunity = an_opportunity(api)
    path = f"/opportunities/{opportunity.json['id']}"
    assert api("PATCH", path, {"name": "x"}).status == 428
    assert api("PATCH", path, {"name": "New"}, opportunity.etag).json["name"] == "New"
    stale = api("PATCH", path, {"name": "y"}, opportunity.etag)
    assert (stale.status, stale.json["type"]) == (412, "urn:zebros:problem:stale-version")
    assert api("PATCH", path, {"name": "z"}, {"if-match": "*"}).status == 200


OWNERS = {"owner_id": "bob", "team_id": "south"}


@pytest.mark.parametrize("way", ["verb", "change", "import"])
def test_a_new_owner_is_one_event_by_any_route(api: ApiClient, cloud: Any, way: str) -> None:
    opportunity = an_opportunity(api, external_ids={"crm": "1"})
    path = f"/opportunities/{opportunity.json['id']}"
    match way:
        case "verb":
            api("POST", f"{path}/owner", OWNERS, opportunity.etag)
        case "change":
            api("PATCH", path, OWNERS, opportunity.etag)
        case "import":
            row = {"name": "Big one", "external_ids": {"crm": "1"}, **OWNERS}
            api("POST", "/opportunities/batch", {"items": [row]})
    _, event = opportunity_events(cloud)
    assert event["type"] == "OpportunityReassigned"
    assert event["data"]["previous_owner_id"] == "ann"
    assert event["data"]["previous_team_id"] == "north"
    assert {name: event["data"]["current"][name] for name in OWNERS} == OWNERS


@pytest.mark.parametrize("team", ["south", None])
def test_a_new_team_alone_is_an_event_with_the_previous_team(
    api: ApiClient, cloud: Any, team: str | None
) -> None:
    opportunity = an_opportunity(api)
    assert opportunity.json["team_id"] == "north"
    api("PATCH", f"/opportunities/{opportunity.json['id']}", {"team_id": team}, opportunity.etag)
    _, event = opportunity_events(cloud)
    assert event["type"] == "OpportunityReassigned"
    assert event["data"]["current"].get("team_id") == team
    before = {name: value for name, value in event["data"].items() if name != "current"}
    assert before == {"previous_owner_id": "ann", "previous_team_id": "north"}


def test_a_change_of_owner_name_and_amount_is_three_events(api: ApiClient, cloud: Any) -> None:
    opportunity = an_opportunity(api)
    patch = {**OWNERS, "name": "New", "amount": {"minor_units": 1, "currency": "USD"}}
    api("PATCH", f"/opportunities/{opportunity.json['id']}", patch, opportunity.etag)
    _, updated, *others = opportunity_events(cloud)
    assert updated["data"]["changed"] == ["owner_id", "team_id", "name", "amount"]
    assert [event["type"] for event in (updated, *others)] == [
        "OpportunityUpdated",
        "OpportunityAmountChanged",
        "OpportunityReassigned",
    ]


def test_a_repeated_key_replays_the_answer_and_another_body_is_rejected(
    api: ApiClient, cloud: Any
) -> None:
    key = {"idempotency-key": "k-1"}
    first = api("POST", "/opportunities", {"name": "Once"}, key)
    again = api("POST", "/opportunities", {"name": "Once"}, key)
    assert (again.status, again.text) == (201, first.text)
    assert again.headers["idempotency-replayed"] == "true"
    assert again.headers["etag"] == first.headers["etag"]
    assert len(opportunity_events(cloud)) == 1
    other = api("POST", "/opportunities", {"name": "Other"}, key)
    assert (other.status, other.json["type"]) == (422, "urn:zebros:problem:idempotency-key-reused")


def test_another_tenant_sees_nothing(api: ApiClient) -> None:
    opportunity = an_opportunity(api)
    other = api.as_(tenant="globex")
    path = f"/opportunities/{opportunity.json['id']}"
    assert other("GET", path).status == 404
    assert other("PATCH", path, {"name": "x"}, opportunity.etag).status == 404
    assert other("GET", "/opportunities?owner_id=ann").json["items"] == []


def test_lists_page_through_everything_once(api: ApiClient) -> None:
    ids = {an_opportunity(api, name=f"d{i}").json["id"] for i in range(7)}
    seen: list[str] = []
    path = "/opportunities?limit=3"
    cursor = ""
    while True:
        page = api("GET", path + cursor)
        assert page.status == 200, page.text
        seen += [item["id"] for item in page.json["items"]]
        if "next_cursor" not in page.json:
            break
        cursor = f"&cursor={page.json['next_cursor']}"
    assert len(seen) == 7
    assert set(seen) == ids
    assert seen == sorted(seen, reverse=True)
    foreign = api.as_(tenant="globex")("GET", path + cursor)
    assert (foreign.status, foreign.json["errors"][0]["field"]) == (422, "cursor")


def test_a_batch_stores_the_good_rows_and_names_the_bad_one(api: ApiClient, cloud: Any) -> None:
    items: list[dict[str, Any]] = [
        {"name": f"d{i}", "external_ids": {"crm": str(i)}} for i in range(4)
    ]
    items[1] = {"external_ids": {"crm": "1"}, "amount": {"minor_units": 1.5, "currency": "USD"}}
    items.append(
        {
            "name": "old",
            "external_ids": {"crm": "9"},
            "stage": "won",
            "closed_on": "2017-03-01",
            "opened_on": "2016-10-20",
        }
    )
    answer = api("POST", "/opportunities/batch", {"items": items})
    assert answer.status == 207, answer.text
    results = answer.json["results"]
    assert [r["status"] for r in results] == [201, 422, 201, 201, 201]
    fields = {e["field"] for e in results[1]["problem"]["errors"]}
    assert fields == {"name", "amount.minor_units"}
    again = api("POST", "/opportunities/batch", {"items": items})
    assert [r["status"] for r in again.json["results"]] == [200, 422, 200, 200, 200]
    stored = opportunity_events(cloud)
    assert len(stored) == 5
    assert {f["origin"] for f in stored} == {"import"}
    assert api("GET", "/opportunities?external_id=crm:9").json["items"][0]["closed_on"] == (
        "2017-03-01"
    )


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/opportunities?colour=red", "colour"),
        ("/opportunities?limit=0", "limit"),
        ("/opportunities?limit=1&limit=2", "limit"),
        ("/opportunities?cursor=abc", "cursor"),
        ("/opportunities?owner_id=a&account_id=01ARZ3NDEKTSV4RRFFQ69G5FAV", "owner_id"),
        ("/opportunities?close_from=2026-01-01", "close_from"),
        ("/opportunities?stage=nope", "stage"),
        ("/opportunities?stage=lead&close_from=2026-02-01&close_to=2026-01-31", "close_to"),
        *(
            (f"/opportunities?{key}&{more}", more.split("=")[0])
            for key in ("owner_id=ann", "account_id=01ARZ3NDEKTSV4RRFFQ69G5FAV", "external_id=a:1")
            for more in ("close_from=2026-01-01", "close_to=2026-01-01", "pipeline_id=default")
        ),
        ("/opportunities?external_id=a:1&cursor=abc", "cursor"),
        ("/products?external_id=a:1&cursor=abc", "cursor"),
        ("/products?cursor=abc", "cursor"),
        ("/pipelines?cursor=abc", "cursor"),
    ],
)
def test_a_filter_that_cannot_be_served_is_rejected(api: ApiClient, path: str, field: str) -> None:
    answer = api("GET", path)
    assert answer.status == 422, answer.text
    assert answer.json["errors"][0]["field"] == field


def test_an_unknown_pipeline_is_a_wrong_field(api: ApiClient) -> None:
    unknown = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
    for answer in (
        api("POST", "/opportunities", {"name": "x", "pipeline_id": unknown}),
        api("GET", f"/opportunities?pipeline_id={unknown}&stage=lead"),
    ):
        assert answer.status == 422
        assert answer.json["errors"][0]["field"] == "pipeline_id"
