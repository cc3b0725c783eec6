"""Pricing of DynamoDB tables, and of DAX in front of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from zebros.costs.charges import Charge, Design, amount, prices
from zebros.costs.usage import HOURS

_SECONDS = Decimal(3600)
_TARGET = Decimal(70)
"""The utilisation in percent that autoscaling aims at, unless a template says otherwise."""


@dataclass(frozen=True, slots=True)
class Load:
    """The units that a table, or one of its indexes, consumes a month."""

    write: Decimal
    read: Decimal


@dataclass(frozen=True, slots=True)
class Capacity:
    """The range of provisioned units, and the utilisation in percent that scaling aims at."""

    low: Decimal
    high: Decimal
    target: Decimal = _TARGET

    def unit_hours(self, units: Decimal, design: Design) -> Decimal:
        """Provisioned unit hours a month for so many consumed units, all in business hours."""
        busy = design.usage.busy_hours
        rate = units / (busy * _SECONDS)
        needed = max(self.low, min(self.high, rate / (self.target / 100)))
        return needed * busy + self.low * (HOURS - busy)


def loads(name: str, properties: dict[str, Any], design: Design) -> list[Load]:
    """The load of a table and of each of its indexes."""
    usage, share = design.usage, design.usage.rule("tables", name).numbers
    writes = usage.writes * share["writes"]
    reads = usage.reads * share["reads"] * usage["read_units"]
    indexes = properties.get("GlobalSecondaryIndexes", [])
    # Lists read an index, a GET reads the table: the reads are divided evenly.
    read = reads / (len(indexes) + 1)
    return [
        Load(writes * usage["write_units"], read),
        *(Load(writes * usage["index_write_units"], read) for _ in indexes),
    ]


def stored_gb(name: str, properties: dict[str, Any], design: Design) -> Decimal:
    """GB of a table with its indexes; an index with the document is as large as the table."""
    own = design.usage.data_gb * design.usage.rule("tables", name).numbers["data"]
    full = [
        one
        for one in properties.get("GlobalSecondaryIndexes", [])
        if one["Projection"]["ProjectionType"] != "KEYS_ONLY"
    ]
    return own * (1 + len(full))


@prices("AWS::DynamoDB::GlobalTable")
def table(name: str, properties: dict[str, Any], design: Design) -> Iterator[Charge]:
    """Capacity, storage and recovery of all replicas, which this stack owns."""
    replicas = properties["Replicas"]
    for place, replica in enumerate(replicas):
        replicated = "" if place == 0 else "replicated_"
        yield from _capacity(name, properties, replica, replicated, design)
        yield Charge("dynamodb.storage", stored_gb(name, properties, design))
        recovery = replica.get("PointInTimeRecoverySpecification", {})
        if recovery.get("PointInTimeRecoveryEnabled"):
            own = design.usage.data_gb * design.usage.rule("tables", name).numbers["data"]
            yield Charge("dynamodb.point_in_time_recovery", own)
    if "StreamSpecification" in properties:
        yield Charge("dynamodb.stream_reads", design.usage["stream_reads"])


def _capacity(
    name: str, properties: dict[str, Any], replica: dict[str, Any], replicated: str, design: Design
) -> Iterator[Charge]:
    """Requests or provisioned capacity of one replica; only the first one serves the readers."""
    ranges = provisioned(properties, replica)
    for load, range_ in zip(loads(name, properties, design), ranges, strict=True):
        read = load.read if not replicated else Decimal(0)
        if range_ is None:
            yield Charge(f"dynamodb.{replicated}write_requests", load.write)
            yield Charge("dynamodb.read_requests", read)
        else:
            write_hours = range_[0].unit_hours(load.write, design)
            yield Charge(f"dynamodb.{replicated}write_capacity", write_hours)
            yield Charge("dynamodb.read_capacity", range_[1].unit_hours(read, design))


def provisioned(
    properties: dict[str, Any], replica: dict[str, Any]
) -> list[tuple[Capacity, Capacity] | None]:
    """Write and read capacity of the table and each index; None for each when on demand."""
    indexes = properties.get("GlobalSecondaryIndexes", [])
    if properties.get("BillingMode", "PROVISIONED") == "PAY_PER_REQUEST":
        return [None] * (len(indexes) + 1)
    of_replica = {one["IndexName"]: one for one in replica.get("GlobalSecondaryIndexes", [])}
    pairs = [(properties, replica)]
    pairs += [(one, of_replica.get(one["IndexName"], {})) for one in indexes]
    return [(_range(write, "Write"), _range(read, "Read")) for write, read in pairs]


def _range(settings: dict[str, Any], kind: str) -> Capacity:
    throughput = settings.get(f"{kind}ProvisionedThroughputSettings", {})
    if f"{kind}CapacityUnits" in throughput:
        fixed = amount(throughput[f"{kind}CapacityUnits"])
        return Capacity(fixed, fixed)
    scaling = throughput[f"{kind}CapacityAutoScalingSettings"]
    tracking = scaling.get("TargetTrackingScalingPolicyConfiguration", {})
    return Capacity(
        amount(scaling["MinCapacity"]),
        amount(scaling["MaxCapacity"]),
        amount(tracking.get("TargetValue", str(_TARGET))),
    )


@prices("AWS::DAX::Cluster")
def accelerator(_name: str, properties: dict[str, Any], _design: Design) -> Iterator[Charge]:
    """Node hours by node type."""
    nodes = amount(properties["ReplicationFactor"])
    yield Charge(f"dax.{properties['NodeType']}", nodes * HOURS)
