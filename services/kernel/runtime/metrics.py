"""The metrics of the CRM, each declared once, written as CloudWatch Embedded Metric Format (EMF).

A metric is part of a log line that is written anyway: CloudWatch reads it from there, without a
call. Dashboards, alarms and `zebros top` read the declarations below.

Source: "Specification: Embedded metric format" of the CloudWatch user guide.
"""

import time
from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

NAMESPACE = "Zebros"
MAX_VALUES = 100
"""The maximum number of values of one metric in a line."""


class Metric(NamedTuple):
    """One metric. Every combination of dimensions is billed, so no dimension is unbounded."""

    name: str
    unit: str
    """Milliseconds, Seconds, Bytes, Percent or Count."""
    dimensions: tuple[str, ...]
    meaning: str

    def fields(self, values: float | Sequence[float], *dimensions: str) -> dict[str, Any]:
        """The fields that make a log line carry this metric; at most MAX_VALUES values."""
        return {
            "_aws": {
                "Timestamp": int(time.time() * 1000),
                "CloudWatchMetrics": [_definition(self)],
            },
            **dict(zip(self.dimensions, dimensions, strict=True)),
            self.name: values,
        }


@cache
def _definition(metric: Metric) -> dict[str, Any]:
    """The part of the fields that is the same in every line."""
    return {
        "Namespace": NAMESPACE,
        "Dimensions": [metric.dimensions],
        "Metrics": [{"Name": metric.name, "Unit": metric.unit}],
    }


def together(*metrics: dict[str, Any]) -> dict[str, Any]:
    """The fields of several metrics for one line; dimensions of the same name have one value.

    Empty ones are left out.
    """
    merged: dict[str, Any] = {}
    definitions: list[dict[str, Any]] = []
    for fields in filter(None, metrics):
        definitions += fields["_aws"]["CloudWatchMetrics"]
        merged |= fields
    if merged:
        merged["_aws"] = {**merged["_aws"], "CloudWatchMetrics": definitions}
    return merged


def memory_utilization(function: str, megabytes: int) -> dict[str, Any]:
    """The fields of MemoryUtilization for this process, whose function has so many megabytes.

    Empty on systems other than Linux. `getrusage` is no source: in a process that another one has
    started, its maximum begins with the memory of that one.
    """
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as status:  # noqa: PTH123  # pathlib is not loaded here
            peak = next(line for line in status if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        return {}
    kilobytes = int(peak.split()[1])
    return MEMORY_UTILIZATION.fields(round(100 * kilobytes / 1024 / megabytes, 1), function)


REQUEST_LATENCY = Metric(
    "RequestLatency",
    "Milliseconds",
    ("Context", "Route"),
    "time of a request in its function, by route template",
)
MEMORY_UTILIZATION = Metric(
    "MemoryUtilization",
    "Percent",
    ("Function",),
    "peak memory of an API's process, as a share of the function's memory",
)
REQUESTS = Metric(
    "Requests",
    "Count",
    ("InBusinessHours",),
    "requests, by whether it is a working hour (yes or no) where the tenant is; the line has it",
)
FAULTS = Metric(
    "Faults",
    "Count",
    ("Context", "Version"),
    "requests that an API answered with 5xx, by the version of its function",
)
ACTIVE_SESSIONS = Metric(
    "ActiveSessions",
    "Count",
    (),
    "sessions that made their first request of an hour (UTC): their sum over an hour is the number "
    "of active ones, 1 % off; only where there is a cache, which counts them",
)
CACHE_HITS = Metric(
    "CacheHits",
    "Count",
    ("Context",),
    "values that were found in the cache; the line has the kinds",
)
CACHE_MISSES = Metric(
    "CacheMisses",
    "Count",
    ("Context",),
    "values that had to be loaded although there is a cache; the line has the kinds",
)
OUTBOX_AGE = Metric(
    "OutboxAge",
    "Milliseconds",
    ("Context",),
    "time from an event's commit until the bus accepted it",
)
EVENT_LAG = Metric(
    "EventLag",
    "Milliseconds",
    ("Consumer",),
    "time from an event's commit until a consumer applied it; of a projection, its lag",
)
STREAM_DIVERGENCES = Metric(
    "StreamDivergences",
    "Count",
    ("Consumer",),
    "records of which a projection had applied events that a restored table no longer has",
)
QUEUE_WAIT = Metric(
    "QueueWait",
    "Seconds",
    ("Job",),
    "time from the request of a task until a worker started its last attempt",
)
TASK_DURATION = Metric(
    "TaskDuration",
    "Seconds",
    ("Job", "Status"),
    "time from the request of a task until it ended",
)
TASK_SECONDS = Metric(
    "TaskSeconds",
    "Seconds",
    ("Job", "Tier"),
    "time from the start of a task's last attempt until it was completed, by where it was done",
)
STORED_BYTES = Metric(
    "StoredBytes",
    "Bytes",
    ("Storage",),
    "bytes written to object storage (lake or files): how fast it grows; the line has the tenant",
)
DIFFERING_RECORDS = Metric(
    "DifferingRecords",
    "Count",
    (),
    "stored records that were read although their model refuses them, or that cannot be read; the "
    "line has the record and its wrong fields",
)
FENCE_UNREAD = Metric(
    "FenceUnread",
    "Count",
    (),
    "reads of the fence record that failed, or found an older one than before: after 15 s of them "
    "a process writes nothing; only in a system with two regions",
)

METRICS = {
    metric.name: metric
    for metric in (
        REQUEST_LATENCY,
        MEMORY_UTILIZATION,
        REQUESTS,
        FAULTS,
        ACTIVE_SESSIONS,
        CACHE_HITS,
        CACHE_MISSES,
        OUTBOX_AGE,
        EVENT_LAG,
        STREAM_DIVERGENCES,
        QUEUE_WAIT,
        TASK_DURATION,
        TASK_SECONDS,
        STORED_BYTES,
        DIFFERING_RECORDS,
        FENCE_UNREAD,
    )
}
"""Every metric by name."""
