"""Tables with strong consistency: two platforms see one item, and a cut-off one sees none."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.zebros.emulator.test_replicas import EAST, PROPS, WEST, East, item, key
from zebros.emulator import strong_tables
from zebros.regions.pair import Network, Pair

STRONG = {**PROPS, "MultiRegionConsistency": "STRONG"}
TABLE = {"TableName": "deals"}


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return Pair(tmp_path)


@pytest.fixture
def east(emulator: Any, patched: Any, pair: Pair) -> Iterator[East]:
    with patched():
        made = East(emulator, STRONG)
        strong_tables.apply(pair, EAST)
        yield made


def put(east: East, sk: str, value: str, **more: Any) -> int:
    return int(east.tables._put_item({**TABLE, "Item": item(sk, value), **more})[0])


def get(east: East, sk: str) -> Any:
    found = json.loads(east.tables._get_item({**TABLE, "Key": key(sk), "ConsistentRead": True})[2])
    return found.get("Item", {}).get("value", {}).get("S")


def other_writes(pair: Pair, sk: str, value: str) -> None:
    """The other platform writes an item."""
    pair.table("deals").parent.mkdir(exist_ok=True)
    pair.table("deals").write_text(json.dumps({"P": {sk: item(sk, value)}}))


def test_what_one_platform_writes_the_other_reads(east: East, pair: Pair) -> None:
    put(east, "a", "1")
    assert json.loads(pair.table("deals").read_text()) == {"P": {"a": item("a", "1")}}
    other_writes(pair, "a", "2")
    assert get(east, "a") == "2"


def test_a_condition_is_decided_by_what_the_other_platform_has_written(
    east: East, pair: Pair
) -> None:
    put(east, "a", "1")
    other_writes(pair, "a", "2")
    values = {":v": {"S": "1"}}
    seen = {
        "ConditionExpression": "#v = :v",
        "ExpressionAttributeNames": {"#v": "value"},
        "ExpressionAttributeValues": values,
    }
    assert put(east, "a", "3", **seen) == 400
    assert get(east, "a") == "2"
    values[":v"]["S"] = "2"
    assert put(east, "a", "3", **seen) == 200
    assert get(east, "a") == "3"


@pytest.mark.parametrize(("cut", "status"), [(EAST, 500), (WEST, 200), ("", 200)])
def test_a_platform_that_is_cut_off_has_no_majority(
    east: East, pair: Pair, cut: str, status: int
) -> None:
    put(east, "a", "1")
    pair.write_network(Network(cut=cut))
    assert put(east, "a", "2") == status
    assert int(east.tables._get_item({**TABLE, "Key": key("a")})[0]) == status
    pair.write_network(Network())
    assert get(east, "a") == ("1" if status == 500 else "2")


def test_transactions_are_refused(east: East) -> None:
    puts = [{"Put": {**TABLE, "Item": item("a", "1")}}]
    status, _, body = east.tables._transact_write_items({"TransactItems": puts})
    assert (status, "not supported" in json.loads(body)["message"]) == (400, True)


def test_a_table_with_strong_consistency_is_not_replicated(east: East) -> None:
    put(east, "a", "1")
    assert east.ask("POST", "replicas/reads", {"positions": {}})["tables"] == {}


def test_a_table_with_eventual_consistency_is_the_platforms_own(
    emulator: Any, patched: Any, pair: Pair
) -> None:
    with patched():
        made = East(emulator)
        strong_tables.apply(pair, EAST)
        put(made, "a", "1")
        assert get(made, "a") == "1"
    assert not pair.table("deals").exists()
