"""The example subscriber counts a deal once, however often it is won, delivered or replayed."""

import importlib.util
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from jsonschema import Draft202012Validator

from tests.component.conftest import ApiClient, opportunity_events
from tests.component.customers.conftest import path_of
from tests.component.opportunities.conftest import ANY

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def api(cloud: Any) -> ApiClient:
    from opportunities.handlers.api import handler

    return ApiClient(handler)


@pytest.fixture
def subscriber(cloud: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    spec = importlib.util.spec_from_file_location("app", ROOT / "examples/subscriber/src/app.py")
    assert spec is not None
    assert spec.loader is not None
    # Its own library is not installed here; this one validates by the same schemas.
    validators = SimpleNamespace(compile=lambda schema: Draft202012Validator(schema).validate)
    monkeypatch.setitem(sys.modules, "fastjsonschema", validators)
    app = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(app)
    monkeypatch.setattr(app, "SCHEMAS", ROOT / "events" / "schemas")
    monkeypatch.setattr(app, "os", SimpleNamespace(environ={"TABLE_NAME": "wins"}))
    boto3.client("dynamodb").create_table(
        TableName="wins",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "opportunity", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "opportunity", "KeyType": "HASH"}],
    )
    return app


def deliver(app: Any, *events: dict[str, Any]) -> None:
    records = [
        {"messageId": str(n), "body": json.dumps({"detail": one})} for n, one in enumerate(events)
    ]
    assert app.handler({"Records": records}, None) == {"batchItemFailures": []}


def wins(cloud: Any) -> list[tuple[str, str]]:
    items = cloud.scan(TableName="wins")["Items"]
    return [(item["win"]["N"], item["minor_units"]["N"]) for item in items]


def won(cloud: Any) -> list[dict[str, Any]]:
    return [one for one in opportunity_events(cloud) if one["type"] == "OpportunityWon"]


def usd(minor_units: int) -> dict[str, Any]:
    return {"amount": {"minor_units": minor_units, "currency": "USD"}}


def test_a_deal_that_is_won_again_is_one_win(api: ApiClient, cloud: Any, subscriber: Any) -> None:
    deal = api("POST", "/opportunities", {"name": "x", "stage": "won", **usd(600_000)})
    path = path_of(deal)
    api("POST", path + "/reopen", {}, ANY)
    api("PATCH", path, usd(900_000), ANY)
    api("POST", path + "/won", {}, ANY)
    first, second = won(cloud)
    assert [first["data"]["win"], second["data"]["win"]] == [1, 2]
    assert second["data"]["current"]["wins"] == 2
    (reopened,) = [o for o in opportunity_events(cloud) if o["type"] == "OpportunityReopened"]
    assert reopened["data"]["win"] == 1, "the win that it takes back"
    deliver(subscriber, first, second)
    assert wins(cloud) == [("2", "900000")]
    deliver(subscriber, second, first)
    assert wins(cloud) == [("2", "900000")], "a late or repeated delivery changes nothing"


def test_a_lost_deal_that_is_reopened_takes_no_win_back(api: ApiClient, cloud: Any) -> None:
    body = {"name": "x", "stage": "lost", "lost_reason": "price"}
    path = path_of(api("POST", "/opportunities", body))
    api("POST", path + "/reopen", {}, ANY)
    assert "win" not in opportunity_events(cloud)[-1]["data"]
    api("POST", path + "/won", {}, ANY)
    assert won(cloud)[-1]["data"]["win"] == 1


def test_the_table_of_the_example_has_this_key() -> None:
    template = (ROOT / "examples/subscriber/template.yaml").read_text(encoding="utf-8")
    assert "KeySchema: [{AttributeName: opportunity, KeyType: HASH}]" in template
