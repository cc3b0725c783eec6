"""Sizes that change while the simulation runs, scaling that also shrinks, and what is measured."""

from array import array
from dataclasses import replace
from random import Random

import pytest
import simpy

from zebros.simulation.measurements import Measurements, Metric, statistic
from zebros.simulation.parts import SCALE_IN_S, Function, Table, Throttled
from zebros.simulation.sizes import FunctionSize, TableSize, WorkerSize
from zebros.simulation.work import load_work
from zebros.simulation.workers import Workers

WORK = load_work()
SIZE = FunctionSize(memory=256, concurrency=2)
MINUTE = 60


def function(env: simpy.Environment, size: FunctionSize = SIZE) -> Function:
    return Function(env, size, start_s=0.9, warm_s=480)


def test_more_concurrency_admits_more_invocations() -> None:
    one = function(simpy.Environment())
    one.enter()
    one.enter()
    with pytest.raises(Throttled):
        one.enter()
    one.resize(concurrency=3)
    one.enter()
    assert (one.busy, one.limit, one.size.memory) == (3, 3, 256)


def test_other_memory_is_a_new_version_whose_environments_must_start() -> None:
    one = function(simpy.Environment())
    one.enter()
    one.leave()
    one.resize(memory=256)
    assert one.enter() == 0, "the same memory changes nothing"
    one.leave()
    one.resize(memory=1769)
    assert (one.enter(), one.slower) == (0.9, 1)


def test_used_memory_is_what_it_was_at_the_time() -> None:
    env = simpy.Environment()
    one = function(env)
    one.enter()
    env.run(until=10)
    one.resize(memory=1024)
    env.run(until=30)
    one.leave()
    assert one.gb_s == pytest.approx(10 * 0.25 + 20 * 1)


def test_what_is_ready_follows_its_use_within_its_range() -> None:
    one = function(simpy.Environment(), replace(SIZE, concurrency=20, ready=1, ready_most=4))
    for _ in range(2):
        one.enter()
    assert one.spillovers == 1
    readied = []
    for _ in range(4):
        one.end_minute()
        readied.append(one.ready)
    assert readied == [1, 1, 3, 3], "two of three are the target, after three minutes"
    for _ in range(8):
        one.enter()
    for _ in range(3):
        one.end_minute()
    assert one.ready == 4, "the most"
    one.resize(ready_most=6)
    one.end_minute()
    assert one.ready == 6
    for _ in range(10):
        one.leave()
    for _ in range(16):
        one.end_minute()
    assert one.ready == 1, "after a quarter of an hour without use"


def test_a_table_scales_to_its_new_maximum_and_back_after_an_hour() -> None:
    env = simpy.Environment()
    table = Table(env, TableSize((10, 20), 0), WORK, Random(1), ([0], 0))
    capacity = table.writes[0]

    def write() -> object:
        while env.now < 3600:
            table.write(4, 2)
            yield env.timeout(0.1)

    env.process(write())  # type: ignore[arg-type]
    env.run(until=1800)
    assert capacity.rate == 20
    assert table.throttled_writes > 0
    table.resize(50)
    env.run(until=3600)
    assert capacity.rate == 50
    env.run(until=3600 + SCALE_IN_S / 2)
    assert capacity.rate == 50
    env.run(until=3 * 3600)
    assert capacity.rate == 10


def test_a_table_on_demand_has_no_range_to_change() -> None:
    table = Table(simpy.Environment(), TableSize(None, 0), WORK, Random(1), ([0], 0))
    table.resize(50)
    assert table.size.range is None


def test_tasks_start_up_to_the_new_maximum_and_end_when_nothing_waits_for_an_hour() -> None:
    env = simpy.Environment()
    size = WorkerSize(least=1, most=1, processors=0.5, spot=0)
    workers = Workers(env, size, WORK, Random(1), lambda: 300.0)
    for _ in range(40):
        workers.send()
    env.run(until=900)
    assert (workers.running, workers.wanted) == (1, 1)
    workers.resize(3)
    env.run(until=1800)
    assert (workers.running, workers.wanted, workers.busy) == (3, 3, 3)
    assert workers.waiting > 20
    env.run(until=5 * 3600)
    assert (workers.running, workers.wanted, workers.waiting) == (1, 1, 0)
    assert len(workers.waits) == 40


def test_tasks_that_work_are_not_ended() -> None:
    env = simpy.Environment()
    size = WorkerSize(least=1, most=3, processors=0.5, spot=0)
    seconds = iter([300.0] * 3 + [4 * 3600.0] * 3)
    workers = Workers(env, size, WORK, Random(1), lambda: next(seconds))
    for _ in range(6):
        workers.send()
    env.run(until=3 * 3600)
    assert (workers.running, workers.busy, workers.wanted, workers.waiting) == (3, 3, 3, 0)


# --- measurements ---


@pytest.mark.parametrize(
    ("stat", "value"), [("Sum", 10), ("Maximum", 4), ("Average", 2.5), ("p50", 3), ("p95", 4)]
)
def test_a_statistic_is_cloudwatch_s(stat: str, value: float) -> None:
    assert statistic(array("f", [4, 1, 2, 3]), stat) == value
    assert statistic(array("f"), stat) is None


def test_a_minute_has_what_was_added_in_it() -> None:
    env = simpy.Environment()
    one, found = function(env), Measurements()
    for calls in (2, 0, 1):
        for _ in range(calls):
            one.enter()
        for _ in range(calls):
            one.leave()
        one.durations.extend([10.0] * calls)
        found.end_minute({"Api": one}, {}, None)
    assert found.minutes == 3
    assert list(found.values(Metric("Invocations", "Api"), 0, 3)) == [2, 1]
    assert found.statistic(Metric("ConcurrentExecutions", "Api"), "Maximum", 0, 1) == 2
    assert found.statistic(Metric("Invocations", "Api"), "Sum", 1, 2) is None
    assert list(found.values(Metric("Duration", "Api"), 0, 3)) == [10, 10, 10]
    assert found.statistic(Metric("Invocations", "Other"), "Sum", 0, 3) is None
