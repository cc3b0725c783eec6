"""The parts of the simulated system: functions, tables, streams with consumers, and workers.

Times are in seconds. Sources of the rules: AWS's documents on Lambda concurrency, on burst and
adaptive capacity of DynamoDB, on target tracking, and docs/adr of this system.
"""

from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from itertools import pairwise
from math import ceil, exp
from random import Random
from typing import Any

import simpy

from zebros.simulation.sizes import FunctionSize, TableSize, WorkerSize

FULL_PROCESSOR_MB = 1769
"""The memory with which a function has one whole processor."""

type Steps = Generator[simpy.Event, Any, Any]
"""A process of the simulation."""


class Durations:
    """Lognormal durations around a median."""

    def __init__(self, random: Random, spread: float) -> None:
        self._random, self._spread = random, spread

    def around(self, mean: float) -> float:
        """A duration; many of them have this mean."""
        return self._random.lognormvariate(0, self._spread) * mean / exp(self._spread**2 / 2)


class Throttled(Exception):
    """A function has no free environment within its share, or a table no capacity."""


class Function:
    """A function: an invocation takes an environment that is ready, or starts one."""

    def __init__(
        self, env: simpy.Environment, size: FunctionSize, start_s: float, warm_s: float
    ) -> None:
        self._env, self._size = env, size
        self._start_s, self._warm_s = start_s, warm_s
        self._idle: deque[float] = deque()
        """When each idle environment was used last; the latest is used first."""
        self.busy = self.peak = self.calls = self.starts = self.throttles = 0
        self._busy_s, self._changed = 0.0, 0.0

    @property
    def limit(self) -> int:
        """The most concurrent executions."""
        return self._size.concurrency

    @property
    def slower(self) -> float:
        """How many times slower its share of a processor is than a whole one."""
        return max(1.0, FULL_PROCESSOR_MB / self._size.memory)

    def enter(self) -> float:
        """Take an environment; returns the seconds that it needs to start. Raises Throttled."""
        if self.busy >= self._size.concurrency:
            self.throttles += 1
            raise Throttled
        now = self._env.now
        while self._idle and now - self._idle[0] > self._warm_s:
            self._idle.popleft()
        ready = self._size.ready > self.busy or bool(self._idle)
        if self._idle:
            self._idle.pop()
        self._count()
        self.busy += 1
        self.calls += 1
        self.peak = max(self.peak, self.busy)
        self.starts += not ready
        return 0.0 if ready else self._start_s

    def leave(self) -> None:
        """Give the environment back."""
        self._count()
        self.busy -= 1
        self._idle.append(self._env.now)

    def used(self) -> float:
        """The share of its concurrency that is in use on average."""
        self._count()
        return self._busy_s / max(self._env.now, 1.0) / self.limit

    def used_alone(self) -> float:
        """The share of the time in which an invocation runs, where they follow each other."""
        return self.used() * self.limit

    def _count(self) -> None:
        self._busy_s += self.busy * (self._env.now - self._changed)
        self._changed = self._env.now


class Capacity:
    """The units of a table or an index: what is not used is kept for some time."""

    def __init__(
        self, env: simpy.Environment, rate: float, burst_s: float, before: float = 0.0
    ) -> None:
        """`before` is the use of the minutes before: what it left is there."""
        self._env, self.rate, self._burst_s = env, rate, burst_s
        self._level, self._at = rate + max(0.0, rate - before) * (burst_s - 1), 0.0
        self.used, self.throttles = 0.0, 0

    def take(self, units: float) -> bool:
        """Whether so many units are there; they are then used."""
        now = self._env.now
        most = self.rate * self._burst_s
        self._level = min(most, self._level + (now - self._at) * self.rate)
        self._at = now
        if self._level < min(units, self.rate):
            self.throttles += 1
            return False
        self._level -= units
        self.used += units
        return True


class Table:
    """A table with its indexes, and one partition that gets more than its part."""

    def __init__(
        self,
        env: simpy.Environment,
        size: TableSize,
        work: Mapping[str, float],
        random: Random,
        before: tuple[Sequence[float], float],
    ) -> None:
        """`before`: the write units a second of the table and of each index, and the read units
        of each of them, to which scaling has adapted the capacity."""
        self._env, self._size, self._work, self._random = env, size, work, random
        burst = work["burst_s"] if size.range else 1.0

        def capacity(used: float, on_demand: str) -> Capacity:
            rate = scaled(used, size.range) if size.range else work[on_demand]
            return Capacity(env, rate, burst, used)

        self.writes = [capacity(used, "on_demand_writes") for used in before[0]]
        self.reads = [capacity(before[1], "on_demand_reads") for _ in before[0]]
        self.hot = Capacity(env, work["partition_writes"], 1.0)
        self.busiest = 0.0
        """The highest use of any of its capacities in a minute, as a share of its highest value."""
        if size.range:
            env.process(self._scale(size.range))
        env.process(self._measure())

    def write(self, units: float, index_units: float) -> bool:
        """Whether a transaction fits: into the table, every index and its partition."""
        if self._random.random() < self._work["hot_partition"] and not self.hot.take(units):
            return False
        first, *indexes = self.writes
        return first.take(units) and all(one.take(index_units) for one in indexes)

    def read(self, units: float) -> bool:
        """Whether a read fits into the table or into the index that it uses."""
        return self._random.choice(self.reads).take(units)

    def most(self, capacity: Capacity) -> float:
        """The highest value that a capacity may have."""
        if self._size.range:
            return float(self._size.range[1])
        write = capacity in self.writes
        return self._work["on_demand_writes" if write else "on_demand_reads"]

    def _measure(self) -> Steps:
        every = [*self.writes, *self.reads, self.hot]
        before = [0.0] * len(every)
        while True:
            yield self._env.timeout(60)
            for place, one in enumerate(every):
                most = self._work["partition_writes"] if one is self.hot else self.most(one)
                self.busiest = max(self.busiest, (one.used - before[place]) / 60 / most)
                before[place] = one.used

    def _scale(self, bounds: tuple[int, int]) -> Steps:
        """Target tracking of 70 %: up after some minutes, never down within a simulated hour."""
        every = [*self.writes, *self.reads]
        before = [0.0] * len(every)
        while True:
            yield self._env.timeout(self._work["table_delay_s"])
            for place, one in enumerate(every):
                rate = (one.used - before[place]) / self._work["table_delay_s"]
                before[place] = one.used
                wanted = scaled(rate, bounds)
                if one.throttles:
                    # The consumption that is measured is what was served; a throttled table grows
                    # with every step until it suffices.
                    wanted = min(float(bounds[1]), max(wanted, one.rate * 1.4))
                    one.throttles = 0
                one.rate = max(one.rate, wanted)


