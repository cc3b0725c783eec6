"""Moves of writes between two regions under traffic: nothing written twice, nothing lost unseen."""

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from moto import mock_aws

from tests.component.conftest import MOTO, isolate_requests
from tests.component.regions.killing import Crash
from tests.component.regions.verdict import judge
from tests.component.regions.world import EAST, WEST, World
from zebros.regions.replication import WriteAtStake


@pytest.fixture
def world_of(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], World]]:
    isolate_requests(monkeypatch)
    with mock_aws(config={"core": MOTO}):
        yield lambda seed: World(seed, monkeypatch)


def drive(world: World, target: str, *, lost: bool, crashes: int = 1) -> Any:
    """Move writes; the command is killed at some steps and run again, by another operator."""
    left = [crashes]

    def progress(_step: str, _text: str) -> None:
        if left[0] and world.rng.random() < 0.3:
            left[0] -= 1
            raise Crash

    while True:
        try:
            return world.moves(progress).move(target, lost=lost)
        except Crash:
            world.sleep(world.rng.uniform(0, 30))


ROUNDS = int(os.environ.get("REGION_ROUNDS", "2"))
"""Rounds of each of the two tests with a seed; a round takes some 10 s."""


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_a_move_and_back_that_waits_for_the_source_loses_nothing(
    world_of: Callable[[int], World], seed: int, record_property: Callable[[str, str], None]
) -> None:
    world = world_of(seed)
    world.sleep(60)
    drive(world, WEST, lost=False)
    world.sleep(60)
    drive(world, EAST, lost=False)
    world.sleep(30)
    world.settle()
    verdict = judge(world)
    assert verdict.lost == []
    assert {one.region for one in world.acknowledged} == {EAST, WEST}
    record_property("figure", f"move {seed}: {verdict}")


@pytest.mark.parametrize("seed", range(1000, 1000 + ROUNDS))
def test_after_the_loss_of_the_primary_the_writes_at_stake_are_listed_exactly(
    world_of: Callable[[int], World], seed: int, record_property: Callable[[str, str], None]
) -> None:
    world = world_of(seed)
    world.sleep(world.rng.uniform(20, 80))
    world.cut(EAST)
    world.sleep(world.rng.uniform(0, 40))
    failover = drive(world, WEST, lost=True)
    world.sleep(60)
    world.heal()
    world.sleep(20)
    rejoined = world.moves().rejoin()
    world.sleep(20)
    drive(world, EAST, lost=False)
    world.sleep(20)
    world.settle()
    verdict = judge(world)
    assert world.errors == [], "what arrived in part refuses nobody"
    assert {one.outcome for one in rejoined.at_stake} <= {"lost"}
    assert {(one.key, one.version) for one in verdict.lost} == {
        (key_of(one), one.event["data"]["current"]["version"]) for one in rejoined.at_stake
    }
    completed = {n: failover.completed[n] + rejoined.completed[n] for n in failover.completed}
    record_property("figure", f"loss {seed}: {verdict}, {completed}")


def key_of(write: WriteAtStake) -> str:
    """The partition key of the record of a write."""
    kind, _, record_id = write.subject.partition("/")
    return f"TENANT#{write.tenant}#{kind.upper()}#{record_id}"
