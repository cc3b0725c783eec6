"""Pricing of Aurora, ElastiCache, buckets."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from zebros.costs.charges import Charge, Design, amount, prices, referred
from zebros.costs.usage import HOURS

_YEAR = 365
_TIERED = "INTELLIGENT_TIERING"
_MB_PER_GB = Decimal(1024)


@prices("AWS::RDS::DBCluster")
def database_cluster(_name: str, properties: dict[str, Any], design: Design) -> Iterator[Charge]:
    """Storage and I/O; capacity is charged by instance."""
    if properties.get("StorageType", "aurora") != "aurora":
        raise ValueError(f"storage type {properties['StorageType']} has no price")
    yield Charge("aurora.storage", design.usage["database_gb"])
    yield Charge("aurora.io_requests", design.usage["database_io"])


@prices("AWS::RDS::DBInstance")
def database_instance(_name: str, properties: dict[str, Any], design: Design) -> Iterator[Charge]:
    """ACU hours of an instance of Aurora Serverless v2."""
    if properties.get("DBInstanceClass") != "db.serverless":
        raise ValueError(f"instance class {properties.get('DBInstanceClass')} has no price")
    cluster = design.properties(referred(properties["DBClusterIdentifier"]))
    range_ = cluster["ServerlessV2ScalingConfiguration"]
    units = design.scaled(amount(range_["MinCapacity"]), amount(range_["MaxCapacity"]))
    yield Charge("aurora.capacity", units * HOURS)


@prices("AWS::ElastiCache::ReplicationGroup")
def cache(_name: str, properties: dict[str, Any], _design: Design) -> Iterator[Charge]:
    """Node hours by engine and node type: shards x (1 + replicas), or so many nodes."""
    shards = amount(properties.get("NumNodeGroups", 1))
    replicas = properties.get("ReplicasPerNodeGroup")
    nodes = (
        shards * (1 + amount(replicas))
        if replicas is not None
        else shards * amount(properties.get("NumCacheClusters", 1))
    )
    engine = properties.get("Engine", "redis")
    yield Charge(f"elasticache.{engine}.{properties['CacheNodeType']}", nodes * HOURS)


def storage_classes(properties: dict[str, Any]) -> dict[str, Decimal]:
    """The part of a bucket in each storage class, when a year of objects has grown evenly.

    A rule with a prefix counts as if it applied to the whole bucket.
    """
    moves = sorted(
        (int(one["TransitionInDays"]), one["StorageClass"])
        for rule in properties.get("LifecycleConfiguration", {}).get("Rules", [])
        if rule.get("Status") == "Enabled"
        for one in [*rule.get("Transitions", []), *[rule[k] for k in ("Transition",) if k in rule]]
    )
    shares: dict[str, Decimal] = {}
    current, since = "STANDARD", 0
    for days, storage_class in [*moves, (_YEAR, "")]:
        until = min(days, _YEAR)
        if until > since:
            part = Decimal(until - since) / _YEAR
            shares[current] = shares.get(current, Decimal(0)) + part
            since = until
        current = storage_class
    return shares


@prices("AWS::S3::Bucket")
def bucket(name: str, properties: dict[str, Any], design: Design) -> Iterator[Charge]:
    """Storage by class, requests, and replication to another region."""
    usage = design.usage
    part = usage.rule("buckets", name).numbers["data"]
    stored, grown = usage.files_gb * part, usage["files_growth_gb"] * part
    for storage_class, share in storage_classes(properties).items():
        if storage_class != _TIERED:
            yield Charge(f"s3.{storage_class}", stored * share)
            continue
        often = usage["frequent_share"]
        yield Charge(f"s3.{_TIERED}", stored * share * often)
        yield Charge(f"s3.{_TIERED}_IA", stored * share * (1 - often))
        objects = stored * share * _MB_PER_GB / usage["object_mb"]
        yield Charge("s3.monitoring", objects)
    written = grown * _MB_PER_GB / usage["object_mb"]
    yield Charge("s3.writes", written)
    yield Charge("s3.reads", usage.reports + written)
    if "ReplicationConfiguration" in properties:
        yield Charge("network.data_between_regions", grown)
        yield Charge("s3.writes", written)