def scaled(used: float, bounds: tuple[int, int]) -> float:
    """The capacity for a use, by target tracking of 70 %."""
    return min(float(bounds[1]), max(float(bounds[0]), used / 0.7))


class Consumer:
    """A function with a queue: batches, and at most so many invocations at a time."""

    def __init__(
        self, env: simpy.Environment, function: Function, seconds: Callable[[], float], batch: int
    ) -> None:
        self._env, self._function, self._seconds, self._batch = env, function, seconds, batch
        self._waiting: deque[float] = deque()
        self.lags: list[float] = []
        self._working = 0

    def send(self, committed: float) -> None:
        """Put an event into the queue, with the time of its commit."""
        self._waiting.append(committed)
        if self._working < self._function.limit:
            self._working += 1
            self._env.process(self._work())

    def _work(self) -> Steps:
        started = self._function.enter()
        yield self._env.timeout(started)
        while self._waiting:
            some = [self._waiting.popleft() for _ in range(min(self._batch, len(self._waiting)))]
            yield self._env.timeout(self._seconds())
            self.lags += [self._env.now - committed for committed in some]
        self._function.leave()
        self._working -= 1


class Workers:
    """A service of workers: tasks take reports from a queue, and autoscaling follows the queue."""

    def __init__(
        self,
        env: simpy.Environment,
        size: WorkerSize,
        work: Mapping[str, float],
        random: Random,
        seconds: Callable[[], float],
    ) -> None:
        self._env, self._size, self._work, self._random = env, size, work, random
        self._seconds = seconds
        self._queue = simpy.Store(env)
        self._wanted = size.least
        self._next = 0
        self.running = self.peak = self.interruptions = 0
        self._busy_s = 0.0
        self.waits: list[float] = []
        for _ in range(size.least):
            self._start()
        env.process(self._scale())

    @property
    def most(self) -> int:
        """The most tasks."""
        return self._size.most

    def used(self) -> float:
        """The share of the most tasks that made reports."""
        return self._busy_s / max(self._env.now, 1.0) / self.most

    def send(self) -> None:
        """Put a report into the queue."""
        self._queue.put(self._env.now)

    def _start(self, delay: float = 0.0) -> None:
        self._env.process(self._task(delay))

    def _task(self, delay: float) -> Steps:
        yield self._env.timeout(delay)
        self.running += 1
        self.peak = max(self.peak, self.running)
        on_spot = self._random.random() < self._size.spot
        hours = self._random.expovariate(1 / self._work["spot_hours"]) if on_spot else 1e9
        ends = self._env.now + hours * 3600
        while self._env.now < ends:
            asked = yield self._queue.get()
            begun = self._env.now
            self.waits.append(begun - asked)
            seconds = self._seconds()
            if begun + seconds > ends:  # put back within the two minutes of notice
                yield self._env.timeout(max(0.0, ends - begun))
                self._queue.put(asked)
                break
            yield self._env.timeout(seconds)
            self._busy_s += seconds
        self.running -= 1
        self.interruptions += 1
        self._start(self._work["task_start_s"])

    def _scale(self) -> Steps:
        while True:
            yield self._env.timeout(self._work["scaling_s"])
            backlog = len(self._queue.items) + self.running
            wanted = min(self._size.most, max(self._size.least, ceil(backlog / 2)))
            for _ in range(wanted - self._wanted):
                self._start(self._work["task_start_s"])
            self._wanted = max(self._wanted, wanted)


def percentile(values: list[float], share: float) -> float:
    """The value that so much of the values are at most; 0 without any."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def growing(values: list[float]) -> bool:
    """Whether a later third of values is above the one before it, by half and more each time."""
    third = len(values) // 3
    if third < 10:
        return False
    parts = [percentile(values[place * third : (place + 1) * third], 0.5) for place in range(3)]
    return all(after > 1.5 * before + 1 for before, after in pairwise(parts))
