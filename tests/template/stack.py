"""The template as data: CloudFormation's short tags read as their long forms."""

from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]


class _Loader(yaml.SafeLoader):
    """YAML with CloudFormation's tags."""


def _tag(loader: yaml.Loader, suffix: str, node: yaml.Node) -> Any:
    name = suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}"
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
        return {name: value.split(".", 1) if suffix == "GetAtt" else value}
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    assert isinstance(node, yaml.MappingNode)
    return {name: loader.construct_mapping(node, deep=True)}


_Loader.add_multi_constructor("!", _tag)


@cache
def load(name: str = "template.yaml") -> dict[str, Any]:
    """A template of the repository."""
    loaded: dict[str, Any] = yaml.load((ROOT / name).read_text(encoding="utf-8"), _Loader)
    return loaded


def resources(kind: str, name: str = "template.yaml") -> dict[str, dict[str, Any]]:
    """Resources of a type by logical id, with their Properties."""
    found = load(name)["Resources"]
    return {k: v.get("Properties", {}) for k, v in found.items() if v["Type"] == kind}


def functions() -> dict[str, dict[str, Any]]:
    """Every function's properties by logical id."""
    return resources("AWS::Serverless::Function")


def statements(properties: dict[str, Any]) -> list[dict[str, Any]]:
    """A function's own policy statements."""
    return [s for p in properties.get("Policies", []) for s in p["Statement"]]


def listed(value: Any) -> list[Any]:
    """One or many as many."""
    return value if isinstance(value, list) else [value]
