"""The replicator does what global tables do: it is what the tests of two regions stand on."""

import random
from collections.abc import Iterator
from typing import Any

import pytest
from moto import mock_aws

from tests.component.conftest import MOTO, isolate_requests
from tests.component.regions.replicator import Replica, Replicator
from tests.component.regions.world import EAST, WEST, create_replica


class Pair:
    """Two replicas with clocks of their own."""

    def __init__(self, seed: int = 1) -> None:
        self.time = {EAST: 100.0, WEST: 100.0}
        self.east, self.west = (
            Replica(name, "table", lambda name=name: self.time[name]) for name in (EAST, WEST)
        )
        self.replicator = Replicator(self.east, self.west, random.Random(seed))

    def write(self, replica: Replica, sk: str, value: str | None) -> None:
        """Write or delete an item a second later."""
        self.time = {name: time + 1 for name, time in self.time.items()}
        key = {"pk": {"S": "P"}, "sk": {"S": sk}}
        if value is None:
            replica.client.delete_item(TableName="table", Key=key)
        else:
            replica.client.put_item(TableName="table", Item={**key, "value": {"S": value}})
        self.replicator.take()

    def values(self, replica: Replica) -> dict[str, str]:
        return {sk: item["value"]["S"] for (_, sk), item in replica.all_items().items()}


@pytest.fixture
def pair(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pair]:
    isolate_requests(monkeypatch)
    with mock_aws(config={"core": MOTO}):
        for region in (EAST, WEST):
            create_replica(region, "table")
        yield Pair()


def test_a_write_arrives_only_when_it_is_delivered(pair: Pair) -> None:
    pair.write(pair.east, "A", "1")
    assert pair.values(pair.west) == {}
    pair.replicator.deliver()
    assert pair.values(pair.west) == {"A": "1"}
    pair.write(pair.east, "A", None)
    pair.replicator.deliver()
    assert pair.values(pair.west) == {}


def test_of_two_writes_the_later_one_wins_in_both_regions(pair: Pair) -> None:
    pair.write(pair.west, "A", "earlier")
    pair.write(pair.east, "A", "later")
    pair.replicator.deliver()
    assert pair.values(pair.east) == pair.values(pair.west) == {"A": "later"}
    assert pair.replicator.dropped == 1


def test_the_clock_of_the_region_decides_which_is_later(pair: Pair) -> None:
    pair.time[WEST] += 60
    pair.write(pair.west, "A", "earlier")
    pair.write(pair.east, "A", "later")
    pair.replicator.deliver()
    assert pair.values(pair.east) == pair.values(pair.west) == {"A": "earlier"}


def test_a_cut_keeps_everything_for_later(pair: Pair) -> None:
    pair.replicator.is_cut = True
    pair.write(pair.east, "A", "1")
    pair.replicator.deliver()
    assert (pair.values(pair.west), pair.replicator.under_way) == ({}, 1)
    pair.replicator.is_cut = False
    pair.replicator.deliver()
    assert (pair.values(pair.west), pair.replicator.under_way) == ({"A": "1"}, 0)


def test_a_transaction_arrives_in_parts_and_in_any_order(pair: Pair) -> None:
    seen = set()
    for number in range(12):
        puts: list[Any] = [
            {
                "Put": {
                    "TableName": "table",
                    "Item": {
                        "pk": {"S": "P"},
                        "sk": {"S": f"{number}-{part}"},
                        "value": {"S": "1"},
                    },
                }
            }
            for part in "ab"
        ]
        pair.east.client.transact_write_items(TransactItems=puts)
        pair.replicator.deliver(0.5)
        there = pair.values(pair.west)
        seen.add("".join(part for part in "ab" if f"{number}-{part}" in there))
    assert {"a", "b"} < seen
