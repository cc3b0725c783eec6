"""Cache-aside reads: what is served, for how long, and who loads."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.cache.port import NoCache
from kernel.cache.reading import MAX_VALUE_BYTES, CachedReads, Entry
from tests.unit.kernel.cache.memory import Clock, MemoryCache

KEY = "zebros:acme:thing:v2:x"


def to_json(value: Any) -> bytes:
    return json.dumps(value).encode()


def entry(version: int = 2, seconds: int = 10, *, shared_load: bool = True) -> Entry[Any]:
    return Entry("thing", version, seconds, to_json, json.loads, shared_load)


class World:
    """Reads through a cache in memory of a source whose value can change."""

    def __init__(self, chance: float = 0.0) -> None:
        self.clock, self.chance = Clock(), chance
        self.cache = MemoryCache(self.clock)
        self.slept: list[float] = []
        self.while_waiting: Any = lambda: None
        self.reads = CachedReads(self.cache, self.clock, lambda: self.chance, self._sleep)
        self.source: Any = "first"
        self.loads = 0
        self.loading_s = 0.0

    def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.clock.pass_(seconds)
        self.while_waiting()

    def load(self) -> Any:
        self.loads += 1
        value = self.source
        self.clock.pass_(self.loading_s)
        if isinstance(value, Exception):
            raise value
        return value

    def read(self, one: Entry[Any] | None = None, tenant: str = "acme") -> Any:
        return self.reads.get_or_load(one or entry(), tenant, ("x",), self.load)


@pytest.fixture
def world() -> World:
    return World()


def test_a_value_is_loaded_once_and_then_served(world: World) -> None:
    assert [world.read() for _ in range(5)] == ["first"] * 5
    assert world.loads == 1
    assert (world.reads.hits["thing"], world.reads.misses["thing"]) == (4, 1)


def test_a_value_is_served_for_at_most_its_seconds(world: World) -> None:
    world.read()
    world.source = "second"
    world.clock.pass_(9.9)
    assert world.read() == "first"
    world.clock.pass_(0.1)
    assert world.read() == "second"


def test_the_time_of_loading_counts(world: World) -> None:
    world.loading_s = 4
    world.read()
    world.source, world.loading_s = "second", 0
    world.clock.pass_(6)
    assert world.read() == "second", "ten seconds after loading began"


def test_a_value_that_took_longer_to_load_than_it_lives_is_not_stored(world: World) -> None:
    world.loading_s = 10
    world.read()
    assert KEY not in world.cache.stored


@given(chance=st.floats(0, 1, exclude_max=True), wait=st.floats(0, 20), loading=st.floats(0, 12))
def test_no_value_is_older_than_promised(chance: float, wait: float, loading: float) -> None:
    world = World(chance)
    world.loading_s = loading
    began = world.clock()
    world.read()
    world.source, world.loading_s = "second", 0
    world.clock.pass_(wait)
    if world.read() == "first":
        assert world.clock() - began < 10


def test_values_live_up_to_a_fifth_shorter_at_random() -> None:
    world = World(chance=0.5)
    world.read()
    (_, until) = world.cache.stored[KEY]
    assert until - world.clock() == pytest.approx(9.0)


def test_an_expensive_value_is_loaded_again_before_it_expires() -> None:
    world = World(chance=0.0)
    world.loading_s = 1
    world.read()
    world.clock.pass_(8)
    world.chance = 0.5  # 1 s * -ln(0.5): 0.7 s before the end
    assert world.loads == 1
    world.read()
    assert world.loads == 1
    world.clock.pass_(0.5)
    world.read()
    assert world.loads == 2


def test_while_one_caller_loads_the_others_wait_for_its_value(world: World) -> None:
    world.cache.claim(f"{KEY}:lease", 500)

    def stored_by_the_other() -> None:
        if len(world.slept) == 2:
            head = json.dumps([KEY, world.clock() + 5, 0.0])
            world.cache.put(KEY, f'{head}\n"theirs"'.encode(), 5000)

    world.while_waiting = stored_by_the_other
    assert world.read() == "theirs"
    assert world.loads == 0
    assert sum(world.slept) < 0.05


def test_nobody_waits_longer_than_seventy_milliseconds(world: World) -> None:
    world.cache.claim(f"{KEY}:lease", 500)
    assert world.read() == "first"
    assert sum(world.slept) == pytest.approx(0.07)


def test_a_value_that_is_cheap_to_load_is_not_waited_for(world: World) -> None:
    world.cache.claim(f"{KEY}:lease", 500)
    assert world.read(entry(shared_load=False)) == "first"
    assert world.slept == []


def test_a_failed_load_is_not_cached_and_lets_the_next_caller_load(world: World) -> None:
    world.source = LookupError()
    with pytest.raises(LookupError):
        world.read()
    world.source = "second"
    assert world.read() == "second"
    assert world.slept == []


def test_a_value_of_another_version_is_not_read(world: World) -> None:
    world.read(entry(version=1))
    world.source = "second"
    assert world.read(entry(version=2)) == "second"


def test_a_tenant_never_gets_another_tenant_s_value(world: World) -> None:
    world.read()
    # Whatever mixes up values: another tenant's, under this tenant's key.
    world.cache.stored["zebros:globex:thing:v2:x"] = world.cache.stored[KEY]
    world.source = "globex"
    assert world.read(tenant="globex") == "globex"


@pytest.mark.parametrize(
    "stored",
    [
        b"",
        b"\xff\xfe",
        b"first",
        b'{"value": 1}',
        b'["other key", 9999999, 0]\n"x"',
        f'["{KEY}", 1000005]\n"x"'.encode(),
        f'["{KEY}", "soon", 0]\n"x"'.encode(),
        f'["{KEY}", 1000005, 0]\nx'.encode(),
        f'["{KEY}", 1000005, 0]'.encode(),
        f'["{KEY}", 999999, 0]\n"expired"'.encode(),
        f'["{KEY}", 1000011, 0]\n"lives longer than its kind"'.encode(),
        f'["{KEY}", 1000005, 0]\n"{"x" * (3 * MAX_VALUE_BYTES)}"'.encode(),
    ],
)
def test_a_stored_value_in_another_form_is_replaced(world: World, stored: bytes) -> None:
    world.cache.put(KEY, stored, 60_000)
    assert world.read() == "first"
    assert world.read() == "first"
    assert world.loads == 1


def test_a_large_value_is_not_stored(world: World) -> None:
    world.source = "x" * MAX_VALUE_BYTES
    assert world.read() == world.source
    assert KEY not in world.cache.stored
    world.source = "x" * (MAX_VALUE_BYTES - 2)
    world.clock.pass_(1)
    world.read()
    assert KEY in world.cache.stored


def test_a_removed_value_is_loaded_again(world: World) -> None:
    world.read()
    world.source = "second"
    world.reads.forget(entry(), "acme", ("x",))
    assert world.read() == "second"


def test_without_a_cache_every_read_loads() -> None:
    world = World()
    reads = CachedReads(NoCache())
    for _ in range(2):
        reads.get_or_load(entry(), "acme", ("x",), world.load)
    assert world.loads == 2
    assert not reads.misses, "a deployment without a cache has no misses"
