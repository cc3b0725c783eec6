"""Pipelines are changed, their opportunities follow explicitly, and names and codes are unique."""

from typing import Any

import pytest

from kernel.storage.upgrade import upgrade
from tests.component.conftest import ApiClient, published
from tests.component.customers.conftest import path_of, problem
from tests.component.opportunities.conftest import ANY

OPEN = {"key": "open", "name": "Open", "probability": 40}
OFFER = {"key": "offer", "name": "Offer", "probability": 60}
WON = {"key": "won", "name": "Won", "probability": 100, "kind": "won"}
LOST = {"key": "lost", "name": "Lost", "probability": 0, "kind": "lost"}


@pytest.fixture
def path(api: ApiClient) -> str:
    stages = [OPEN, OFFER, WON, LOST]
    return path_of(api("POST", "/pipelines", {"name": "Renewals", "stages": stages}))


def deal(api: ApiClient, path: str, stage: str) -> str:
    fields = {"name": "x", "pipeline_id": path.rpartition("/")[2], "stage": stage}
    answer = api("POST", "/opportunities", fields)
    assert answer.status == 201, answer.text
    return str(answer.json["id"])


def test_a_pipeline_is_renamed_and_its_stages_change(api: ApiClient, cloud: Any, path: str) -> None:
    stages = [OFFER | {"name": "Quote", "probability": 70}, OPEN, WON, LOST]
    new = {"key": "demo", "name": "Demo", "probability": 10}
    patch = {"name": "Upsell", "stages": [new, *stages]}
    changed = api("PATCH", path, patch, ANY)
    assert changed.status == 200, changed.text
    assert (changed.json["name"], changed.json["version"]) == ("Upsell", 2)
    assert [stage["key"] for stage in changed.json["stages"]] == [
        *("demo", "offer", "open", "won", "lost"),
    ]
    assert api("GET", path).json == changed.json
    assert [one["name"] for one in api("GET", "/pipelines").json["items"]] == ["Sales", "Upsell"]
    event = published(cloud)[-1]
    assert event["type"] == "PipelineUpdated"
    assert event["data"]["changed"] == ["name", "stages"]
    assert event["data"]["previous"]["name"] == "Renewals"
    deal(api, path, "demo")


def test_a_stage_with_opportunities_is_removed_after_they_were_moved(
    api: ApiClient, path: str
) -> None:
    deals = {deal(api, path, "offer") for _ in range(3)}
    without = {"stages": [OPEN, WON, LOST]}
    refused = api("PATCH", path, without, ANY)
    assert (refused.status, problem(refused)) == (422, "rule-violation")
    assert "stages/offer/move" in refused.json["detail"]
    moved = api("POST", path + "/stages/offer/move", {"to": "open"})
    assert moved.json == {"moved": 3, "more": False}
    assert {api("GET", f"/opportunities/{one}").json["stage"] for one in deals} == {"open"}
    assert api("PATCH", path, without, ANY).status == 200


