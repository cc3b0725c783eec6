"""What an update from one system to another does to each resource."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from zebros.cloudformation.picture import Resource, System
from zebros.cloudformation.references import referred
from zebros.cloudformation.schemas import Replacement, Steps, at, replacement

HOLDS_DATA = frozenset(
    {
        "AWS::DynamoDB::GlobalTable",
        "AWS::DynamoDB::Table",
        "AWS::ECR::Repository",
        "AWS::EFS::FileSystem",
        "AWS::Events::Archive",
        "AWS::KMS::Key",
        "AWS::Kinesis::Stream",
        "AWS::Logs::LogGroup",
        "AWS::RDS::DBCluster",
        "AWS::S3::Bucket",
        "AWS::SQS::Queue",
    }
)
"""Types that hold what cannot be made again.

A cache holds nothing of record, every secret is generated, and a global database's data is in its
clusters, which outlive it.
"""
_VERSIONS = {
    "AWS::ApiGateway::Deployment",
    "AWS::Lambda::LayerVersion",
    "AWS::Lambda::Version",
}
_REVISIONS = _VERSIONS | {"AWS::ECS::TaskDefinition"}
"""Types whose replacement is the next version: the one before stays for what still runs it."""
_HASH = re.compile(r"[0-9a-f]{10}$")
"""SAM names a version by the hash of its content: another name is the next version."""


class Effect(StrEnum):
    """What happens to a resource."""

    ADDED = "added"
    CHANGED = "changed"
    REPLACED = "replaced"
    MAYBE_REPLACED = "may be replaced"
    NEW_VERSION = "new version"
    REMOVED = "removed"
    KEPT = "kept outside of the stack"
    """Removed from the stack; the resource itself stays, by its DeletionPolicy."""


LOSING = frozenset({Effect.REPLACED, Effect.MAYBE_REPLACED, Effect.REMOVED})
"""The effects after which a resource's data is gone, or is where nobody looks for it."""


@dataclass(frozen=True, slots=True)
class Change:
    """One resource that an update touches."""

    name: str
    type: str
    stack: str
    effect: Effect
    properties: tuple[str, ...] = ()
    """The changed properties."""
    reason: str = ""
    """Why it is replaced."""

    @property
    def holds_data(self) -> bool:
        """Whether the resource holds what cannot be computed again."""
        return self.type in HOLDS_DATA

    @property
    def loses_data(self) -> bool:
        """Whether the update loses what the resource holds."""
        return self.holds_data and self.effect in LOSING


def difference(
    before: System,
    after: System,
    schema: Callable[[str], Replacement] = replacement,
) -> list[Change]:
    """Every resource that an update touches, sorted by effect and name.

    A resource whose reference leads to a replaced one, or to a next version, is changed too; where
    its own property cannot be updated, it is replaced in turn.
    """
    old, new = _by_key(before), _by_key(after)
    found = {key: _gone(key, old[key][1]) for key in old.keys() - new.keys()}
    found |= {
        key: Change(new[key][0], new[key][1].type, new[key][1].stack, Effect.ADDED)
        for key in new.keys() - old.keys()
    }
    for key in old.keys() & new.keys():
        if change := _changed(old[key], new[key], schema):
            found[key] = change
    _follow(found, new, schema)
    order = list(Effect)
    return sorted(found.values(), key=lambda one: (order.index(one.effect), one.name))


type _Named = tuple[str, Resource]


def _by_key(system: System) -> dict[str, _Named]:
    return {
        _HASH.sub("", name) if resource.type in _VERSIONS else name: (name, resource)
        for name, resource in system.resources.items()
    }


def _gone(name: str, resource: Resource) -> Change:
    kept = resource.deletion_policy.startswith("Retain")
    effect = Effect.KEPT if kept else Effect.REMOVED
    return Change(name, resource.type, resource.stack, effect)


def _changed(old: _Named, new: _Named, schema: Callable[[str], Replacement]) -> Change | None:
    (before_name, before), (name, after) = old, new
    changed = tuple(
        sorted(
            key
            for key in before.properties.keys() | after.properties.keys()
            if before.properties.get(key) != after.properties.get(key)
        )
    )
    change = Change(name, after.type, after.stack, Effect.CHANGED, changed)
    if before.type != after.type or before.stack != after.stack:
        reason = f"it was a {before.type} of {before.stack}"
        return replace(change, effect=Effect.REPLACED, reason=reason)
    if before_name != name:
        return replace(change, effect=Effect.NEW_VERSION)
    if not changed:
        return None
    known = schema(after.type)
    for effect, paths in (
        (Effect.REPLACED, known.always),
        (Effect.MAYBE_REPLACED, known.sometimes),
    ):
        for path in sorted(paths):
            if at(before.properties, path) != at(after.properties, path):
                if after.type in _REVISIONS:
                    effect = Effect.NEW_VERSION
                return replace(change, effect=effect, reason=f"{'.'.join(path)} changes")
    return change


def _follow(
    found: dict[str, Change], new: dict[str, _Named], schema: Callable[[str], Replacement]
) -> None:
    """Add what a replacement does to the resources that refer to a replaced one."""
    versions = {one.name for one in found.values() if one.effect is Effect.NEW_VERSION}
    waiting = [
        *sorted(versions),
        *(one.name for one in found.values() if one.effect is Effect.REPLACED),
    ]
    while waiting:
        replaced = waiting.pop()
        for key, (name, resource) in new.items():
            if replaced not in resource.references or name == replaced:
                continue
            known = found.get(key)
            if known and known.effect is not Effect.CHANGED:
                continue
            event = "has a next version" if replaced in versions else "is replaced"
            reason = f"{replaced} {event}"
            change = known or Change(name, resource.type, resource.stack, Effect.CHANGED)
            if _names(resource, schema(resource.type).always, replaced):
                found[key] = replace(change, effect=Effect.REPLACED, reason=reason)
                waiting.append(name)
            elif not known:
                found[key] = replace(change, reason=reason)


def _names(resource: Resource, paths: frozenset[Steps], name: str) -> bool:
    return any(name in referred(at(resource.properties, path)) for path in paths)


def fixed_names(changes: list[Change], after: System) -> Iterator[str]:
    """Replaced resources whose name a template fixes: CloudFormation rejects the update."""
    for change in changes:
        resource = after.resources[change.name] if change.effect is Effect.REPLACED else None
        for path in replacement(change.type).identifiers if resource else ():
            value = at(resource.properties, path) if resource else None
            if isinstance(value, str) and not change.reason.startswith(path[0]):
                yield f"{change.name} would be replaced, but its {path[0]} is fixed"
