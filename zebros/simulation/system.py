"""The whole path in one simulation: requests, tables, events, consumers, reports and workers."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random

import simpy

from zebros.costs.usage import Usage
from zebros.simulation.hours import Busiest, Course
from zebros.simulation.measurements import MINUTE_S, Measurements
from zebros.simulation.parts import (
    Consumer,
    Durations,
    Function,
    Steps,
    Table,
    Throttled,
    growing,
    percentile,
)
from zebros.simulation.sizes import Sizes
from zebros.simulation.workers import Workers

APIS = ("CustomersApi", "OpportunitiesApi", "ActivitiesApi", "NotificationsApi", "ReportingApi")
_TABLES = {
    "CustomersApi": "CustomersTable",
    "OpportunitiesApi": "OpportunitiesTable",
    "ActivitiesApi": "ActivitiesTable",
    "NotificationsApi": "NotificationsTable",
    "ReportingApi": "ReportingTable",
}
_CONSUMERS = (
    "OpportunitiesEvents",
    "ActivitiesEvents",
    "NotificationsEvents",
    "OpportunitiesReferences",
)
_RELAYS = ("CustomersRelay", "OpportunitiesRelay", "ActivitiesRelay", "NotificationsRelay")
_ATTEMPTS, _FIRST_PAUSE_S = 3, 0.05
"""Attempts of botocore at a throttled call, and its first pause."""
MAX_REQUESTS = 300_000
"""A simulation ends after so many requests, however many minutes it should last."""
WARM_UP_S, WARM_UP_REQUESTS = 120.0, 10_000
"""The first requests do not count: they find no environment that is ready."""


@dataclass(frozen=True, slots=True)
class Part:
    """How much of something is used in the busiest minute."""

    name: str
    share: float
    """1: all of it."""
    moved_by: str
    """The parameter or the figure that makes it larger."""


@dataclass(frozen=True, slots=True)
class Result:
    """What happened in a simulated part of the busiest hour."""

    users: int
    seconds: float
    requests: int
    latency_ms: tuple[float, float, float]
    """The 50th, 95th and 99th percentile."""
    refused: Mapping[str, int]
    """Requests that failed, by why."""
    cold_starts: float
    """The share of invocations."""
    event_lag_s: tuple[float, float]
    """From commit to consumer: the 50th and the 95th percentile."""
    report_wait_s: float
    """The 95th percentile of the wait for a worker."""
    backlog_grows: bool
    """Whether events or reports arrive faster than they are processed."""
    workers: int
    """The most tasks that ran."""
    parts: tuple[Part, ...]
    """The most used one first."""

    @property
    def failed(self) -> float:
        """The share of requests that failed."""
        return sum(self.refused.values()) / max(1, self.requests)

    @property
    def carries(self) -> bool:
        """Whether the sizes carry the load: the strategy's latency, and nobody refused."""
        return self.latency_ms[1] <= 200 and self.failed <= 0.001 and not self.backlog_grows

    @property
    def bottleneck(self) -> Part:
        """What refuses most requests; where nothing does, what is used most."""
        if not self.refused:
            return self.parts[0]
        kind = max(self.refused, key=lambda reason: self.refused[reason]).partition(" ")[0]
        return next((one for one in self.parts if one.name.startswith(kind)), self.parts[0])


