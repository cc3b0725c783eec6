"""Which resources a value names, and whether they exist."""

import re
from collections.abc import Iterator
from typing import Any

from zebros.cloudformation.errors import TemplateError
from zebros.cloudformation.load import CONSTANT
from zebros.cloudformation.picture import Resource, System

_REFERENCE = re.compile(r"\$\{([\w:]+)")


def check_references(system: System) -> None:
    """Raise TemplateError for a reference to a resource that does not exist."""
    for name, resource in system.resources.items():
        for wanted in sorted(resource.references):
            if wanted not in system.resources and not _is_stack(system, resource, wanted):
                raise TemplateError(f"{name} needs {wanted}, which does not exist")
    # CloudFormation evaluates every output of a nested stack, also one that nobody reads.
    for stack, outputs in system.outputs_of.items():
        for name, value in outputs.items():
            for wanted in referred(value):
                if wanted not in system.resources and f"{stack}/{wanted}" not in system.stacks:
                    raise TemplateError(
                        f"output {name} of {stack} needs {wanted}, which does not exist"
                    )


def _is_stack(system: System, resource: Resource, name: str) -> bool:
    """Whether a name is that of a nested stack, on which a resource may depend."""
    return f"{resource.stack}/{name}" in system.stacks


def referred(value: Any) -> Iterator[str]:
    """The resources that a value names."""
    if isinstance(value, CONSTANT):
        return
    if isinstance(value, list):
        for one in value:
            yield from referred(one)
    elif isinstance(value, dict):
        match value:
            case {"Ref": str(name)} if len(value) == 1:
                yield name
            case {"Fn::GetAtt": [str(name), *_]}:
                yield name
            case {"Fn::Sub": str(text)}:
                yield from _REFERENCE.findall(text)
            case _:
                for one in value.values():
                    yield from referred(one)
