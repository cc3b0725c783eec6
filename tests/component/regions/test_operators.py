"""What operators ask of two regions: refused in a sentence, continued, raced, cancelled."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from opportunities.events.opportunities import OpportunityFields
from opportunities.service.opportunities import Placement
from tests.component.regions.killing import stop_at
from tests.component.regions.world import EAST, FENCE, IN_FLIGHT_S, WEST, World
from zebros.cli import region as commands
from zebros.cli.app import main
from zebros.errors import BadInput, CliError
from zebros.regions.fences import KEY, MOVING, OPEN, Fence


def may_write(world: World) -> set[str]:
    """The regions of which any process may write now."""
    found = set()
    for site in world.sites.values():
        for process in site.processes:
            try:
                process.fence.check()
            except Exception:
                continue
            found.add(site.name)
    return found


@pytest.fixture
def run(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """Run a command on the regions of the world; returns its exit code and what it printed."""
    monkeypatch.setattr(commands, "region_of", lambda _connection, name: world.sites[name].region)
    monkeypatch.setattr(commands, "fences_of", lambda *_: world.fences())
    monkeypatch.setattr("zebros.regions.moves.time.sleep", world.sleep)
    moves = commands._moves
    monkeypatch.setattr(commands, "_moves", lambda *a: _in_world(world, moves(*a)))
    names = ("--primary", EAST, "--secondary", WEST)

    def call(command: str, *words: str) -> tuple[int, str]:
        code = main(["--stack", "zebros", "region", command, *names, *words])
        printed = capsys.readouterr()
        return code, " ".join((printed.out + printed.err).split())

    return call


def _in_world(world: World, moves: Any) -> Any:
    moves._pause, moves._monotonic = world.sleep, lambda: world.now
    return moves


# --- refused in a sentence, and nothing changes --------------------------------------------------


def test_a_failover_to_the_region_that_writes_is_refused(
    world: World, run: Callable[..., tuple[int, str]]
) -> None:
    code, printed = run("failover", "--to", EAST)
    assert (code, f"{EAST} is the region that writes already." in printed) == (65, True)
    assert world.fences().read() == Fence(0, OPEN, EAST)


def test_a_failback_before_a_failover_is_refused(run: Callable[..., tuple[int, str]]) -> None:
    code, printed = run("failback")
    assert (code, f"{EAST} is the region that writes already." in printed) == (65, True)


def test_an_unknown_region_is_refused(world: World, run: Callable[..., tuple[int, str]]) -> None:
    code, printed = run("failover", "--to", "us-east-9")
    assert code == 65
    assert f"There is no region us-east-9 in this system. There are {EAST} and {WEST}." in printed
    assert world.fences().read().epoch == 0


def test_two_equal_regions_are_refused(run: Callable[..., tuple[int, str]]) -> None:
    code, printed = run("status", "--secondary", EAST)
    assert (code, f"both are {EAST}." in printed) == (65, True)


@pytest.mark.parametrize(("epoch", "why"), [("1", "from the past"), ("7", "not known")])
def test_another_epoch_than_the_present_one_is_refused(
    world: World, run: Callable[..., tuple[int, str]], epoch: str, why: str
) -> None:
    world.moves().move(WEST, lost=False)
    world.moves().move(EAST, lost=False)
    code, printed = run("failover", "--epoch", epoch)
    assert (code, f"The fence epoch {epoch} is {why}: it is 2." in printed) == (65, True)
    assert world.fences().read().epoch == 2
    assert run("failover", "--epoch", "2")[0] == 0


def test_a_wait_shorter_than_a_permit_is_refused(run: Callable[..., tuple[int, str]]) -> None:
    code, printed = run("failover", "--wait", "49")
    assert (code, "50" in printed) == (2, True)


def test_a_damaged_record_is_named(world: World, run: Callable[..., tuple[int, str]]) -> None:
    world.witness.put_item(TableName=FENCE, Item={**KEY, "epoch": {"S": "x"}})
    code, printed = run("failover")
    assert (code, "The fence record is damaged, so no region writes." in printed) == (1, True)
    assert may_write(world) == set()


# --- steps --------------------------------------------------------------------------------------


def test_a_move_and_back_by_the_commands(world: World, run: Callable[..., tuple[int, str]]) -> None:
    code, printed = run("failover")
    assert code == 0
    steps = ("begin:", "stop:", "wait: 50 s", "replicate:", "open:", "relay:")
    places = [printed.index(step) for step in steps]
    assert places == sorted(places), "the steps in their order"
    assert f"{WEST} writes (epoch 1). No region wrote for" in printed
    assert may_write(world) == {WEST}
    assert [site.relay_enabled for site in world.sites.values()] == [False, True]
    assert run("failback")[0] == 0
    world.sleep(2)
    assert may_write(world) == {EAST}
    code, printed = run("status")
    assert f"Epoch 2: {EAST} writes." in printed
    assert "has no steps left" in printed


def test_the_status_is_json_too(world: World, run: Callable[..., tuple[int, str]]) -> None:
    world.moves().move(WEST, lost=False)
    code, printed = run("status", "--json")
    found = json.loads(printed)
    assert (code, found["writer"], found["relays"]) == (0, WEST, {EAST: 0, WEST: 1})


@pytest.mark.parametrize("step", ["begin", "stop", "wait", "replicate", "open", "relay"])
def test_a_command_that_was_killed_at_a_step_is_continued_by_the_same_one(
    world: World, step: str
) -> None:
    stop_at(world, step, WEST)
    fence = world.fences().read()
    assert not fence.finished
    world.sleep(5)
    assert may_write(world) <= ({WEST} if fence.state == OPEN else {EAST})
    refusal = "moving to us-west-2 already" if fence.state == MOVING else "steps left"
    with pytest.raises(BadInput, match=refusal):
        world.moves().move(EAST, lost=False)
    began = world.now
    outcome = world.moves().move(WEST, lost=False)
    assert (world.now - began >= 50) is (fence.state == MOVING)
    assert (outcome.fence.epoch, outcome.fence.finished) == (1, True)
    world.sleep(2)
    assert may_write(world) == {WEST}
    assert [site.relay_enabled for site in world.sites.values()] == [False, True]


def test_a_continued_move_waits_again_in_full(world: World) -> None:
    """Another machine does not know how long ago the move began."""

    stop_at(world, "wait", WEST)
    began = world.now
    world.moves().move(WEST, lost=False)
    assert world.now - began >= 50


def test_nobody_writes_between_the_beginning_and_the_opening(world: World) -> None:
    seen: dict[str, set[str]] = {}

    def progress(name: str, _text: str) -> None:
        seen[name] = may_write(world)

    world.moves(progress).move(WEST, lost=False)
    assert seen["begin"] <= {EAST}, "a permit of before may be valid"
    assert seen["replicate"] == set()


# --- several operators --------------------------------------------------------------------------


def test_of_two_operators_who_begin_at_once_one_wins(world: World) -> None:
    seen = world.fences().read()
    world.fences().begin(seen, WEST, "ann", lost=False)
    with pytest.raises(CliError, match=r"Somebody else has changed .* epoch 1, moving, .*by ann"):
        world.fences().begin(seen, WEST, "bob", lost=True)
    assert world.fences().read().operator == "ann"


def test_a_second_operator_may_continue_the_move_of_the_first(world: World) -> None:
    others: list[Any] = []

    def progress(name: str, _text: str) -> None:
        if name == "wait" and not others:
            others.append(None)
            others[0] = world.moves().move(WEST, lost=False)

    with pytest.raises(CliError, match="Somebody else has changed"):
        world.moves(progress).move(WEST, lost=False)
    assert world.fences().read() == others[0].fence
    world.sleep(2)
    assert may_write(world) == {WEST}


def test_an_opening_after_a_cancellation_is_refused(world: World) -> None:
    """The first operator waits, the second gives up, and the first goes on."""

    def progress(name: str, _text: str) -> None:
        if name == "wait":
            world.moves().cancel()

    with pytest.raises(CliError, match="Somebody else has changed"):
        world.moves(progress).move(WEST, lost=False)
    world.sleep(2)
    assert may_write(world) == {EAST}
    assert world.fences().read().epoch == 2


def test_the_record_is_read_consistently(world: World) -> None:
    asked: list[Any] = []
    world.witness.meta.events.register(
        "provide-client-params.dynamodb.GetItem", lambda params, **_: asked.append(params)
    )
    world.fences().read()
    assert [one["ConsistentRead"] for one in asked] == [True]


def test_a_lost_answer_to_a_change_of_the_record_is_no_lost_race(world: World) -> None:
    """botocore repeats the request, whose condition does not hold any more."""
    fences, put = world.fences(), world.witness.put_item

    class Twice:
        def put_item(self, **arguments: Any) -> Any:
            put(**arguments)
            return put(**arguments)

        def get_item(self, **arguments: Any) -> Any:
            return world.witness.get_item(**arguments)

    fences._dynamodb = Twice()
    fence = fences.begin(fences.read(), WEST, "ann", lost=False)
    assert world.fences().read() == fence


# --- cancelling, and a region that is lost -------------------------------------------------------


def test_a_cancelled_move_lets_the_region_before_write_again(
    world: World, run: Callable[..., tuple[int, str]]
) -> None:
    world.cut(EAST)
    world.sites[EAST].is_cut = False  # replication alone is cut: the move cannot end
    process = world.sites[EAST].processes[0]
    with world.writing(process):
        process.service.create(world.unit("acme"), OpportunityFields(name="Deal"), Placement())
    with pytest.raises(CliError, match="not in us-west-2 yet"):
        world.moves().move(WEST, lost=False)
    assert world.fences().read().state == MOVING
    code, printed = run("cancel")
    assert (code, printed) == (0, f"{EAST} writes again (epoch 2).")
    world.sleep(2)
    assert may_write(world) == {EAST}
    assert world.sites[EAST].relay_enabled


def test_a_move_that_has_not_begun_cannot_be_cancelled(
    run: Callable[..., tuple[int, str]],
) -> None:
    code, printed = run("cancel")
    assert (code, "No move has begun that could be cancelled" in printed) == (65, True)


def test_a_move_whose_source_is_lost_meanwhile_goes_on_without_it(world: World) -> None:
    def progress(name: str, _text: str) -> None:
        if name == "wait":
            world.cut(EAST)

    with pytest.raises(OSError, match="does not answer"):
        world.moves(progress).move(WEST, lost=False)
    outcome = world.moves().move(WEST, lost=True)
    assert (outcome.fence.epoch, outcome.fence.lost) == (1, True)
    with pytest.raises(BadInput, match="was lost, and may lack writes"):
        world.moves().move(EAST, lost=False)
    world.heal()
    assert world.moves().rejoin().at_stake == []
    assert world.moves().move(EAST, lost=False).fence.epoch == 2


def test_a_lost_move_is_not_continued_as_one_that_waits(world: World) -> None:
    world.cut(EAST)

    stop_at(world, "wait", WEST, lost=True)
    with pytest.raises(BadInput, match="does not wait for us-east-1, which was lost"):
        world.moves().move(WEST, lost=False)


def test_a_region_that_was_not_lost_is_not_taken_back(
    world: World, run: Callable[..., tuple[int, str]]
) -> None:
    world.moves().move(WEST, lost=False)
    code, printed = run("rejoin")
    assert (code, "No region was lost" in printed) == (65, True)


def test_the_writes_at_stake_are_printed_after_the_return(
    world: World, run: Callable[..., tuple[int, str]]
) -> None:
    tenant, process = "acme", world.sites[EAST].processes[0]
    with world.writing(process):
        fields = OpportunityFields(name="Deal")
        made = process.service.create(world.unit(tenant), fields, Placement()).id
    world.replicator.deliver()
    world.now += 1
    world.cut(EAST)
    update(world, EAST, tenant, made, "lost with the east")
    assert run("failover", "--lost")[0] == 0
    world.sleep(2)
    update(world, WEST, tenant, made, "written in the west")
    world.heal()
    code, printed = run("stakes", "--json")
    (one,) = json.loads(printed)
    assert (code, one["outcome"], one["subject"]) == (0, "lost", f"opportunity/{made}")
    assert one["event"]["data"]["current"]["name"] == "lost with the east"
    assert world.sites[EAST].relay_enabled, "nobody could stop it"
    code, printed = run("rejoin")
    assert code == 0
    assert f"opportunity/{made}" in printed
    assert [site.relay_enabled for site in world.sites.values()] == [False, True]
    assert not world.fences().read().lost


def test_a_cancelled_move_does_not_end_the_epochs_of_the_writer(world: World) -> None:
    fences = world.fences()
    fences.cancel(fences.begin(fences.read(), WEST, "ops", lost=False))
    assert world.moves().move(WEST, lost=False).fence.source_epochs == range(3)
    assert world.moves().move(EAST, lost=False).fence.source_epochs == range(3, 4)


def test_a_second_loss_lists_only_its_own_writes(world: World) -> None:
    tenant, process = "acme", world.sites[EAST].processes[0]
    with world.writing(process):
        fields = OpportunityFields(name="Deal")
        made = process.service.create(world.unit(tenant), fields, Placement()).id
    world.replicator.deliver()
    for number, writes in ((1, 4), (2, 1)):
        world.now += 6
        process.fence.check()
        world.cut(EAST)
        lost = [f"lost {number} {one}" for one in range(writes)]
        for name in lost:
            world.now += 1
            update(world, EAST, tenant, made, name)
        world.moves().move(WEST, lost=True)
        world.now += 2
        update(world, WEST, tenant, made, f"written in the west {number}")
        world.heal()
        world.sleep(5)
        stakes = world.moves().rejoin().at_stake
        assert [one.event["data"]["current"]["name"] for one in stakes] == lost
        assert {one.outcome for one in stakes} == {"lost"}
        world.moves().move(EAST, lost=False)


def update(world: World, region: str, tenant: str, record_id: str, name: str) -> None:
    """Change a record in a region."""
    process = world.sites[region].processes[0]
    unit = world.unit(tenant)
    with world.writing(process):
        process.service.update(unit, record_id, None, {"name": name})


def test_the_slowest_process_has_written_before_the_next_region_may(world: World) -> None:
    """Its clock is slower by a tenth, it is cut off with a new permit, and its request is slow."""
    process = world.sites[EAST].processes[0]
    process.rate = 0.9
    process.fence.check()
    world.cut(EAST)
    last = began = world.now

    def pause(seconds: float) -> None:
        nonlocal last
        until = world.now + seconds
        while world.now < until:
            world.now = min(until, world.now + 0.1)
            if EAST in may_write(world):
                last = world.now

    moves = world.moves()
    moves._pause = pause
    waited = moves.move(WEST, lost=True).seconds_without_writes
    assert waited is not None
    assert last - began > 16, "the test is hard enough"
    assert last - began + IN_FLIGHT_S < waited


@pytest.mark.parametrize("arrived", ["EVENT#", "STATE"])
def test_what_arrived_in_part_is_complete_when_the_move_ends(world: World, arrived: str) -> None:
    process = world.sites[EAST].processes[0]
    with world.writing(process):
        fields = OpportunityFields(name="Deal", external_ids={"erp": "1"})
        made = process.service.create(world.unit("acme"), fields, Placement())
    world.replicator.take()
    for under_way in world.replicator.ways.values():
        under_way[:] = [one for one in under_way if one.key[1].startswith(arrived)]
    world.replicator.deliver()
    world.cut(EAST)
    moves = world.moves()

    def pause(seconds: float) -> None:
        """Every process is refused just before it may write."""
        world.sleep(seconds)
        may_write(world)

    moves._pause = pause
    outcome = moves.move(WEST, lost=True)
    counts = {"EVENT#": ("advanced", 2), "STATE": ("events", 2)}  # it and its pipeline
    name, count = counts[arrived]
    assert (outcome.completed[name], outcome.failed) == (count, [])
    west = world.sites[WEST].processes[0].service
    assert west.find_by_external_id(world.unit("acme").request, "erp:1").items == [made]
