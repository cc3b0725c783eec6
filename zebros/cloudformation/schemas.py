"""What CloudFormation's resource schemas say about a type; cfn-lint carries them."""

from dataclasses import dataclass
from functools import cache
from typing import Any

from zebros.errors import NotReady

_REGION = "us-east-1"
_PREFIX = "/properties/"

type Steps = tuple[str, ...]

_NOT_IN_SCHEMAS: dict[str, frozenset[Steps]] = {
    # Only from disabled over compatible to enabled, and with online resharding, it stays.
    "AWS::ElastiCache::ReplicationGroup": frozenset({("ClusterMode",), ("NumNodeGroups",)}),
}
"""Properties that replace a resource sometimes, by the user guide of CloudFormation."""


@dataclass(frozen=True, slots=True)
class Replacement:
    """The properties of a type whose change replaces a resource, each as its path."""

    always: frozenset[Steps] = frozenset()
    sometimes: frozenset[Steps] = frozenset()
    """Whether it is replaced depends on the old and the new value."""
    identifiers: frozenset[Steps] = frozenset()
    """The resource's own name; while a template fixes it, CloudFormation cannot replace it."""


@cache
def replacement(kind: str) -> Replacement:
    """What replaces a resource of a type; nothing is known of types that AWS does not publish.

    Raises NotReady without cfn-lint, which only the development environment has.
    """
    try:
        from cfnlint.schema import PROVIDER_SCHEMA_MANAGER, ResourceNotFoundError
    except ImportError as error:
        raise NotReady(
            "The resource schemas are not installed.", hint="`make env` installs cfn-lint."
        ) from error
    try:
        schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema(_REGION, kind).schema
    except ResourceNotFoundError:
        return Replacement()
    return Replacement(
        _paths(schema, "createOnlyProperties"),
        _paths(schema, "conditionalCreateOnlyProperties") | _NOT_IN_SCHEMAS.get(kind, frozenset()),
        _paths(schema, "primaryIdentifier"),
    )


def _paths(schema: dict[str, Any], key: str) -> frozenset[Steps]:
    return frozenset(tuple(path.removeprefix(_PREFIX).split("/")) for path in schema.get(key, []))


def at(properties: Any, steps: Steps) -> Any:
    """The value at a path of a schema; `*` stands for every item of a list."""
    for index, step in enumerate(steps):
        if step == "*" and isinstance(properties, list):
            return [at(one, steps[index + 1 :]) for one in properties]
        if not isinstance(properties, dict):
            return None
        properties = properties.get(step)
    return properties
