"""A move from one phase to another: what changes, its limits, and what it would cut off."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zebros.cloudformation.checks import faults
from zebros.cloudformation.difference import Change, Effect, difference, fixed_names
from zebros.cloudformation.picture import System
from zebros.cloudformation.system import resolve
from zebros.errors import BadInput
from zebros.phases import PHASES

if TYPE_CHECKING:
    from zebros.costs import Bill

_TABLES = ("AWS::DynamoDB::GlobalTable", "AWS::DynamoDB::Table")
_CACHES = {
    "AWS::DAX::Cluster",
    "AWS::ElastiCache::CacheCluster",
    "AWS::ElastiCache::ReplicationGroup",
    "AWS::ElastiCache::ServerlessCache",
}
_GONE = {Effect.REPLACED, Effect.MAYBE_REPLACED, Effect.REMOVED}

type Cost = Callable[[System], "Bill"]
"""Computes the monthly cost of a system."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a move does."""

    origin: str
    target: str
    changes: list[Change]
    limits: list[str]
    """What an operator has to know on the way, one sentence each."""
    cost: tuple["Bill", "Bill"] | None = None
    """Of a month, before and after."""
    no_cost: str = ""
    """Why there is no cost."""

    @property
    def losses(self) -> list[Change]:
        """Changes that lose data; a move must have none."""
        return [one for one in self.changes if one.loses_data]


def plan(
    root: Path,
    origin: str,
    target: str,
    parameters: Mapping[str, str],
    *,
    changed: Mapping[str, str] | None = None,
    used: Mapping[str, float] | None = None,
    cost: Cost | None = None,
) -> Plan:
    """The plan of a move from the template `root`; after it some parameters may have `changed`.

    Raises BadInput for an unknown phase, a move that changes nothing, parameters that the templates
    reject, a target that AWS rejects (a minimum above its maximum), and one that is smaller than
    the capacity in use.
    """
    for phase in (origin, target):
        if phase not in PHASES:
            raise BadInput(f"There is no phase {phase!r}.", hint=f"One of {', '.join(PHASES)}.")
    if origin == target and not changed:
        raise BadInput(f"The system is in phase {origin} before and after: nothing changes.")
    before = _resolved(root, {**parameters, "Phase": origin}, "Before")
    after = _resolved(root, {**parameters, **(changed or {}), "Phase": target}, "After")
    if wrong := faults(after):
        more = f" (and {len(wrong) - 1} more like it)" if len(wrong) > 1 else ""
        raise BadInput(f"The templates are wrong in phase {target}: {wrong[0]}{more}.")
    check_use(used or {}, before, after, target)
    changes = difference(before, after)
    move = Plan(origin, target, changes, sorted(limits(changes, before, after)))
    try:
        return replace(move, cost=(cost(before), cost(after))) if cost else move
    except BadInput as error:  # a resource of one's own that has no price
        return replace(move, no_cost=error.message)


def _resolved(root: Path, parameters: dict[str, str], when: str) -> System:
    try:
        return resolve(root, parameters)
    except BadInput as error:
        raise BadInput(f"{when} the move: {error.message}", hint=error.hint) from error


def limits(changes: list[Change], before: System, after: System) -> Iterator[str]:
    """What CloudFormation and the services allow only once, or only by losing a cache."""
    for change in changes:
        if change.type in _TABLES and change.effect is Effect.CHANGED:
            old, new = (one.resources[change.name].properties for one in (before, after))
            yield from _table_limits(change.name, old, new)
        if change.type in _CACHES and change.effect in _GONE:
            verb = "" if change.effect is Effect.MAYBE_REPLACED else "is "
            yield f"{change.name} {verb}{change.effect}: the cache is empty afterwards."
        if change.effect is Effect.ADDED and change.type in _CACHES:
            yield f"{change.name} is added: the cache is empty at first."
    yield from (f"{one}; CloudFormation rejects the update." for one in fixed_names(changes, after))


def _table_limits(name: str, old: dict[str, Any], new: dict[str, Any]) -> Iterator[str]:
    before, after = (
        {index["IndexName"] for index in table.get("GlobalSecondaryIndexes", [])}
        for table in (old, new)
    )
    if (count := len(before ^ after)) > 1:
        yield f"{name}: {count} indexes change, and an update adds or removes one: {count} updates."
    if old.get("BillingMode") != new.get("BillingMode"):
        yield (
            f"{name}: the billing mode switches, which DynamoDB limits within 24 hours: "
            "do not move back on the same day."
        )


def ceilings(system: System) -> dict[str, float]:
    """The most that each resource can take, by `resource.metric`; math.inf for on demand."""
    return dict(_ceilings(system))


def _ceilings(system: System) -> Iterator[tuple[str, float]]:
    for name, function in system.of_type("AWS::Lambda::Function").items():
        most = function.get("ReservedConcurrentExecutions", math.inf)
        yield f"{name}.ConcurrentExecutions", most
    for name, table in system.of_type("AWS::DynamoDB::GlobalTable").items():
        yield from _throughput(name, table)
    for name, target in system.of_type("AWS::ApplicationAutoScaling::ScalableTarget").items():
        yield f"{name}.Capacity", target["MaxCapacity"]
    for name, cluster in system.of_type("AWS::RDS::DBCluster").items():
        scaling = cluster.get("ServerlessV2ScalingConfiguration", {})
        yield f"{name}.ServerlessDatabaseCapacity", scaling.get("MaxCapacity", math.inf)


def _throughput(name: str, table: dict[str, Any]) -> Iterator[tuple[str, float]]:
    (replica, *_) = table["Replicas"]
    for kind, settings in (
        ("Read", replica.get("ReadProvisionedThroughputSettings", {})),
        ("Write", table.get("WriteProvisionedThroughputSettings", {})),
    ):
        scaling = settings.get(f"{kind}CapacityAutoScalingSettings", {})
        yield f"{name}.{kind}CapacityUnits", scaling.get("MaxCapacity", math.inf)


def check_use(used: Mapping[str, float], before: System, after: System, target: str) -> None:
    """Raise BadInput when the target cannot take what is used, or for an unknown name."""
    known, there = ceilings(before), ceilings(after)
    for name, amount in used.items():
        if name not in known:
            near = get_close_matches(name, known, n=3, cutoff=0.4) or sorted(known)[:3]
            raise BadInput(f"{name} is not a capacity of the system; there is {' or '.join(near)}.")
        most = there.get(name, 0)
        if amount > most:
            raise BadInput(f"{target} has {most:g} of {name}, but {amount:g} are in use.")
