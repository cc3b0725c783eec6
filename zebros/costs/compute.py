"""Pricing of functions, provisioned concurrency and container services."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from zebros.costs.charges import Charge, Design, amount, names, prices, referred
from zebros.costs.usage import HOURS

_FULL_CORE_MB = Decimal(1769)
"""The memory from which a function has one vCPU (AWS Lambda developer guide, "Memory")."""
_SECONDS = Decimal(3600)
_DEFAULT_MB = 128
_CPU_UNITS = Decimal(1024)
_PROVISIONED = "lambda:function:ProvisionedConcurrency"


def memory(properties: dict[str, Any]) -> Decimal:
    """A function's memory in MB."""
    return amount(properties.get("MemorySize", _DEFAULT_MB))


@prices("AWS::Lambda::Function")
def function(name: str, properties: dict[str, Any], design: Design) -> Iterator[Charge]:
    """Requests and duration; a function with provisioned concurrency has its own rate."""
    rule = design.usage.rule("functions", name)
    calls = design.usage.calls(rule)
    size = memory(properties)
    slower = max(_FULL_CORE_MB / size, Decimal(1))
    seconds = (rule.numbers["wait_ms"] + rule.numbers["cpu_ms"] * slower) / 1000
    item = "provisioned_duration" if provisioned(name, design) else "duration"
    yield Charge("lambda.requests", calls)
    yield Charge(f"lambda.{item}", calls * seconds * size / 1024)


def provisioned(name: str, design: Design) -> list[str]:
    """The aliases and versions of a function that have provisioned concurrency."""
    kinds = ("AWS::Lambda::Alias", "AWS::Lambda::Version")
    return [
        alias
        for kind in kinds
        for alias, properties in design.system.of_type(kind).items()
        if referred(properties.get("FunctionName")) == name
        and "ProvisionedConcurrencyConfig" in properties
    ]


def _environments(function_name: str, properties: dict[str, Any], design: Design) -> Decimal:
    """The average number of provisioned execution environments of an alias or version."""
    config = properties["ProvisionedConcurrencyConfig"]
    for target in design.system.of_type("AWS::ApplicationAutoScaling::ScalableTarget").values():
        if target.get("ScalableDimension") == _PROVISIONED and names(
            target.get("ResourceId"), function_name
        ):
            return _scheduled(target, design)
    return amount(config["ProvisionedConcurrentExecutions"])


def _scheduled(target: dict[str, Any], design: Design) -> Decimal:
    """The average of a target: the largest scheduled range in business hours, else the smallest."""
    own = (amount(target["MinCapacity"]), amount(target["MaxCapacity"]))
    actions = [one["ScalableTargetAction"] for one in target.get("ScheduledActions", [])]
    ranges = [
        (amount(one.get("MinCapacity", own[0])), amount(one.get("MaxCapacity", own[1])))
        for one in actions
    ] or [own]
    (quiet, _), (low, high) = min(ranges), max(ranges)
    busy = design.usage.busy_hours / HOURS
    return quiet * (1 - busy) + (low + (high - low) * design.usage["scaling_use"]) * busy


@prices("AWS::Lambda::Alias")
@prices("AWS::Lambda::Version")
def alias(_name: str, properties: dict[str, Any], design: Design) -> Iterator[Charge]:
    """Provisioned concurrency: memory x environments x seconds."""
    if "ProvisionedConcurrencyConfig" not in properties:
        return
    function_name = referred(properties["FunctionName"])
    size = memory(design.properties(function_name)) / 1024
    environments = _environments(function_name, properties, design)
    yield Charge("lambda.provisioned_concurrency", size * environments * HOURS * _SECONDS)


def tasks(name: str, properties: dict[str, Any], design: Design) -> Decimal:
    """The average number of running tasks of an ECS service."""
    for target in design.system.of_type("AWS::ApplicationAutoScaling::ScalableTarget").values():
        if target.get("ServiceNamespace") == "ecs" and names(target.get("ResourceId"), name):
            return design.scaled(amount(target["MinCapacity"]), amount(target["MaxCapacity"]))
    return amount(properties.get("DesiredCount", 1))


def spot_share(properties: dict[str, Any], running: Decimal) -> Decimal:
    """The part of the tasks that runs on Spot: a base first, then by the providers' weights."""
    strategy = properties.get("CapacityProviderStrategy", [])
    weights = {one["CapacityProvider"]: amount(one.get("Weight", 0)) for one in strategy}
    bases = {one["CapacityProvider"]: amount(one.get("Base", 0)) for one in strategy}
    total = sum(weights.values(), Decimal(0))
    if not total or not running:
        return Decimal(0)
    based = min(sum(bases.values(), Decimal(0)), running)
    spot_base = min(bases.get("FARGATE_SPOT", Decimal(0)), based)
    by_weight = (running - based) * weights.get("FARGATE_SPOT", Decimal(0)) / total
    return (spot_base + by_weight) / running


def task_size(properties: dict[str, Any], design: Design) -> tuple[Decimal, Decimal]:
    """vCPUs and GB of a task of an ECS service."""
    task = design.properties(referred(properties["TaskDefinition"]))
    return amount(task["Cpu"]) / _CPU_UNITS, amount(task["Memory"]) / 1024


@prices("AWS::ECS::Service")
def service(name: str, properties: dict[str, Any], design: Design) -> Iterator[Charge]:
    """vCPU and GB hours, on demand and on Spot, and the public addresses of the tasks."""
    running = tasks(name, properties, design)
    cpu, gb = task_size(properties, design)
    spot = spot_share(properties, running)
    for prefix, share in (("", 1 - spot), ("spot_", spot)):
        if share:
            yield Charge(f"fargate.{prefix}cpu", cpu * running * share * HOURS)
            yield Charge(f"fargate.{prefix}memory", gb * running * share * HOURS)
    network = properties.get("NetworkConfiguration", {}).get("AwsvpcConfiguration", {})
    if network.get("AssignPublicIp") == "ENABLED":
        yield Charge("network.public_addresses", running * HOURS)


@prices("AWS::ECS::Cluster")
def cluster(_name: str, properties: dict[str, Any], design: Design) -> Iterator[Charge]:
    """The metrics of Container Insights."""
    settings = {one["Name"]: one["Value"] for one in properties.get("ClusterSettings", [])}
    if settings.get("containerInsights") in ("enabled", "enhanced"):
        yield Charge("cloudwatch.metrics", design.usage["container_metrics"])


@prices("AWS::ECR::Repository")
def repository(_name: str, _properties: dict[str, Any], design: Design) -> Iterator[Charge]:
    """Stored images."""
    yield Charge("ecr.storage", design.usage["image_gb"])
