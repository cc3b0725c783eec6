"""Reads a template: YAML with CloudFormation's short tags, as the long forms."""

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from zebros.cloudformation.errors import TemplateError

type Template = dict[str, Any]


class ConstantDict(dict[str, Any]):
    """A mapping of a template with no function inside: its value is itself."""


class ConstantList(list[Any]):
    """A list of a template with no function inside."""


CONSTANT = (ConstantDict, ConstantList)


class _Loader(yaml.CSafeLoader):
    """YAML with CloudFormation's tags."""


def _tag(loader: yaml.CSafeLoader, suffix: str, node: yaml.Node) -> Any:
    name = suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}"
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
        return {name: value.split(".", 1) if suffix == "GetAtt" else value}
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    assert isinstance(node, yaml.MappingNode)
    return {name: loader.construct_mapping(node, deep=True)}


_Loader.add_multi_constructor("!", _tag)


# CloudFormation reads a date without quotation marks, such as a policy's Version, as text.
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in found if tag != "tag:yaml.org,2002:timestamp"]
    for first, found in _Loader.yaml_implicit_resolvers.items()
}


def parse(text: str, where: str = "the template") -> Template:
    """A template as data; raises TemplateError for what is not a template."""
    try:
        loaded = yaml.load(text, _Loader)  # noqa: S506  # a safe loader
    except yaml.YAMLError as error:
        raise TemplateError(f"{where} is not YAML: {error}") from error
    if not isinstance(loaded, dict) or not isinstance(loaded.get("Resources"), dict):
        raise TemplateError(f"{where} has no Resources")
    return dict(marked(loaded))


def marked(value: Any) -> Any:
    """The value, with its parts that have no functions as constants: most of a template."""
    if isinstance(value, list):
        items = [marked(one) for one in value]
        return ConstantList(items) if _are_constant(items) else items
    if not isinstance(value, dict):
        return value
    pairs = {key: marked(one) for key, one in value.items()}
    function = len(pairs) == 1 and str(next(iter(pairs))).startswith(("Ref", "Fn::"))
    return ConstantDict(pairs) if not function and _are_constant(pairs.values()) else pairs


def _are_constant(values: Iterable[Any]) -> bool:
    return all(isinstance(one, CONSTANT) or not isinstance(one, dict | list) for one in values)


@cache
def load(path: Path) -> Template:
    """The template of a file; callers must not change it."""
    return parse(path.read_text(encoding="utf-8"), path.name)
