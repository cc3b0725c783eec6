"""A board and a timeline of the deployed system are damaged, and rebuilt beside live traffic.

What they check is a pipeline and its deals, which no other test changes.
"""

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.flows.conftest import Crm
from tests.flows.faults import delete, put
from tests.flows.figures import record_figure

TENANT = "acme"
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
DEALS = 120
ANY = {"if-match": "*"}
Item = dict[str, Any]


def call(crm: Crm, method: str, path: str, body: Any = None) -> Any:
    headers = ANY if method != "GET" else {}
    answer = crm(method, path, body, tenant=TENANT, headers=headers)
    assert answer.status_code < 300, answer.text
    return answer.json()


@pytest.fixture(scope="module")
def pipeline(crm: Crm) -> str:
    """The id of a pipeline with the stages lead, proposal, negotiation, won and lost."""
    kinds, certain = {"won": "won", "lost": "lost"}, {"won": 100, "lost": 0}
    stages = [
        {
            "key": key,
            "name": key,
            "probability": certain.get(key, 50),
            "kind": kinds.get(key, "open"),
        }
        for key in ("lead", "proposal", "negotiation", "won", "lost")
    ]
    return str(
        call(crm, "POST", "/pipelines", {"name": f"Rebuilt {time.time_ns()}", "stages": stages})[
            "id"
        ]
    )


@pytest.fixture(scope="module")
def deals(crm: Crm, pipeline: str) -> list[str]:
    """Deals in several columns, of which some were changed."""
    ids: list[str] = []
    stages = ("lead", "proposal", "negotiation", "won")
    for first in range(0, DEALS, 100):
        items = [
            {
                "name": f"Deal {n}",
                "pipeline_id": pipeline,
                "external_ids": {"rebuild": str(n)},
                "amount": {"minor_units": n, "currency": ("USD", "EUR")[n % 2]},
                "stage": stages[n % 4],
            }
            for n in range(first, first + 100)
        ]
        answer = call(crm, "POST", "/opportunities/batch", {"items": items})
        ids += [result["id"] for result in answer["results"]]
    for one in ids[:20]:
        call(crm, "PATCH", f"/opportunities/{one}", {"region": "North"})
    return ids


def board(crm: Crm, pipeline: str) -> dict[str, Counter[str]]:
    """Counts and sums by stage and currency, as the API shows them."""
    shown: dict[str, Counter[str]] = {}
    for column in call(crm, "GET", f"/pipelines/{pipeline}/board")["columns"]:
        for amount in column["amounts"]:
            counter = shown.setdefault(column["stage"], Counter())
            counter[f"{amount['currency']} count"] += amount["count"]
            counter[amount["currency"]] += amount["minor_units"]
    return shown


def counted(crm: Crm, ids: list[str]) -> dict[str, Counter[str]]:
    """The same, from the records."""
    right: dict[str, Counter[str]] = {}
    for one in ids:
        deal = call(crm, "GET", f"/opportunities/{one}")
        amount = deal["amount"]
        counter = right.setdefault(deal["stage"], Counter())
        counter[f"{amount['currency']} count"] += 1
        counter[amount["currency"]] += amount["minor_units"]
    return right


def table(crm: Crm, name: str) -> str:
    return str(crm.state["resources"]["tables"][name])


def items(crm: Crm, name: str, part: str) -> Iterator[Item]:
    """The items of a table whose partition key has a part."""
    pages = crm.client("dynamodb").get_paginator("scan").paginate(TableName=table(crm, name))
    for page in pages:
        for item in page["Items"]:
            if item["pk"]["S"].startswith(f"TENANT#{TENANT}#{part}"):
                yield item


def entries(crm: Crm, ids: list[str]) -> dict[str, Item]:
    """The timelines of some deals."""
    found = items(crm, "ActivitiesTable", "TIMELINE#opportunity")
    return {
        f"{item['pk']['S']} {item['sk']['S']}": item
        for item in found
        if item["pk"]["S"].rpartition("#")[2] in ids
    }


def rebuild(crm: Crm, *words: str) -> dict[str, Any]:
    started = time.monotonic()
    answer = crm.zebros.json("--tenant", TENANT, "events", "rebuild", *words)
    assert answer["rebuilt"] == words[0]
    (result,) = answer["results"]
    seconds = time.monotonic() - started
    record_figure(f"rebuild {' '.join(words)}: {json.dumps(result)} in {seconds:.1f} s")
    found: dict[str, Any] = result
    return found


@contextmanager
def live_traffic(crm: Crm, ids: list[str]) -> Iterator[None]:
    """Somebody moves deals while the block runs."""
    ends, faults = threading.Event(), list[Exception]()

    def work() -> None:
        number = 0
        while not ends.is_set():
            number += 1
            one = ids[number % len(ids)]
            amount = {"minor_units": number, "currency": "USD"}
            try:
                call(crm, "PATCH", f"/opportunities/{one}", {"amount": amount})
            except Exception as fault:
                faults.append(fault)
                return
            time.sleep(0.25)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        ends.set()
        thread.join()
    assert faults == []


