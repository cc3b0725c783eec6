"""The replicator between two platforms: delays, order, cuts, restarts."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from zebros.local.home import Home
from zebros.local.replicator import Replicator
from zebros.regions.pair import Network, Pair

EAST, WEST = "us-east-1", "us-west-2"


class Platform:
    """A platform as the replicator sees it."""

    def __init__(self) -> None:
        self.stream: list[Any] = []
        self.stored: list[tuple[str, Any]] = []
        self.process, self.answers = 1, True

    def write(self, sk: str, value: str) -> None:
        self.stream.append([{"pk": {"S": "P"}, "sk": {"S": sk}}, value, float(len(self.stream))])

    def read(self, positions: dict[str, int]) -> dict[str, Any]:
        start = positions.get("deals", 0)
        table = {"position": len(self.stream), "changes": self.stream[start:]}
        return {"process": self.process, "tables": {"deals": table}}


class Two:
    """Two platforms, a replicator, and its clock."""

    def __init__(self, folder: Path) -> None:
        self.now, self.pair = 0.0, Pair(folder / "pair")
        self.platforms = {"east": Platform(), "west": Platform()}
        homes = {EAST: folder / "east", WEST: folder / "west"}
        self.pair.write_homes(homes)
        for name, home in zip(self.platforms, homes.values(), strict=True):
            Home(home).write_state({"endpoint": f"http://{name}"})
        transport = httpx.MockTransport(self._answer)
        http = httpx.Client(transport=transport)
        self.replicator = Replicator(self.pair, http, clock=lambda: self.now)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        platform, body = self.platforms[request.url.host], json.loads(request.content)
        if not platform.answers:
            raise httpx.ConnectError("refused")
        if request.url.path.endswith("/reads"):
            return httpx.Response(200, json=platform.read(body["positions"]))
        assert request.url.params["table"] == "deals"
        platform.stored += [(body["region"], value) for _, value, _ in body["changes"]]
        return httpx.Response(200, json={})

    def pass_time(self, seconds: float, step: float = 0.1) -> None:
        until = self.now + seconds
        while self.now < until:
            self.replicator.step()
            self.now += step

    @property
    def west(self) -> Platform:
        return self.platforms["west"]

    @property
    def east(self) -> Platform:
        return self.platforms["east"]


@pytest.fixture
def two(tmp_path: Path) -> Two:
    return Two(tmp_path)


def test_both_ways_are_replicated(two: Two) -> None:
    two.east.write("a", "1")
    two.west.write("b", "2")
    two.pass_time(1)
    assert (two.west.stored, two.east.stored) == ([(EAST, "1")], [(WEST, "2")])
    assert two.pair.under_way() == {EAST: 0, WEST: 0}


def test_an_item_arrives_after_its_delay_and_once(two: Two) -> None:
    two.pair.write_network(Network(2.0, 3.0))
    two.east.write("a", "1")
    two.pass_time(1.9)
    assert two.west.stored == []
    assert two.pair.under_way()[EAST] == 1
    two.pass_time(4)
    assert two.west.stored == [(EAST, "1")]


def test_items_arrive_in_any_order_and_the_writes_to_one_item_in_theirs(two: Two) -> None:
    two.pair.write_network(Network(0.0, 5.0, seed=4))
    for number in range(20):
        two.east.write(f"item-{number}", f"item-{number}")
        two.east.write("same", f"same-{number:02d}")
    two.pass_time(120)
    values = [value for _, value in two.west.stored]
    items, same = ([one for one in values if one.startswith(kind)] for kind in ("item", "same"))
    assert items != [f"item-{number}" for number in range(20)]
    assert sorted(items) == sorted(f"item-{number}" for number in range(20))
    assert same == [f"same-{number:02d}" for number in range(20)]


def test_the_seed_decides_the_order(tmp_path: Path) -> None:
    orders = []
    for folder, seed in (("a", 1), ("b", 1), ("c", 2)):
        two = Two(tmp_path / folder)
        two.pair.write_network(Network(0.0, 5.0, seed=seed))
        for number in range(10):
            two.east.write(f"item-{number}", f"item-{number}")
        two.pass_time(10)
        orders.append(two.west.stored)
    assert orders[0] == orders[1] != orders[2]


@pytest.mark.parametrize("cut", [EAST, WEST])
def test_a_cut_keeps_everything_for_later(two: Two, cut: str) -> None:
    two.pair.write_network(Network(cut=cut))
    two.east.write("a", "1")
    two.west.write("b", "2")
    two.pass_time(2)
    assert (two.west.stored, two.east.stored) == ([], [])
    two.pair.write_network(Network())
    two.pass_time(2)
    assert (two.west.stored, two.east.stored) == ([(EAST, "1")], [(WEST, "2")])


def test_what_is_under_way_when_the_regions_are_cut_waits(two: Two) -> None:
    two.pair.write_network(Network(1.0, 1.0))
    two.east.write("a", "1")
    two.pass_time(0.5)
    two.pair.write_network(Network(1.0, 1.0, cut=EAST))
    two.pass_time(3)
    assert two.west.stored == []
    two.pair.write_network(Network(1.0, 1.0))
    two.pass_time(1)
    assert two.west.stored == [(EAST, "1")]


def test_a_region_that_does_not_answer_gets_everything_later(two: Two) -> None:
    two.west.answers = False
    two.east.write("a", "1")
    two.pass_time(2)
    two.west.answers = True
    two.pass_time(2)
    assert two.west.stored == [(EAST, "1")]


def test_the_stream_of_a_platform_that_was_started_again_is_read_from_the_beginning(
    two: Two,
) -> None:
    two.east.write("a", "1")
    two.pass_time(2)
    two.east.process = 2
    two.east.write("b", "2")
    two.pass_time(2)
    assert sorted(two.west.stored) == [(EAST, "1"), (EAST, "1"), (EAST, "2")]
