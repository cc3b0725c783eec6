"""The workers of the simulated system: tasks, their queue, and scaling."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from math import ceil
from random import Random

import simpy

from zebros.simulation.parts import SCALE_IN_S, Steps
from zebros.simulation.sizes import WorkerSize


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
        """When each report was asked for; None ends the task that gets it."""
        self.wanted = size.least
        """Tasks that scaling wants."""
        self._changed = 0.0
        self.running = self.peak = self.interruptions = self.busy = 0
        self._busy_s = 0.0
        self.waits: list[float] = []
        for _ in range(size.least):
            self._start()
        env.process(self._scale())

    @property
    def size(self) -> WorkerSize:
        """The size now."""
        return self._size

    @property
    def most(self) -> int:
        """The most tasks."""
        return self._size.most

    @property
    def waiting(self) -> int:
        """Reports in the queue."""
        return sum(one is not None for one in self._queue.items)

    def resize(self, most: int) -> None:
        """Let scaling start up to another number of tasks."""
        self._size = replace(self._size, most=most)

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
            if asked is None:
                self.running -= 1
                return
            begun = self._env.now
            self.waits.append(begun - asked)
            seconds = self._seconds()
            if begun + seconds > ends:  # put back within the two minutes of notice
                self.busy += 1
                yield self._env.timeout(max(0.0, ends - begun))
                self.busy -= 1
                self._queue.put(asked)
                break
            self.busy += 1
            yield self._env.timeout(seconds)
            self.busy -= 1
            self._busy_s += seconds
        self.running -= 1
        self.interruptions += 1
        self._start(self._work["task_start_s"])

    def _scale(self) -> Steps:
        """Follow the queue: up after some minutes, down after an hour without a change."""
        while True:
            yield self._env.timeout(self._work["scaling_s"])
            backlog = self.waiting + self.running
            wanted = min(self._size.most, max(self._size.least, ceil(backlog / 2)))
            falls = self.wanted > self._size.most or self._env.now - self._changed >= SCALE_IN_S
            if wanted > self.wanted:
                for _ in range(wanted - self.wanted):
                    self._start(self._work["task_start_s"])
            elif falls and (wanted := max(wanted, min(self.busy, self._size.most))) < self.wanted:
                for _ in range(self.wanted - wanted):
                    self._queue.put(None)
            else:
                continue
            self.wanted, self._changed = wanted, self._env.now