class Simulation:
    """One system under the load of the busiest hour of a number of users, or of a day of theirs."""

    def __init__(
        self,
        sizes: Sizes,
        usage: Usage,
        work: Mapping[str, float],
        seed: int = 1,
        course: Course | None = None,
    ) -> None:
        """With a course, the load follows it, and every minute is measured."""
        self._sizes, self._usage, self._work = sizes, usage, work
        self._course = course or Busiest()
        self.measurements = Measurements() if course else None
        self.env = simpy.Environment()
        self._random = Random(seed)  # noqa: S311 - a simulation needs a seed, not secrecy
        # The arrivals of a day are the same whatever happens to them, so that two days compare.
        self._arriving = Random(seed) if course else self._random  # noqa: S311
        self._durations = Durations(self._random, work["spread"])
        start_s, warm_s = work["start_ms"] / 1000, work["warm_s"]
        self.functions = {
            name: Function(self.env, one, start_s, warm_s) for name, one in sizes.functions.items()
        }
        self.tables = {
            name: Table(self.env, one, work, self._random, self._before(name, one.indexes))
            for name, one in sizes.tables.items()
        }
        self._consumers = [self._consumer(name) for name in _CONSUMERS if name in self.functions]
        self.workers = self._workers_of(sizes)
        self._latencies: list[float] = []
        self._refused: Counter[str] = Counter()
        self._requests = 0
        self._counts_from = 0.0
        self._hot = 0.0
        self._hot_at = 0.0
        self._streams: dict[str, list[float]] = {name: [] for name in _RELAYS}

    def run(self, minutes: float = 30, requests: int = MAX_REQUESTS) -> Result:
        """Simulate so many minutes, or as many as a number of requests takes."""
        rate = self._rate()
        self._counts_from = min(WARM_UP_S, WARM_UP_REQUESTS / rate)
        return self._run(self._counts_from + min(minutes * 60, requests / rate))

    def run_day(self, hours: float = 24) -> Result:
        """Simulate the hours of a course from its beginning; every request counts."""
        self.env.process(self._measure())
        return self._run(hours * 3600)

    def _run(self, seconds: float) -> Result:
        rate = self._rate()
        self.env.process(self._arrivals(rate))
        for name in _RELAYS:
            self.env.process(self._relay(name))
        self.env.process(self._reports())
        self._hot = self._sizes.tenant_burst
        self.env.run(until=seconds)
        return self._result(seconds)

    def _before(self, table: str, indexes: int) -> tuple[list[float], float]:
        """The units a second at the beginning, as Table wants them: scaling has adapted."""
        usage = self._usage
        calls = sum(
            float(usage.rule("functions", api).numbers["factor"])
            for api, name in _TABLES.items()
            if name == table
        )
        rate = self._rate() * calls * self._course.share(0)
        writes = rate * float(usage["write_share"])
        own, index = float(usage["write_units"]), float(usage["index_write_units"])
        reads = (rate - writes) * float(usage["read_units"]) / (indexes + 1)
        return [writes * own, *[writes * index] * indexes], reads

    # --- requests ---

    def _rate(self) -> float:
        """Requests a second in the busiest hour."""
        average = float(self._usage.requests / (self._usage.busy_hours * 3600))
        return average * self._work["peak"]

    def _arrivals(self, rate: float) -> Steps:
        weights = [float(self._usage.rule("functions", name).numbers["factor"]) for name in APIS]
        while True:
            yield from self._pause(rate)
            (name,) = self._arriving.choices(APIS, weights)
            self.env.process(self._request(name))

    def _pause(self, rate: float) -> Steps:
        """Wait for the next arrival, at a rate that is that of the busiest hour."""
        while True:
            now, share = self.env.now, self._course.share(self.env.now)
            until = self._course.until(now)
            seconds = self._arriving.expovariate(rate * share) if share else until
            if now + seconds < until:
                yield self.env.timeout(seconds)
                return
            # An arrival after the change is drawn anew: exponential pauses have no memory.
            yield self.env.timeout(until - now)

    def _measure(self) -> Steps:
        while self.measurements:
            yield self.env.timeout(MINUTE_S)
            self.measurements.end_minute(self.functions, self.tables, self.workers)

    def _request(self, name: str) -> Steps:
        """One request: quota, authorizer, function with its reads or its write."""
        began, counts = self.env.now, self.env.now >= self._counts_from
        self._requests += counts
        reason = ""
        try:
            if self._random.random() < self._work["hot_tenant"] and not self._within_quota():
                reason = "quota of the tenant"
                return
            yield self.env.timeout(self._ms(self._work["gateway_ms"]))
            authorizer = self._usage.rule("functions", "Authorizer").numbers["factor"]
            if self._random.random() < authorizer:
                yield from self._invoke("Authorizer")
            writes = self._random.random() < self._usage["write_share"]
            if not (yield from self._invoke(name, writes=writes)):
                reason = "capacity of a table"
        except Throttled:
            reason = "concurrency of a function"
        finally:
            if counts and reason:
                self._refused[reason] += 1
            elif counts:
                self._latencies.append((self.env.now - began) * 1000)
            if self.measurements:
                self.measurements.requests += 1
                self.measurements.failed += bool(reason)
                self.measurements.latencies.append((self.env.now - began) * 1000)

    def _within_quota(self) -> bool:
        now = self.env.now
        level = self._hot + (now - self._hot_at) * self._sizes.tenant_rate
        self._hot, self._hot_at = min(self._sizes.tenant_burst, level), now
        if self._hot < 1:
            return False
        self._hot -= 1
        return True

    def _invoke(self, name: str, *, writes: bool | None = None) -> Steps:
        """An invocation; returns whether its table had capacity. Raises Throttled."""
        function, rule = self.functions[name], self._usage.rule("functions", name).numbers
        started = function.enter()
        began = self.env.now + started
        try:
            wait = rule.get("write_wait_ms", rule["wait_ms"]) if writes else rule["wait_ms"]
            seconds = self._ms(float(wait)) + self._ms(float(rule["cpu_ms"]) * function.slower)
            yield self.env.timeout(started + seconds)
            if writes is None:
                return True
            table = self.tables[_TABLES[name]]
            for attempt in range(_ATTEMPTS):
                if self._take(table, writes=writes):
                    if writes:
                        self._commit(name)
                    return True
                yield self.env.timeout(_FIRST_PAUSE_S * 2**attempt * self._random.random())
            return False
        finally:
            function.leave()
            if self.measurements:
                function.durations.append((self.env.now - began) * 1000)

    def _take(self, table: Table, *, writes: bool) -> bool:
        if writes:
            units, index = self._usage["write_units"], self._usage["index_write_units"]
            return table.write(float(units), float(index))
        return table.read(float(self._usage["read_units"]))

    # --- events ---

    def _commit(self, api: str) -> None:
        """The events of a write enter the table's stream."""
        stream = self._streams.get(api.replace("Api", "Relay"))
        events = float(self._usage["events_per_write"])
        count = int(events) + (self._random.random() < events % 1)
        if stream is not None:
            stream += [self.env.now] * count

    def _relay(self, name: str) -> Steps:
        """The relay of a context: batches of a shard, one after the other."""
        rule = self._usage.rule("functions", name).numbers
        function, stream = self.functions[name], self._streams[name]
        while True:
            yield self.env.timeout(self._work["stream_ms"] / 1000)
            while stream:
                some, stream[:] = stream[:100], stream[100:]
                started = function.enter()
                puts = max(1.0, len(some) / 10)
                seconds = self._ms(float(rule["cpu_ms"]) * function.slower * puts)
                yield self.env.timeout(started + seconds + self._ms(float(rule["wait_ms"]) * puts))
                function.leave()
                for committed in some:
                    self.env.process(self._deliver(committed))

    def _deliver(self, committed: float) -> Steps:
        yield self.env.timeout(self._ms(self._work["bus_ms"]))
        for consumer, share in self._consumers:
            if self._random.random() < share:
                consumer.send(committed)

    def _consumer(self, name: str) -> tuple[Consumer, float]:
        rule = self._usage.rule("functions", name).numbers
        function = self.functions[name]

        def seconds() -> float:
            wait = self._ms(float(rule["wait_ms"]))
            return wait + self._ms(float(rule["cpu_ms"]) * function.slower)

        batch = int(self._work["batch"])
        return Consumer(self.env, function, seconds, batch), float(rule["factor"])

    # --- reports ---

    def _workers_of(self, sizes: Sizes) -> Workers | None:
        if sizes.workers is None:
            return None
        slower = 0.5 / sizes.workers.processors
        seconds = self._work["report_s"] * slower
        return Workers(
            self.env,
            sizes.workers,
            self._work,
            self._random,
            lambda: self._durations.around(seconds),
        )

    def _reports(self) -> Steps:
        average = float(self._usage.reports / (self._usage.busy_hours * 3600))
        rate = average * self._work["peak"]
        while True:
            yield from self._pause(rate)
            if self.workers and self._random.random() < self._work["large_reports"]:
                self.workers.send()
            else:
                self.env.process(self._small_report())

    def _small_report(self) -> Steps:
        try:
            yield from self._invoke("ReportingAnalytics")
        except Throttled:
            self._refused["concurrency of the analytics function"] += 1

    # --- the result ---

    def _ms(self, mean: float) -> float:
        return self._durations.around(mean) / 1000

    def _result(self, seconds: float) -> Result:
        lags = [lag for consumer, _ in self._consumers for lag in consumer.lags]
        waits = self.workers.waits if self.workers else []
        calls = sum(one.calls for one in self.functions.values())
        starts = sum(one.starts for one in self.functions.values())
        grows = any(growing(consumer.lags) for consumer, _ in self._consumers) or growing(waits)
        return Result(
            int(self._usage.users),
            seconds - self._counts_from,
            self._requests,
            _three(lambda share: percentile(self._latencies, share)),
            dict(self._refused),
            starts / max(1, calls),
            (percentile(lags, 0.5), percentile(lags, 0.95)),
            percentile(waits, 0.95),
            grows,
            self.workers.peak if self.workers else 0,
            tuple(sorted(self._parts(), key=lambda part: -part.share)),
        )

    def _parts(self) -> list[Part]:
        found = [self._function_part(name, one) for name, one in self.functions.items()]
        for name, table in self.tables.items():
            figure = "Capacity in strategy.yaml" if self._sizes.tables[name].range else "a quota"
            found.append(Part(f"capacity of {name}", table.busiest, f"{figure}: {name}"))
        share = self._rate() * self._work["hot_tenant"] / self._sizes.tenant_rate
        found.append(Part("quota of the largest tenant", share, "Quotas in strategy.yaml"))
        if self.workers:
            used = self.workers.used()
            found.append(Part("tasks of workers", used, "Workers in strategy.yaml"))
        return found

    def _function_part(self, name: str, one: Function) -> Part:
        """What people wait for must never be throttled; events wait in a queue or a stream."""
        moved_by = f"Functions in strategy.yaml: {name}"
        if name in _RELAYS:
            return Part(
                f"stream of {name}", one.used_alone(), "more shards: they follow the writes"
            )
        if name in _CONSUMERS:
            return Part(f"concurrency of {name}", one.used(), moved_by)
        return Part(f"concurrency of {name}", one.peak / one.limit, moved_by)


def _three(of: Callable[[float], float]) -> tuple[float, float, float]:
    return of(0.5), of(0.95), of(0.99)