def test_more_opportunities_than_one_request_moves(
    api: ApiClient, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opportunities.service.pipelines.MOVED", 2)
    for _ in range(3):
        deal(api, path, "offer")
    move = path + "/stages/offer/move"
    assert api("POST", move, {"to": "open"}).json == {"moved": 2, "more": True}
    assert api("POST", move, {"to": "open"}).json == {"moved": 1, "more": False}


@pytest.mark.parametrize(("stage", "to"), [("offer", "won"), ("won", "open"), ("open", "open")])
def test_opportunities_move_between_open_stages_only(
    api: ApiClient, path: str, stage: str, to: str
) -> None:
    assert api("POST", f"{path}/stages/{stage}/move", {"to": to}).status == 422


@pytest.mark.parametrize(
    ("stages", "reason"),
    [
        ([OPEN, WON | {"probability": 50}, LOST], "probability must be 100"),
        ([OPEN, WON, LOST | {"probability": 10}], "probability must be 0"),
        ([OPEN, OFFER | {"name": "open"}, WON, LOST], "same name"),
        ([OPEN | {"kind": "won"}, WON | {"kind": "open"}, LOST], "of kind"),
    ],
)
def test_stages_that_make_no_sense_are_refused(
    api: ApiClient, path: str, stages: list[Any], reason: str
) -> None:
    changed = api("PATCH", path, {"stages": stages}, ANY)
    assert (changed.status, changed.json["errors"][0]["field"]) == (422, "stages")
    assert reason in changed.json["detail"]


OF_THE_DEFAULT = ("Sales", "sáles")


@pytest.mark.parametrize("name", ["Renewals", " RENEWALS ", *OF_THE_DEFAULT])
def test_a_name_names_one_pipeline(api: ApiClient, path: str, name: str) -> None:
    taken = api("POST", "/pipelines", {"name": name, "stages": [OPEN, WON, LOST]})
    assert (taken.status, problem(taken)) == (409, "conflict")
    assert taken.json["errors"][0]["field"] == "name"
    if name not in OF_THE_DEFAULT:
        assert path.rpartition("/")[2] in taken.json["detail"]
    other = path_of(api("POST", "/pipelines", {"name": "New", "stages": [OPEN, WON, LOST]}))
    assert api("PATCH", other, {"name": name}, ANY).status == 409
    assert api("PATCH", path, {"name": "Upsell"}, ANY).status == 200
    if name not in OF_THE_DEFAULT:
        assert api("PATCH", other, {"name": name}, ANY).status == 200, "it is free again"


def test_a_code_names_one_product(api: ApiClient) -> None:
    first = api("POST", "/products", {"name": "A", "code": "GTX-1"}).json["id"]
    second = api("POST", "/products", {"name": "B", "code": "GTX-2"}).json["id"]
    row = {"name": "C", "code": "gtx‑1", "external_ids": {"crm": "1"}}  # noqa: RUF001
    batch = api("POST", "/products/batch", {"items": [row]}).json["results"][0]
    assert batch["status"] == 409
    for taken in (
        api("POST", "/products", {"name": "C", "code": "gtx-1"}),
        api("PATCH", f"/products/{second}", {"code": "GTX-1 "}, ANY),
    ):
        assert (taken.status, problem(taken)) == (409, "conflict")
        assert first in taken.json["detail"]
    assert api("PATCH", f"/products/{first}", {"code": None}, ANY).status == 200
    assert api("PATCH", f"/products/{second}", {"code": "GTX-1"}, ANY).status == 200
    assert (
        api.as_(tenant="globex")("POST", "/products", {"name": "A", "code": "GTX-1"}).status == 201
    )


def test_an_upgrade_claims_the_codes_of_earlier_products_and_names_those_with_one_code(
    api: ApiClient, cloud: Any
) -> None:
    from opportunities.bootstrap import stores

    keys = []
    for code in ("GTX", "MG"):
        product = api("POST", "/products", {"name": code, "code": code}).json["id"]
        keys.append(f"TENANT#acme#PRODUCT#{product}")
    for item in cloud.scan(TableName="table")["Items"]:
        if item["sk"]["S"] == "UNIQUE":
            cloud.delete_item(TableName="table", Key={n: item[n] for n in ("pk", "sk")})
        elif item["pk"]["S"] in keys and item["sk"]["S"] == "STATE":
            earlier = {name: value for name, value in item.items() if name != "search"}
            cloud.put_item(TableName="table", Item=earlier)
    taken = api("POST", "/products", {"name": "C", "code": "MG"}).json["id"]
    result = upgrade(stores(), keys)
    assert result.upgraded == 1
    (unreadable,) = result.unreadable
    assert unreadable.record == keys[1]
    assert "'MG'" in unreadable.reason
    assert taken
    assert api("POST", "/products", {"name": "D", "code": "gtx"}).status == 409


@pytest.mark.parametrize("change", [{"code": "GTX"}, {"code": None}])
def test_an_earlier_product_that_gives_up_its_code_takes_it_from_no_other(
    api: ApiClient, cloud: Any, change: dict[str, Any]
) -> None:
    old = api("POST", "/products", {"name": "A", "code": "MG"})
    (item,) = [one for one in cloud.scan(TableName="table")["Items"] if one["sk"]["S"] == "UNIQUE"]
    cloud.delete_item(TableName="table", Key={name: item[name] for name in ("pk", "sk")})
    assert api("POST", "/products", {"name": "B", "code": "MG"}).status == 201
    path = f"/products/{old.json['id']}"
    assert api("PATCH", path, change, headers=old.etag).status == 200
    assert api("POST", "/products", {"name": "C", "code": "mg"}).status == 409
