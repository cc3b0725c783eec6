"""What CloudWatch would have measured of the simulated system, minute by minute."""

from array import array
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from zebros.simulation.parts import Function, Table, percentile
from zebros.simulation.workers import Workers

MINUTE_S = 60
GATEWAY, SERVICE, QUEUE = "Gateway", "StandardWorkerService", "ReportTasksQueue"
"""Resources of metrics; functions and tables have their logical ids."""
_OF_FUNCTION = ("calls", "throttles", "spillovers")


class Metric(NamedTuple):
    """A metric of a resource, by its name in CloudWatch."""

    name: str
    resource: str
    part: str = ""
    """An index of a table, or an operation."""


class Measurements:
    """The values of each metric in each minute."""

    def __init__(self) -> None:
        self._minutes: list[Mapping[Metric, array[float]]] = []
        self._counted: dict[tuple[str, str], int] = defaultdict(int)
        self.latencies = array("f")
        """Of the requests of this minute, in milliseconds."""
        self.requests = self.failed = 0
        """Of this minute."""

    @property
    def minutes(self) -> int:
        """Minutes that were measured."""
        return len(self._minutes)

    def values(self, metric: Metric, first: int, last: int) -> array[float]:
        """All values from a minute until before another one."""
        found = array("f")
        for minute in self._minutes[max(0, first) : max(0, last)]:
            found += minute.get(metric, array("f"))
        return found

    def statistic(self, metric: Metric, stat: str, first: int, last: int) -> float | None:
        """One statistic of some minutes, as CloudWatch names it; None without a value."""
        return statistic(self.values(metric, first, last), stat)

    def end_minute(
        self, functions: Mapping[str, Function], tables: Mapping[str, Table],
        workers: Workers | None,
    ) -> None:  # fmt: skip
        """Take the values of the minute that ends."""
        found = {
            Metric("Latency", GATEWAY): self.latencies,
            Metric("Count", GATEWAY): array("f", [self.requests]),
            Metric("Failed", GATEWAY): array("f", [self.failed]),
        }
        self.latencies, self.requests, self.failed = array("f"), 0, 0
        for name, function in functions.items():
            found |= self._of_function(name, function)
        for name, table in tables.items():
            found |= self._of_table(name, table)
        if workers:
            busy = 100 * workers.busy / max(1, workers.running)
            found |= {
                Metric("ApproximateNumberOfMessagesVisible", QUEUE): array("f", [workers.waiting]),
                Metric("CPUUtilization", SERVICE): array("f", [busy]),
                Metric("RunningTaskCount", SERVICE): array("f", [workers.running]),
            }
        self._minutes.append(found)

    def _of_function(self, name: str, one: Function) -> dict[Metric, array[float]]:
        calls, throttles, spillovers = (
            self._since(name, of, getattr(one, of)) for of in _OF_FUNCTION
        )
        highest, durations, one.durations = one.end_minute(), one.durations, array("f")
        if not (calls or throttles or highest):
            return {}
        values: dict[str, Iterable[float]] = {
            "Invocations": [calls],
            "Throttles": [throttles],
            "ConcurrentExecutions": [highest],
            "Duration": durations,
        }
        if one.size.ready_most:
            values |= {
                "ProvisionedConcurrentExecutions": [min(one.ready, highest)],
                "ProvisionedConcurrencySpilloverInvocations": [spillovers],
            }
        return {Metric(of, name): array("f", some) for of, some in values.items()}

    def _of_table(self, name: str, one: Table) -> dict[Metric, array[float]]:
        writes = self._since(name, "writes", one.throttled_writes)
        reads = self._since(name, "reads", one.throttled_reads)
        found = {}
        for part, throttled in (("TransactWriteItems", writes), ("Query", reads)):
            if throttled:
                found[Metric("ThrottledRequests", name, part)] = array("f", [throttled])
        if one.size.range:
            for kind, several in (("Write", one.writes), ("Read", one.reads)):
                for place, capacity in enumerate(several):
                    part = f"gsi{place}" if place else ""
                    key = Metric(f"Provisioned{kind}CapacityUnits", name, part)
                    found[key] = array("f", [capacity.rate])
        return found

    def _since(self, name: str, of: str, count: int) -> int:
        """What was added to a count since the minute before."""
        added = count - self._counted[name, of]
        self._counted[name, of] = count
        return added


def statistic(values: array[float], stat: str) -> float | None:
    """Sum, Maximum, Average or a percentile such as p95; None without a value."""
    if not values:
        return None
    match stat:
        case "Sum":
            return sum(values)
        case "Maximum":
            return max(values)
        case "Average":
            return sum(values) / len(values)
    return percentile(list(values), float(stat.removeprefix("p")) / 100)
