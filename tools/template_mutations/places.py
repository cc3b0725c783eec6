"""Where each value of a template is in its file."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

type Steps = tuple[str | int, ...]
"""The keys and indexes that lead to a value of a parsed template."""


def lines(path: Path) -> dict[Steps, int]:
    """The line of each value, as zebros.cloudformation.load parses the file."""
    root = yaml.compose(path.read_text(encoding="utf-8"), yaml.CSafeLoader)
    return dict(_walk(root, ()))


def _walk(node: Any, steps: Steps) -> Iterator[tuple[Steps, int]]:
    yield steps, node.start_mark.line + 1
    if node.tag.startswith("!"):
        name = node.tag[1:]
        steps = (*steps, name if name in ("Ref", "Condition") else f"Fn::{name}")
        yield steps, node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from _walk(value, (*steps, key.value))
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield from _walk(value, (*steps, index))


def at(template: Any, steps: Steps) -> Any:
    """The value at a place."""
    for step in steps:
        template = template[step]
    return template
