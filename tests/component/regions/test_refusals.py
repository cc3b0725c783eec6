"""A move of writes that is refused changes nothing, and its refusal is an event, published once."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from scaling.events import MoveRefusal
from tests.component.regions.killing import stop_at
from tests.component.regions.world import EAST, OPERATOR, TABLE, WEST, World
from zebros.regions.moves import MoveRefused


def nothing(_world: World) -> None:
    """Nothing has happened before."""


def there_and_back(world: World) -> None:
    """Writes have moved to the west and back: the epoch is 2."""
    world.moves().move(WEST, lost=False)
    world.moves().move(EAST, lost=False)


def to_the_west(world: World) -> None:
    """Writes have moved to the west: the epoch is 1."""
    world.moves().move(WEST, lost=False)


def stopped_behind_the_opening(world: World) -> None:
    """The move to the west has steps left."""
    stop_at(world, "relay", WEST)


def east_lost(world: World) -> None:
    """The east was lost."""
    world.cut(EAST)
    world.moves().move(WEST, lost=True)
    world.heal()


def stopped_without_the_east(world: World) -> None:
    """The move to the west does not wait for the east, and has steps left."""
    world.cut(EAST)
    stop_at(world, "relay", WEST, lost=True)
    world.heal()


Case = tuple[Callable[[World], None], str, int | None, str, MoveRefusal, str]
CASES: dict[str, Case] = {
    "to the region that writes": (
        *(nothing, EAST, None, EAST, MoveRefusal.WRITES_ALREADY),
        "us-east-1 is the region that writes already.",
    ),
    "to the secondary that writes": (
        *(to_the_west, WEST, None, WEST, MoveRefusal.WRITES_ALREADY),
        "us-west-2 is the region that writes already.",
    ),
    "an epoch from the past": (
        *(there_and_back, WEST, 1, EAST, MoveRefusal.PAST_EPOCH),
        "The fence epoch 1 is from the past: it is 2.",
    ),
    "an unknown epoch": (
        *(there_and_back, WEST, 7, EAST, MoveRefusal.UNKNOWN_EPOCH),
        "The fence epoch 7 is not known: it is 2.",
    ),
    "a move with steps left": (
        *(stopped_behind_the_opening, EAST, None, WEST, MoveRefusal.STEPS_LEFT),
        "The move to us-west-2 has steps left.",
    ),
    "to a region that was lost": (
        *(east_lost, EAST, None, WEST, MoveRefusal.LOST_REGION),
        "us-east-1 was lost, and may lack writes of us-west-2.",
    ),
    "from a region that was lost": (
        *(stopped_without_the_east, WEST, None, WEST, MoveRefusal.LOST_REGION),
        "The move to us-west-2 does not wait for us-east-1, which was lost.",
    ),
}


def items(world: World, region: str) -> dict[tuple[str, str], Any]:
    """Everything in a region's table."""
    found = world.sites[region].replica.client.scan(TableName=TABLE)["Items"]
    return {(one["pk"]["S"], one["sk"]["S"]): one for one in found}


@pytest.mark.parametrize("name", CASES)
def test_a_refused_move_changes_nothing_and_is_an_event(world: World, name: str) -> None:
    before, target, epoch, writer, reason, sentence = CASES[name]
    before(world)
    world.sleep(2)  # processes learn which region writes
    fence, stored = world.fences().read(), items(world, writer)
    relays = [site.relay_enabled for site in world.sites.values()]
    steps: list[tuple[str, str]] = []
    with pytest.raises(MoveRefused) as refused:
        world.moves(lambda *step: steps.append(step)).move(target, lost=False, epoch=epoch)
    assert refused.value.message == sentence
    assert steps == [("event", f"{writer} publishes RegionMoveRefused")]
    assert world.fences().read() == fence
    assert [site.relay_enabled for site in world.sites.values()] == relays
    (added,) = items(world, writer).keys() - stored.keys()
    assert added[1] == "EVENT#000000000001", "an outbox entry, and nothing else"
    world.sites[writer].relay_enabled = True
    for _ in range(3):
        world.sites[writer].relay()
    (event,) = [json.loads(one) for one in world.published]
    current = event["data"]["current"]
    assert event["type"] == "RegionMoveRefused"
    assert (event["tenantid"], event["subject"]) == (OPERATOR, f"region_move/{current['id']}")
    assert event["correlationid"] == current["id"]
    assert {one: current.get(one) for one in NAMED} == {
        "operator": "ops",
        "target": target,
        "writer": writer,
        "epoch": epoch,
        "current_epoch": fence.epoch,
        "reason": reason,
        "because": sentence,
    }


