"""Which metrics a rule reads for a resource: pure functions.

Sources: "Types of metrics for Lambda functions", "DynamoDB metrics and dimensions", "Amazon ECS
CloudWatch metrics", "Container Insights metrics" and "Available CloudWatch metrics for Amazon SQS".
"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from scaling.model.inventory import Resource

FIVE_MINUTES, MINUTE = 300, 60
ALIAS = "live"
_API = "Api"


class Series(NamedTuple):
    """One metric."""

    namespace: str
    name: str
    stat: str
    dimensions: tuple[tuple[str, str], ...]


class Source(NamedTuple):
    """The metrics of one reading."""

    series: tuple[Series, ...]
    period: int = FIVE_MINUTES
    """Seconds."""
    combine: Callable[[Iterable[float]], float] = max
    of_setting: bool = False
    """The reading is the value in percent of the setting."""


def source_of(rule: str, resource: Resource, users: str) -> Source | None:
    """The metrics of a rule; None when the resource has none. `users`: the authorizer's name."""
    made = _SOURCES.get(rule)
    return made(resource, users) if made else None


def errors_of(resource: Resource) -> Source:
    """How often a function fails."""
    return Source((_of_function(resource, "Errors", "Sum"),))


def _of_function(resource: Resource, name: str, stat: str, *more: tuple[str, str]) -> Series:
    return Series("AWS/Lambda", name, stat, (("FunctionName", resource.id), *more))


def _of_alias(resource: Resource, name: str, stat: str) -> Series:
    return _of_function(resource, name, stat, ("Resource", f"{resource.id}:{ALIAS}"))


def _function(name: str, stat: str) -> Callable[[Resource, str], Source]:
    return lambda resource, _users: Source((_of_function(resource, name, stat),))


def _memory(resource: Resource, _users: str) -> Source | None:
    if not resource.name.endswith(_API):
        return None
    dimensions = (("Function", f"{resource.name.removesuffix(_API).lower()}-api"),)
    return Source((Series("Zebros", "MemoryUtilization", "p95", dimensions),))


def _queue(resource: Resource, _users: str) -> Source | None:
    queue = resource.more.get("queue")
    if queue is None:
        return None
    name, dimensions = "ApproximateNumberOfMessagesVisible", (("QueueName", queue),)
    return Source((Series("AWS/SQS", name, "Maximum", dimensions),), MINUTE)


def _service(name: str, namespace: str, *, of_setting: bool = False) -> Callable[..., Source]:
    def made(resource: Resource, _users: str) -> Source:
        cluster, _, service = resource.id.partition("/")
        dimensions = (("ClusterName", cluster), ("ServiceName", service))
        period = FIVE_MINUTES if of_setting else MINUTE
        series = Series(namespace, name, "Average", dimensions)
        return Source((series,), period, of_setting=of_setting)

    return made


def _users(_resource: Resource, users: str) -> Source:
    series = Series("AWS/Lambda", "Invocations", "Sum", (("FunctionName", users),))
    return Source((series,))


def _table_throttles(resource: Resource, _users: str) -> Source:
    operations = ("TransactWriteItems", "GetItem", "Query")
    return Source(
        tuple(
            Series(
                "AWS/DynamoDB",
                "ThrottledRequests",
                "Sum",
                (("TableName", resource.id), ("Operation", one)),
            )
            for one in operations
        ),
        MINUTE,
        sum,
    )


def _capacity(resource: Resource, _users: str) -> Source:
    names = ("ProvisionedReadCapacityUnits", "ProvisionedWriteCapacityUnits")
    series = (
        Series("AWS/DynamoDB", name, "Maximum", place)
        for place in _places(resource)
        for name in names
    )
    return Source(tuple(series), of_setting=True)


def consumption_of(table: Resource) -> dict[str, tuple[Series, ...]]:
    """The consumed units of a table and each of its indexes, by kind of unit."""
    return {
        kind: tuple(
            Series("AWS/DynamoDB", f"Consumed{kind.title()}CapacityUnits", "Sum", place)
            for place in _places(table)
        )
        for kind in ("read", "write")
    }


def _places(table: Resource) -> list[tuple[tuple[str, str], ...]]:
    own = ("TableName", table.id)
    numbers = range(1, table.number("indexes") + 1)
    return [(own,), *((own, ("GlobalSecondaryIndexName", f"gsi{n}")) for n in numbers)]


_SOURCES: dict[str, Callable[[Resource, str], Source | None]] = {
    "throttles": _function("Throttles", "Sum"),
    "concurrency_in_use": lambda resource, _users: Source(
        (_of_function(resource, "ConcurrentExecutions", "Maximum"),), of_setting=True
    ),
    "spillover": lambda resource, _users: Source(
        (_of_alias(resource, "ProvisionedConcurrencySpilloverInvocations", "Sum"),)
    ),
    "provisioned_in_use": lambda resource, _users: Source(
        (_of_alias(resource, "ProvisionedConcurrentExecutions", "Maximum"),), of_setting=True
    ),
    "function_memory": _memory,
    "api_latency": _function("Duration", "p95"),
    "report_queue": _queue,
    "worker_cpu": _service("CPUUtilization", "AWS/ECS"),
    "worker_memory": _service("MemoryUtilization", "AWS/ECS"),
    "tasks_in_use": _service("RunningTaskCount", "ECS/ContainerInsights", of_setting=True),
    "users": _users,
    "cache_users": _users,
    "table_throttles": _table_throttles,
    "capacity_in_use": _capacity,
}
KNOWN_RULES: Sequence[str] = tuple(_SOURCES)
"""The rules with metrics."""