def mappings_are_enabled(crm: Crm) -> bool:
    client = crm.client("lambda")
    states = {
        one["State"]
        for name in ("ActivitiesEvents", "OpportunitiesEvents")
        for one in client.list_event_source_mappings(FunctionName=crm.state["functions"][name])[
            "EventSourceMappings"
        ]
    }
    return states == {"Enabled"}


def test_a_damaged_board_is_rebuilt_beside_live_traffic(
    crm: Crm, pipeline: str, deals: list[str]
) -> None:
    crm.settle()
    right = counted(crm, deals)
    assert board(crm, pipeline) == right
    for number, item in enumerate(items(crm, "OpportunitiesTable", f"BOARD#{pipeline}")):
        if number % 2:
            delete(crm, "OpportunitiesTable", item)
        else:
            put(crm, "OpportunitiesTable", {**item, "opportunities": {"N": "99"}})
    for number, item in enumerate(items(crm, "OpportunitiesTable", "POSITION#board")):
        if number % 3 == 0 and item["pk"]["S"].rpartition("/")[2] in deals:
            delete(crm, "OpportunitiesTable", item)
    assert board(crm, pipeline) != right
    with live_traffic(crm, deals):
        result = rebuild(crm, "board")
    assert result["records"] >= DEALS
    assert result["positions_replaced"] > 0
    assert mappings_are_enabled(crm)
    crm.settle()
    assert board(crm, pipeline) == counted(crm, deals)


def test_a_damaged_timeline_is_rebuilt_beside_live_traffic(crm: Crm, deals: list[str]) -> None:
    crm.settle()
    right = entries(crm, deals)
    for number, item in enumerate(right.values()):
        if number % 2:
            delete(crm, "ActivitiesTable", item)
        else:
            put(crm, "ActivitiesTable", {**item, "doc": {"B": b"damaged"}})
            forged = "2020-01-01T00:00:00.000Z#000000000001#01ARZ3NDEKTSV4RRFFQ69G5FAV"
            put(crm, "ActivitiesTable", {**item, "sk": {"S": forged}})
    with live_traffic(crm, deals[:5]):
        assert rebuild(crm, "timeline")["entries_deleted"] > 0
    crm.settle()
    found = entries(crm, deals)
    assert {key: found.get(key) for key in right} == right
    live = {f"#opportunity#{one} " for one in deals[:5]}
    assert all(any(one in key for one in live) for key in found.keys() - right.keys())
    assert rebuild(crm, "timeline")["entries_deleted"] == 0
    assert rebuild(crm, "inbox")["counters_changed"] == 0


def test_projections_and_reports_follow_a_record_whose_table_was_restored(
    crm: Crm, pipeline: str, deals: list[str]
) -> None:
    deal = deals[-2]  # in negotiation
    crm.settle()
    (state,) = (
        item
        for item in items(crm, "OpportunitiesTable", f"OPPORTUNITY#{deal}")
        if item["sk"]["S"] == "STATE"
    )
    for stage in ("lead", "proposal", "lead"):
        call(crm, "POST", f"/opportunities/{deal}/stage", {"stage": stage})
    crm.settle()
    published = call(crm, "GET", f"/timeline/opportunity/{deal}")["items"]
    first = int(published[-1]["sequence"])
    for item in items(crm, "OpportunitiesTable", f"OPPORTUNITY#{deal}"):
        if item["sk"]["S"].startswith("EVENT#") and int(item["sk"]["S"][6:]) > first:
            delete(crm, "OpportunitiesTable", item)
    put(crm, "OpportunitiesTable", state)
    amount = {"minor_units": 777, "currency": "JPY"}
    call(crm, "PATCH", f"/opportunities/{deal}", {"amount": amount})
    crm.settle()
    assert board(crm, pipeline) == counted(crm, deals), "the board follows by itself"
    diverged = [
        item
        for item in items(crm, "OpportunitiesTable", "POSITION#board#opportunity/" + deal)
        if item["sk"]["S"] == "POSITION" and "diverged" in item
    ]
    assert len(diverged) == 1
    assert rebuild(crm, "timeline", "--subject", f"opportunity/{deal}")["records"] == 1
    shown = call(crm, "GET", f"/timeline/opportunity/{deal}")["items"]
    assert [int(one["sequence"]) for one in shown] == list(range(len(shown), 0, -1))
    asked = {"report": "pipeline_by_stage", "by": "none", "currency": "JPY"}
    (row,) = crm.report(asked, tenant=TENANT)["result"]["rows"]
    assert (row["deals"], row["amount"]["minor_units"]) == (1, 777)
    assert rebuild(crm, "board")["counters_changed"] == 0