NAMED = ("operator", "target", "writer", "epoch", "current_epoch", "reason", "because")


def test_every_reason_is_tried() -> None:
    assert {case[4] for case in CASES.values()} == set(MoveRefusal)


def test_each_refusal_is_an_event_of_its_own(world: World) -> None:
    for _ in range(2):
        with pytest.raises(MoveRefused):
            world.moves().move(EAST, lost=False)
    world.sites[EAST].relay()
    events = [json.loads(one) for one in world.published]
    assert len({one["subject"] for one in events}) == len(events) == 2


@pytest.mark.parametrize("epoch", [None, 0])
def test_while_writes_move_no_region_publishes_and_the_command_says_so(
    world: World, epoch: int | None
) -> None:
    stop_at(world, "wait", WEST)
    steps: list[tuple[str, str]] = []
    fence = world.fences().read()
    with pytest.raises(MoveRefused, match=r"already, by ops|from the past"):
        world.moves(lambda *step: steps.append(step)).move(EAST, lost=False, epoch=epoch)
    warning = "warning: none is published of the refusal: no region writes at the moment"
    assert steps == [("event", warning)]
    assert world.fences().read() == fence
    assert items(world, EAST) == items(world, WEST) == {}


def test_a_refusal_that_cannot_be_published_is_refused_all_the_same(world: World) -> None:
    world.sites[EAST].is_cut = True
    steps: list[tuple[str, str]] = []
    with pytest.raises(MoveRefused, match="writes already") as refused:
        world.moves(lambda *step: steps.append(step)).move(EAST, lost=False)
    assert refused.value.exit_code == 65
    assert steps == [
        ("event", "warning: none is published of the refusal: us-east-1 does not answer")
    ]


def test_a_refusal_where_another_region_writes_than_those_that_were_named(world: World) -> None:
    to_the_west(world)
    steps: list[tuple[str, str]] = []
    moves = world.moves(lambda *step: steps.append(step))
    moves._regions = {EAST: world.sites[EAST].region, "us-east-9": world.sites[WEST].region}
    with pytest.raises(MoveRefused, match="from the past"):
        moves.move(EAST, lost=False, epoch=0)
    (warning,) = [text for name, text in steps if name == "event"]
    assert warning.endswith("of the refusal: There is no region us-west-2 in this system.")
    assert items(world, WEST) == {}


def test_an_event_of_a_refusal_that_has_not_arrived_is_a_write_at_stake(world: World) -> None:
    """It is written like every other event, so the loss of its region is not silent."""
    world.sleep(2)
    world.sites[EAST].relay_enabled = False
    world.cut(EAST)
    world.sites[EAST].is_cut = False  # replication alone is cut
    with pytest.raises(MoveRefused):
        world.moves().move(EAST, lost=False)
    world.sites[EAST].is_cut = True
    world.moves().move(WEST, lost=True)
    world.sites[EAST].is_cut = False
    (one,) = world.moves().at_stake()
    assert (one.outcome, one.type) == ("pending", "RegionMoveRefused")
    world.heal()
    assert world.moves().rejoin().at_stake == []
    world.settle()
    assert len(world.published) == 1, "the region that writes now has published it"
