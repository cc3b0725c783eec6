"""The board: opportunities counted and summed per stage and currency by their events."""

import json
from itertools import batched
from typing import Any

import pytest

from kernel.domain.money import EXPONENTS
from opportunities.repository.boards import count_change
from tests.component.conftest import ApiClient, opportunity_events
from tests.component.customers.conftest import path_of
from tests.component.opportunities.conftest import ANY


def counted(envelopes: list[dict[str, Any]]) -> None:
    """Deliver events to the board's consumer as SQS does."""
    from opportunities.consumers.board import handler

    records = [
        {"messageId": str(i), "body": json.dumps({"detail": envelope})}
        for i, envelope in enumerate(envelopes)
    ]
    assert handler({"Records": records}, None) == {"batchItemFailures": []}


def usd(units: int) -> dict[str, Any]:
    return {"minor_units": units, "currency": "USD"}


def board(api: ApiClient) -> dict[str, dict[str, tuple[int, int]]]:
    """Count and sum by stage and currency, of the stages with opportunities."""
    columns = api("GET", "/pipelines/default/board").json["columns"]
    for column in columns:
        assert column["count"] == sum(a["count"] for a in column["amounts"])
    return {
        c["stage"]: {a["currency"]: (a["count"], a["minor_units"]) for a in c["amounts"]}
        for c in columns
        if c["amounts"]
    }


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        ("", {"amount": {"minor_units": 70, "currency": "EUR"}}, {"lead": {"EUR": (1, 70)}}),
        ("", {"amount": None}, {"lead": {"": (1, 0)}}),
        ("", {"amount": usd(5)}, {"lead": {"USD": (1, 5)}}),
        ("", {"name": "New", "owner_id": "bob"}, {"lead": {"USD": (1, 100)}}),
        ("/stage", {"stage": "proposal"}, {"proposal": {"USD": (1, 100)}}),
        ("/won", {}, {"won": {"USD": (1, 100)}}),
        ("/lost", {"reason": "price"}, {"lost": {"USD": (1, 100)}}),
        ("/owner", {"owner_id": "bob"}, {"lead": {"USD": (1, 100)}}),
    ],
)
def test_an_opportunity_is_counted_in_its_current_stage(
    api: ApiClient, cloud: Any, path: str, body: dict[str, Any], expected: Any
) -> None:
    opportunity = api("POST", "/opportunities", {"name": "A", "amount": usd(100)})
    counted(opportunity_events(cloud))
    assert board(api) == {"lead": {"USD": (1, 100)}}
    method = "POST" if path else "PATCH"
    assert api(method, path_of(opportunity) + path, body, ANY).status == 200
    counted(opportunity_events(cloud))
    assert board(api) == expected
    assert board(api.as_(tenant="globex")) == {}


def test_a_reopened_opportunity_leaves_the_closed_column(api: ApiClient, cloud: Any) -> None:
    for name in ("A", "B"):
        api("POST", "/opportunities", {"name": name, "amount": usd(100), "stage": "won"})
    opportunity = api("POST", "/opportunities", {"name": "C", "stage": "won"})
    api("POST", path_of(opportunity) + "/reopen", {"stage": "negotiation"}, ANY)
    api("PATCH", path_of(opportunity), {"amount": usd(7)}, ANY)
    counted(opportunity_events(cloud))
    assert board(api) == {"won": {"USD": (2, 200)}, "negotiation": {"USD": (1, 7)}}


def test_corrected_close_details_do_not_change_the_counts(api: ApiClient, cloud: Any) -> None:
    row = {"name": "A", "external_ids": {"crm": "1"}, "stage": "won", "amount": usd(100)}
    for closed_on in ("2026-01-01", "2026-01-02"):
        item = {**row, "closed_on": closed_on}
        api("POST", "/opportunities/batch", {"items": [item]})
    assert [event["type"] for event in opportunity_events(cloud)][-1] == "OpportunityCorrected"
    counted(opportunity_events(cloud))
    assert board(api) == {"won": {"USD": (1, 100)}}


def test_a_board_of_many_currencies_and_stages_misses_none(api: ApiClient, cloud: Any) -> None:
    stages = [
        {"key": f"s{i}", "name": f"S{i}", "probability": probability, "kind": kind}
        for i, (kind, probability) in enumerate([("open", 1)] * 6 + [("won", 100), ("lost", 0)])
    ]
    pipeline = api("POST", "/pipelines", {"name": "World", "stages": stages}).json["id"]
    counters = (
        count_change("acme", pipeline, str(stage["key"]), currency, 1, 5)
        for stage in stages
        for currency in EXPONENTS
    )
    for some in batched(counters, 25, strict=False):
        puts = [
            {
                "PutRequest": {
                    "Item": {"pk": {"S": c.pk}, "sk": {"S": c.sk}, "opportunities": {"N": "1"}}
                }
            }
            for c in some
        ]
        cloud.batch_write_item(RequestItems={"table": puts})
    columns = api("GET", f"/pipelines/{pipeline}/board").json["columns"]
    assert [column["count"] for column in columns] == [len(EXPONENTS)] * len(stages)
    assert len(EXPONENTS) * len(stages) > 1000, "more than one page"
