"""The parts of the simulated system: functions, tables, and streams with consumers.

Times are in seconds. Sources of the rules: AWS's documents on Lambda concurrency, on burst and
adaptive capacity of DynamoDB, on target tracking, and docs/adr of this system.
"""

from array import array
from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from math import ceil, exp
from random import Random
from typing import Any

import simpy

from zebros.simulation.sizes import FunctionSize, TableSize

FULL_PROCESSOR_MB = 1769
"""The memory with which a function has one whole processor."""

_UP_MINUTES, _DOWN_MINUTES = 3, 15

SCALE_IN_S = 3600.0
"""Scaling makes nothing smaller before: the cooldown of tables (`Autoscaling` in strategy.yaml)."""

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
        self.ready = size.ready
        """Environments that are always ready."""
        self.spillovers = 0
        """Invocations that found every one of them busy."""
        self.gb_s = 0.0
        """What is paid for: GB of memory, times the seconds in which they were used."""
        self.durations = array("f")
        """Milliseconds of invocations, until a measurement takes them; only where one does."""
        self._highest = 0
        self._minutes: deque[int] = deque(maxlen=_DOWN_MINUTES)
        """The most concurrent executions of the latest minutes."""
        self._busy_s, self._changed = 0.0, 0.0

    @property
    def limit(self) -> int:
        """The most concurrent executions."""
        return self._size.concurrency

    @property
    def size(self) -> FunctionSize:
        """Its size now."""
        return self._size

    def resize(
        self, *, memory: int | None = None, concurrency: int | None = None,
        ready_most: int | None = None,
    ) -> None:  # fmt: skip
        """Give it other sizes. Other memory is a new version, whose environments must start."""
        self._count()
        if memory is not None and memory != self._size.memory:
            self._idle.clear()
        self._size = replace(
            self._size,
            memory=memory or self._size.memory,
            concurrency=concurrency or self._size.concurrency,
            ready_most=self._size.ready_most if ready_most is None else ready_most,
        )

    def end_minute(self) -> int:
        """The most concurrent executions of the minute that ends; what is ready follows them.

        Target tracking of 70 %: up after three minutes above it, down after fifteen below it.
        """
        found, self._highest = max(self._highest, self.busy), self.busy
        self._minutes.append(found)
        least, most = self._size.ready, max(self._size.ready, self._size.ready_most)
        latest = list(self._minutes)
        up, down = (ceil(of / 0.7) for of in (min(latest[-_UP_MINUTES:]), max(latest)))
        if len(latest) >= _UP_MINUTES and up > self.ready:
            self.ready = up
        elif len(latest) == _DOWN_MINUTES and down < self.ready:
            self.ready = down
        self.ready = min(most, max(least, self.ready))
        return found

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
        self.spillovers += 0 < self.ready <= self.busy
        ready = self.ready > self.busy or bool(self._idle)
        if self._idle:
            self._idle.pop()
        self._count()
        self.busy += 1
        self.calls += 1
        self.peak = max(self.peak, self.busy)
        self._highest = max(self._highest, self.busy)
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
        busy_s = self.busy * (self._env.now - self._changed)
        self._busy_s += busy_s
        self.gb_s += busy_s * self._size.memory / 1024
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
        self.throttled_writes = self.throttled_reads = 0
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
            env.process(self._scale())
        env.process(self._measure())

    def write(self, units: float, index_units: float) -> bool:
        """Whether a transaction fits: into the table, every index and its partition."""
        fits = self._fits(units, index_units)
        self.throttled_writes += not fits
        return fits

    def _fits(self, units: float, index_units: float) -> bool:
        if self._random.random() < self._work["hot_partition"] and not self.hot.take(units):
            return False
        first, *indexes = self.writes
        return first.take(units) and all(one.take(index_units) for one in indexes)

    def read(self, units: float) -> bool:
        """Whether a read fits into the table or into the index that it uses."""
        fits = self._random.choice(self.reads).take(units)
        self.throttled_reads += not fits
        return fits

    @property
    def size(self) -> TableSize:
        """Its size now."""
        return self._size

    def resize(self, most: int) -> None:
        """Let the capacity of a table that has a range scale up to another value."""
        if self._size.range:
            self._size = replace(self._size, range=(self._size.range[0], most))

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

    def _scale(self) -> Steps:
        """Target tracking of 70 %: up after some minutes, down after an hour without a change."""
        every = [*self.writes, *self.reads]
        before = [0.0] * len(every)
        changed = [self._env.now] * len(every)
        while True:
            yield self._env.timeout(self._work["table_delay_s"])
            assert self._size.range is not None
            bounds = self._size.range
            for place, one in enumerate(every):
                rate = (one.used - before[place]) / self._work["table_delay_s"]
                before[place] = one.used
                wanted = scaled(rate, bounds)
                if one.throttles:
                    # The consumption that is measured is what was served; a throttled table grows
                    # with every step until it suffices.
                    wanted = min(float(bounds[1]), max(wanted, one.rate * 1.4))
                    one.throttles = 0
                falls = one.rate > bounds[1] or self._env.now - changed[place] >= SCALE_IN_S
                if wanted > one.rate or (wanted < one.rate and falls):
                    one.rate, changed[place] = wanted, self._env.now


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
