"""What a deployed system can take, read from its resolved templates."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from zebros.cloudformation import System

DEFAULT_CONCURRENCY = 1000
"""The usual quota of an account, which functions without a share have in common."""
_LAMBDA, _TABLE = "AWS::Lambda::Function", "AWS::DynamoDB::GlobalTable"
_TARGET, _SOURCE = "AWS::ApplicationAutoScaling::ScalableTarget", "AWS::Lambda::EventSourceMapping"


@dataclass(frozen=True, slots=True)
class FunctionSize:
    """A function's memory, share of concurrency, and environments that are always ready."""

    memory: int
    concurrency: int
    ready: int = 0
    has_share: bool = True
    ready_most: int = 0
    """To how many `ready` may scale."""


@dataclass(frozen=True, slots=True)
class TableSize:
    """A table: the range of its write and read units, of each index too; None: on demand."""

    range: tuple[int, int] | None
    indexes: int


@dataclass(frozen=True, slots=True)
class WorkerSize:
    """A service of workers."""

    least: int
    most: int
    processors: float
    spot: float
    """The share of its tasks that is interrupted sometimes."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """The sizes of a system."""

    functions: Mapping[str, FunctionSize]
    tables: Mapping[str, TableSize]
    workers: WorkerSize | None
    tenant_rate: float
    """Requests a second that one tenant may send."""
    tenant_burst: float

    @classmethod
    def of(cls, system: System) -> "Sizes":
        """The sizes of a resolved system."""
        functions = dict(_functions(system))
        limits = system.resources["CustomersApi"].properties["Environment"]["Variables"]
        return cls(
            functions,
            {name: _table(one) for name, one in system.of_type(_TABLE).items()},
            _workers(system),
            float(limits["TENANT_REQUESTS_PER_SECOND"]),
            float(limits["TENANT_BURST"]),
        )


def _functions(system: System) -> Iterator[tuple[str, FunctionSize]]:
    ranges = {
        name.removesuffix("ProvisionedRange"): one
        for name, one in system.of_type(_TARGET).items()
        if one["ServiceNamespace"] == "lambda"
    }
    for name, one in system.of_type(_LAMBDA).items():
        share = one.get("ReservedConcurrentExecutions")
        bounds = ranges.get(name, {})
        yield (
            name,
            FunctionSize(
                int(one["MemorySize"]),
                int(share or DEFAULT_CONCURRENCY),
                int(bounds.get("MinCapacity", 0)),
                has_share=share is not None,
                ready_most=int(bounds.get("MaxCapacity", 0)),
            ),
        )


def _table(properties: dict[str, Any]) -> TableSize:
    indexes = len(properties.get("GlobalSecondaryIndexes", []))
    if properties["BillingMode"] != "PROVISIONED":
        return TableSize(None, indexes)
    scaling = properties["WriteProvisionedThroughputSettings"]["WriteCapacityAutoScalingSettings"]
    return TableSize((int(scaling["MinCapacity"]), int(scaling["MaxCapacity"])), indexes)


def _workers(system: System) -> WorkerSize | None:
    service = system.of_type("AWS::ECS::Service").get("StandardWorkerService")
    if service is None:
        return None
    target = system.of_type(_TARGET)["StandardWorkerScalableTarget"]
    task = system.resources["StandardWorkerTask"].properties
    weights = {
        one["CapacityProvider"]: one["Weight"] for one in service["CapacityProviderStrategy"]
    }
    return WorkerSize(
        int(target["MinCapacity"]),
        int(target["MaxCapacity"]),
        int(task["Cpu"]) / 1024,
        weights.get("FARGATE_SPOT", 0) / sum(weights.values()),
    )
