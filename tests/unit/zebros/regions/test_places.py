"""Which region a local platform is: its parameters, and starts that make no sense."""

from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from zebros.cli.app import main
from zebros.errors import BadInput
from zebros.local import regions
from zebros.local.home import Home
from zebros.local.parts import worker_variables
from zebros.local.regions import ONE, PRIMARY, SECONDARY, Place, place_of
from zebros.regions.fences import MOVING, OPEN, Fence
from zebros.regions.pair import Network, Pair

EAST, WEST = "us-east-1", "us-west-2"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "west")


@pytest.fixture
def primary(tmp_path: Path) -> Home:
    """A primary that was started."""
    made = Home(tmp_path / "east")
    made.write_state({**place_of(made, WEST, None, None).state(), "endpoint": "http://east"})
    return made


def test_a_platform_is_the_only_region_by_default(home: Home) -> None:
    assert place_of(home, None, None, "growth") == Place()
    assert Place().parameters({}) == {}
    assert Place().role == ONE


def test_a_primary_has_replicas_and_a_fence(primary: Home) -> None:
    place = place_of(primary, None, None, None)
    assert (place.role, place.region, place.second) == (PRIMARY, EAST, WEST)
    assert place.parameters({}) == {
        "Phase": "enterprise",
        "ReplicaRegion": WEST,
        "WitnessRegion": "us-east-2",
    }


def test_a_secondary_uses_the_replicas_and_the_same_fence(home: Home, primary: Home) -> None:
    place = place_of(home, None, str(primary.path), None)
    assert (place.role, place.region, place.pair) == (SECONDARY, WEST, Pair(primary.pair))
    assert place.parameters({"DealsTable": "arn:stream"}) == {
        "Phase": "enterprise",
        "RegionRole": "secondary",
        "WitnessRegion": "us-east-2",
        "DealsStreamArn": "arn:stream",
    }
    home.write_state(place.state())
    assert place_of(home, None, None, None) == place, "a later start needs no option"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((WEST, "east", None), "primary (--second-region) or the other"),
        ((EAST, None, None), f"{EAST} is its own region."),
        (("us-east-2", None, None), "us-east-2 is the region of the witness."),
        ((WEST, None, "growth"), "is of phase enterprise, not growth."),
        ((None, "nowhere", None), "has no second region."),
    ],
)
def test_a_start_that_makes_no_sense_is_refused(
    home: Home, options: tuple[Any, ...], message: str
) -> None:
    with pytest.raises(BadInput) as refused:
        place_of(home, *options)
    assert message in refused.value.message


def test_a_platform_stays_what_it_was(home: Home, primary: Home) -> None:
    with pytest.raises(BadInput, match=f"is {WEST} already"):
        place_of(primary, "eu-west-1", None, None)
    with pytest.raises(BadInput, match="another one than the secondary"):
        place_of(primary, None, str(primary.path), None)
    home.write_state(place_of(home, None, str(primary.path), None).state())
    home.write_state({**home.state(), "role": SECONDARY})
    with pytest.raises(BadInput, match="another one than the secondary"):
        place_of(home, None, str(home.path), None)


def test_the_worker_of_two_regions_asks_the_fence() -> None:
    state: dict[str, Any] = dict.fromkeys(
        ("bus", "lake_bucket", "files_bucket", "task_queue", "state_machine", "endpoint", "region")
    )
    found = worker_variables({**state, "tables": {}, "functions": {}, "role": SECONDARY})
    assert (found["FENCE_TABLE_NAME"], found["REGION_ROLE"]) == ("zebros-fence", "secondary")
    one = worker_variables({**state, "tables": {}, "functions": {}, "role": ONE})
    assert "FENCE_TABLE_NAME" not in one


class Table:
    """The fence table, as a region reaches it."""

    def __init__(self, fence: Fence | None) -> None:
        self.fence = fence

    def get_item(self, **_: Any) -> dict[str, Any]:
        if self.fence is None:
            raise ClientError({"Error": {"Code": "InternalServerError"}}, "GetItem")
        return {"Item": self.fence.item()}


@pytest.mark.parametrize(
    ("fence", "writes"),
    [
        (Fence(1, OPEN, WEST), True),
        (Fence(1, OPEN, EAST), False),
        (Fence(1, MOVING, WEST), False),
        (None, False),
    ],
)
def test_only_the_region_that_the_fence_names_writes_at_its_start(
    fence: Fence | None, writes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(regions, "platform_client", lambda *_: Table(fence))
    assert Place(SECONDARY, WEST, WEST).writes("http://west") is writes
    assert Place().writes("http://east")


@pytest.mark.parametrize("delays", [(2.0, 1.0), (-1.0, 1.0), (0.0, float("nan")), (0.0, 3601.0)])
def test_wrong_delays_are_refused(delays: tuple[float, float]) -> None:
    with pytest.raises(BadInput):
        Network(*delays)


@pytest.fixture
def pair(home: Home, primary: Home) -> Pair:
    """Two platforms that know each other."""
    place = place_of(home, None, str(primary.path), None)
    assert place.pair is not None
    home.write_state({**place.state(), "endpoint": "http://west"})
    place.pair.write_homes({EAST: primary.path, WEST: home.path})
    return place.pair


def run(home: Home, *words: str) -> int:
    return main(["--home", str(home.path), "region", *words])


def test_the_network_between_two_platforms_is_changed_and_shown(
    pair: Pair, home: Home, primary: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    pair.write_under_way({EAST: 3, WEST: 0})
    assert run(home, "network", "--delay", "1", "2", "--seed", "5") == 0
    assert run(primary, "network", "--cut", EAST) == 0
    assert pair.network() == Network(1.0, 2.0, 5, EAST)
    printed = capsys.readouterr().out
    assert f"after 1 to 2 s; {EAST} is cut off." in printed
    assert "3" in printed
    assert run(home, "network", "--delay", "0", "1") == 0
    assert pair.network() == Network(0.0, 1.0, 5, EAST), "a region stays cut off"
    assert run(home, "network", "--heal") == 0
    assert pair.network() == Network(0.0, 1.0, 5, "")


@pytest.mark.parametrize(
    "words",
    [
        ("network", "--cut", "eu-west-1"),
        ("network", "--cut", EAST, "--heal"),
        ("network", "--delay", "2", "1"),
        ("failover", "--to", WEST, "--primary", "eu-west-1"),
        ("status", "--primary", WEST),
    ],
)
def test_a_wrong_region_or_delay_is_refused_and_nothing_changes(
    pair: Pair, home: Home, words: tuple[str, ...]
) -> None:
    assert run(home, *words) == 65
    assert pair.network() == Network()


def test_a_platform_of_one_region_has_no_moves(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(home, "status") == 65
    assert "has no second region" in " ".join(capsys.readouterr().err.split())


def test_in_aws_both_regions_are_named(
    home: Home, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ZEBROS_PRIMARY", raising=False)
    assert main(["--stack", "zebros", "region", "status", "--secondary", WEST]) == 65
    assert "The primary region is not named." in " ".join(capsys.readouterr().err.split())
