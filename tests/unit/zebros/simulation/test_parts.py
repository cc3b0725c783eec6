"""The parts of the simulation, against formulas of queueing theory and AWS's rules."""

from collections.abc import Callable
from dataclasses import replace
from math import factorial
from random import Random

import pytest
import simpy

from zebros.simulation.parts import (
    Capacity,
    Consumer,
    Durations,
    Function,
    Steps,
    Table,
    Throttled,
    growing,
    percentile,
    scaled,
)
from zebros.simulation.sizes import FunctionSize, TableSize, WorkerSize
from zebros.simulation.work import load_work
from zebros.simulation.workers import Workers

WORK = load_work()
SIZE = FunctionSize(memory=256, concurrency=5)


def arrivals(env: simpy.Environment, rate: float, make: Callable[[], Steps], seed: int) -> Steps:
    random = Random(seed)
    while True:
        yield env.timeout(random.expovariate(rate))
        env.process(make())


def erlang_b(servers: int, load: float) -> float:
    """The share that is refused where nobody waits (Erlang's first formula)."""
    terms = [load**n / factorial(n) for n in range(servers + 1)]
    return terms[-1] / sum(terms)


def erlang_c(servers: int, load: float) -> float:
    """The share that has to wait (Erlang's second formula)."""
    last = load**servers / factorial(servers) * servers / (servers - load)
    return last / (sum(load**n / factorial(n) for n in range(servers)) + last)


@pytest.mark.parametrize("spread", [0.0, 0.5])
def test_refused_invocations_are_those_of_erlang_s_formula(spread: float) -> None:
    env, refused = simpy.Environment(), 0
    function = Function(env, SIZE, start_s=0, warm_s=60)
    durations = Durations(Random(3), spread)

    def call() -> Steps:
        nonlocal refused
        try:
            function.enter()
        except Throttled:
            refused += 1
            return
        yield env.timeout(durations.around(0.1))
        function.leave()

    env.process(arrivals(env, 40, call, seed=2))
    env.run(until=800)
    share = refused / (refused + function.calls)
    assert share == pytest.approx(erlang_b(5, 4), rel=0.05)
    assert function.throttles == refused
    assert function.used() == pytest.approx(4 * (1 - share) / 5, rel=0.05)


def test_reports_wait_as_long_as_erlang_s_formula_says() -> None:
    env, random = simpy.Environment(), Random(4)
    size = WorkerSize(least=4, most=4, processors=0.5, spot=0)
    workers = Workers(env, size, WORK, random, lambda: random.expovariate(1 / 60))

    def ask() -> Steps:
        workers.send()
        yield env.timeout(0)

    rate = 3 / 60
    env.process(arrivals(env, rate, ask, seed=5))
    env.run(until=1_500_000)
    wait = erlang_c(4, 3) * 60 / (4 - 3)
    assert sum(workers.waits) / len(workers.waits) == pytest.approx(wait, rel=0.1)
    assert workers.used() == pytest.approx(3 / 4, rel=0.05)


def test_durations_have_the_mean_that_was_asked_for() -> None:
    durations = Durations(Random(1), 0.5)
    several = [durations.around(20) for _ in range(50_000)]
    assert sum(several) / len(several) == pytest.approx(20, rel=0.02)
    assert percentile(several, 0.99) / percentile(several, 0.5) == pytest.approx(3.2, rel=0.05)


def test_an_environment_starts_once_and_is_used_again_while_it_is_warm() -> None:
    env = simpy.Environment()
    function = Function(env, SIZE, start_s=0.9, warm_s=480)
    assert [function.enter(), function.enter()] == [0.9, 0.9]
    function.leave()
    assert function.enter() == 0
    function.leave()
    env.run(until=481)
    assert function.enter() == 0.9
    assert (function.starts, function.peak) == (3, 2)


def test_provisioned_environments_are_always_ready() -> None:
    function = Function(simpy.Environment(), replace(SIZE, ready=2), start_s=0.9, warm_s=480)
    assert [function.enter() for _ in range(3)] == [0, 0, 0.9]


def test_a_function_with_less_memory_is_slower() -> None:
    def slower(memory: int) -> float:
        return Function(simpy.Environment(), replace(SIZE, memory=memory), 0, 1).slower

    assert (round(slower(128), 1), slower(1769), slower(3008)) == (13.8, 1, 1)


def test_what_was_not_used_can_be_used_later_for_five_minutes() -> None:
    env = simpy.Environment()
    capacity = Capacity(env, rate=10, burst_s=300, before=10)
    assert [capacity.take(5) for _ in range(3)] == [True, True, False]
    env.run(until=1000)
    served = sum(capacity.take(5) for _ in range(1000))
    assert served * 5 == 3000


def test_a_table_serves_its_capacity_and_no_more() -> None:
    env, served = simpy.Environment(), 0
    table = Table(env, TableSize((25, 25), 1), WORK, Random(1), ([25, 25], 0))

    def write() -> Steps:
        nonlocal served
        served += table.write(4, 2)
        yield env.timeout(0)

    env.process(arrivals(env, 50, write, seed=1))
    env.run(until=600)
    assert served / 600 == pytest.approx(25 / 4, rel=0.05)
    assert table.busiest == pytest.approx(1, rel=0.1)


@pytest.mark.parametrize(("used", "capacity"), [(0, 25), (35, 50), (70, 100), (200, 100)])
def test_scaling_aims_at_seventy_percent_within_its_range(used: float, capacity: float) -> None:
    assert scaled(used, (25, 100)) == pytest.approx(capacity)


def test_a_partition_has_a_limit_of_its_own() -> None:
    env = simpy.Environment()
    work = {**WORK, "hot_partition": 1.0}
    table = Table(env, TableSize(None, 0), work, Random(1), ([0], 0))
    assert sum(table.write(4, 2) for _ in range(2000)) == 1000 / 4


def test_a_consumer_works_through_its_queue_in_batches() -> None:
    env = simpy.Environment()
    function = Function(env, replace(SIZE, concurrency=2), start_s=0, warm_s=60)
    consumer = Consumer(env, function, lambda: 1.0, batch=10)

    def send() -> Steps:
        yield env.timeout(0)
        for _ in range(60):
            consumer.send(0.0)

    env.process(send())
    env.run(until=100)
    assert len(consumer.lags) == 60
    assert max(consumer.lags) == pytest.approx(3, abs=0.01)
    assert function.busy == 0


def test_interrupted_workers_lose_no_report() -> None:
    env = simpy.Environment()
    size = WorkerSize(least=2, most=2, processors=0.5, spot=1.0)
    workers = Workers(env, size, {**WORK, "spot_hours": 0.2}, Random(6), lambda: 60.0)
    for _ in range(200):
        workers.send()
    env.run(until=60_000)
    assert workers.interruptions > 10
    assert workers.used() * 2 * 60_000 == pytest.approx(200 * 60)


def test_a_lag_that_grows_is_not_one_that_varies() -> None:
    random = Random(1)
    assert not growing([random.random() for _ in range(300)])
    assert growing([number * 0.5 for number in range(300)])
    assert not growing([0.0, 100.0, 1000.0])
