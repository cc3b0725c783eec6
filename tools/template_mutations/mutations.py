"""The changes: each figure, wire, condition, list item, permission, policy and resource.

What is not changed: descriptions, other texts (cfn-lint knows the words of each type), and the
paths of the REST API, which `make drift` compares with the routes.
"""

import copy
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from tools.drift import ROOT
from tools.mappings import templates
from tools.template_mutations.places import Steps, at, lines
from zebros.cloudformation.load import Template, load
from zebros.cloudformation.system import forget

_VARIABLE = re.compile(r"\$\{([^!}][^}]*)\}")
_PSEUDO = ("AWS::Region", "AWS::AccountId", "AWS::StackName", "AWS::Partition")
_RETENTION = ("DeletionPolicy", "UpdateReplacePolicy")
_GENERATED = ("DefinitionBody", "paths")
_NOT_CHANGED = {"Metadata", "AWSTemplateFormatVersion", "Description", "Transform"}


class _Removed:
    def __repr__(self) -> str:
        return "removed"


REMOVED = _Removed()


@dataclass(frozen=True, slots=True)
class Mutation:
    """One change of one template."""

    template: str
    line: int
    kind: str
    """figure, switch, wire, condition, rule, item, permission, retention, order or resource."""
    steps: Steps
    before: Any = field(compare=False)
    after: Any = field(compare=False)

    @property
    def place(self) -> str:
        """The steps as text: `Resources.Queue.Properties.VisibilityTimeout`."""
        return ".".join(str(step).replace("Fn::", "!") for step in self.steps)

    def apply(self) -> None:
        """Change the loaded template, of which all later `load()` calls return the same object."""
        *way, last = self.steps
        parent = at(load(ROOT / self.template), tuple(way))
        if self.after is REMOVED:
            del parent[last]
        else:
            parent[last] = copy.deepcopy(self.after)
        forget(ROOT / self.template)

    def __str__(self) -> str:
        before, after = (_short(one) for one in (self.before, self.after))
        return f"{self.template}:{self.line} {self.kind} {self.place}: {before} -> {after}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def every() -> list[Mutation]:
    """Every mutation of every template."""
    return [one for path in templates() for one in mutations(path)]


def mutations(path: Path) -> Iterator[Mutation]:
    """The mutations of one template."""
    template, where = load(path), lines(path)
    name = str(path.relative_to(ROOT))
    for kind, steps, after in _Changes(template, path).all():
        if after == at(template, steps):  # such as a statement that names every action already
            continue
        known = steps
        while known not in where:
            known = known[:-1]
        yield Mutation(name, where[known], kind, steps, at(template, steps), after)


type Change = tuple[str, Steps, Any]


class _Changes:
    """The changes of a template, by its sections."""

    def __init__(self, template: Template, path: Path) -> None:
        self._template, self._path = template, path
        self._parameters: dict[str, Any] = template.get("Parameters", {})
        self._resources: dict[str, Any] = template["Resources"]

    def all(self) -> Iterator[Change]:
        for name, definition in self._parameters.items():
            yield from self._parameter(("Parameters", name), definition)
        yield from self._inside(("Mappings",), self._template.get("Mappings", {}))
        for name, condition in self._template.get("Conditions", {}).items():
            yield from self._condition(("Conditions", name), condition)
        for name, rule in self._template.get("Rules", {}).items():
            yield from self._rule(("Rules", name), rule)
        for name, resource in self._resources.items():
            yield from self._resource(("Resources", name), resource)
        for name, output in self._template.get("Outputs", {}).items():
            yield from self._inside(("Outputs", name, "Value"), output["Value"])

    def _parameter(self, steps: Steps, definition: dict[str, Any]) -> Iterator[Change]:
        for key in ("Default", "MinValue", "MaxValue", "AllowedPattern"):
            if key not in definition:
                continue
            value = definition[key]
            if key == "AllowedPattern":
                yield "figure", (*steps, key), REMOVED
            elif "AllowedValues" in definition:
                others = [one for one in definition["AllowedValues"] if one != value]
                yield "figure", (*steps, key), others[0]
            elif definition["Type"] == "Number":
                yield "figure", (*steps, key), _other_number(value)
            else:
                yield "figure", (*steps, key), f"{value}x"

    def _condition(self, steps: Steps, condition: Any) -> Iterator[Change]:
        yield "condition", steps, {"Fn::Not": [condition]}
        for name in ("Fn::And", "Fn::Or"):
            for index, _ in enumerate(condition.get(name, [])):
                yield "condition", (*steps, name, index), REMOVED

    def _rule(self, steps: Steps, rule: dict[str, Any]) -> Iterator[Change]:
        if "RuleCondition" in rule:
            yield "rule", (*steps, "RuleCondition"), {"Fn::Not": [rule["RuleCondition"]]}
        for index, assertion in enumerate(rule["Assertions"]):
            place = (*steps, "Assertions", index)
            yield "rule", place, REMOVED
            yield "rule", (*place, "Assert"), {"Fn::Not": [assertion["Assert"]]}

    def _resource(self, steps: Steps, resource: dict[str, Any]) -> Iterator[Change]:
        yield "resource", steps, REMOVED
        if "Condition" in resource:
            yield "condition", (*steps, "Condition"), REMOVED
        for key in _RETENTION:
            if key in resource:
                yield "retention", (*steps, key), REMOVED
        if "DependsOn" in resource:
            yield "order", (*steps, "DependsOn"), REMOVED
        properties = resource.get("Properties", {})
        nested = properties.get("Parameters", {}) if self._child(resource) else {}
        for name in nested:
            yield "wire", (*steps, "Properties", "Parameters", name), REMOVED
        yield from self._inside((*steps, "Properties"), properties)
        yield from self._inside((*steps, "UpdatePolicy"), resource.get("UpdatePolicy", {}))

    def _inside(self, steps: Steps, value: Any) -> Iterator[Change]:
        if steps[-2:] == _GENERATED or steps[-1] in _NOT_CHANGED:
            return
        if isinstance(value, bool):
            yield "switch", steps, not value
        elif isinstance(value, int | float):
            yield "figure", steps, _other_number(value)
        elif isinstance(value, str) and steps[0] == "Mappings":
            yield "figure", steps, f"{value}x"
        elif isinstance(value, list):
            yield from self._items(steps, value)
        elif isinstance(value, dict):
            yield from self._mapping(steps, value)

    def _items(self, steps: Steps, items: list[Any]) -> Iterator[Change]:
        for index, one in enumerate(items):
            if len(items) > 1 and not str(steps[-1]).startswith("Fn::"):
                yield "item", (*steps, index), REMOVED
            yield from self._inside((*steps, index), one)

    def _mapping(self, steps: Steps, value: dict[str, Any]) -> Iterator[Change]:
        if {"Effect", "Action"} <= set(value):
            yield from _permission(steps, value)
        match value:
            case {"Ref": str(name)}:
                yield from self._rewired(steps, name, "")
            case {"Fn::GetAtt": [str(name), str(attribute)]}:
                yield from self._rewired(steps, name, attribute)
            case {"Fn::Sub": str(text)}:
                yield from self._text((*steps, "Fn::Sub"), text)
            case {"Fn::Sub": [str(text), dict()]}:
                yield from self._text((*steps, "Fn::Sub", 0), text)
                yield from self._inside((*steps, "Fn::Sub", 1), value["Fn::Sub"][1])
            case {"Fn::FindInMap": [name, key, figure]}:
                yield from self._figure(steps, name, key, figure)
            case {"Fn::If": [name, yes, no]}:
                yield "condition", steps, {"Fn::If": [name, no, yes]}
                yield from self._inside((*steps, "Fn::If", 1), yes)
                yield from self._inside((*steps, "Fn::If", 2), no)
            case _:
                for key, one in value.items():
                    yield from self._inside((*steps, key), one)

    def _text(self, steps: Steps, text: str) -> Iterator[Change]:
        for found in _VARIABLE.finditer(text):
            name, _, attribute = found[1].partition(".")
            for other in self._others(name, attribute):
                written = ".".join(other.get("Fn::GetAtt", [other.get("Ref")]))
                start, end = found.span()
                yield "wire", steps, f"{text[:start]}${{{written}}}{text[end:]}"

    def _rewired(self, steps: Steps, name: str, attribute: str) -> Iterator[Change]:
        for other in self._others(name, attribute):
            yield "wire", steps, other

    def _others(self, name: str, attribute: str) -> Iterator[dict[str, Any]]:
        """A plausible mistake in place of a reference: another of its kind, if there is one."""
        if name == "AWS::NoValue":
            return
        if name.startswith("AWS::"):
            yield {"Ref": _next(name, _PSEUDO)}
        elif name in self._parameters:
            kind = self._parameters[name]["Type"]
            alike = [one for one, other in self._parameters.items() if other["Type"] == kind]
            yield {"Ref": _next(name, alike) if len(alike) > 1 else "AWS::StackName"}
        elif name in self._resources:
            yield self._other_resource(name, attribute)

    def _other_resource(self, name: str, attribute: str) -> dict[str, Any]:
        resource = self._resources[name]
        outputs = self._child(resource)
        if outputs and attribute:
            return {"Fn::GetAtt": [name, _next(attribute, outputs)]}
        alike = [n for n, one in self._resources.items() if one["Type"] == resource["Type"]]
        other = _next(name, alike if len(alike) > 1 else list(self._resources))
        return {"Fn::GetAtt": [other, attribute]} if attribute else {"Ref": other}

    def _child(self, resource: dict[str, Any]) -> list[str]:
        """The outputs of a nested stack, as attributes."""
        properties = resource.get("Properties", {})
        location = properties.get("Location", properties.get("TemplateURL"))
        if not isinstance(location, str):
            return []
        return _outputs((self._path.parent / location).resolve())

    def _figure(self, steps: Steps, name: str, key: Any, figure: str) -> Iterator[Change]:
        rows = self._template.get("Mappings", {})[name].values()
        # One with the same values under every key would change nothing.
        others = [
            one for one in next(iter(rows)) if any(row.get(one) != row.get(figure) for row in rows)
        ]
        if others:
            after = _next(figure, [one for one in next(iter(rows)) if one in {*others, figure}])
            yield "wire", steps, {"Fn::FindInMap": [name, key, after]}
        if isinstance(key, dict):
            yield from self._inside((*steps, "Fn::FindInMap", 1), key)


@cache
def _outputs(path: Path) -> list[str]:
    return [f"Outputs.{name}" for name in load(path).get("Outputs", {})] or ["Outputs.Nothing"]


def _permission(steps: Steps, statement: dict[str, Any]) -> Iterator[Change]:
    effect = "Deny" if statement["Effect"] == "Allow" else "Allow"
    yield "permission", (*steps, "Effect"), effect
    if "Resource" in statement:
        yield "permission", (*steps, "Resource"), "*"
    if "Condition" in statement:
        yield "permission", (*steps, "Condition"), REMOVED
    actions = statement["Action"]
    for index, action in enumerate(actions if isinstance(actions, list) else [actions]):
        place = (*steps, "Action", index) if isinstance(actions, list) else (*steps, "Action")
        service = str(action).partition(":")[0]
        yield "permission", place, f"{service}:*"
        yield "permission", place, f"{service}:Other"


def _other_number(value: float | str) -> int | float:
    number = float(value)
    return int(number) + 1 if number.is_integer() else round(number + 0.1, 3)


def _next(name: str, names: list[str] | tuple[str, ...]) -> str:
    """The name after another, or the first; one that does not exist when there is no other."""
    others = [one for one in names if one != name]
    if not others:
        return f"{name}Other"
    after = list(names).index(name) + 1 if name in names else 0
    return names[after] if after < len(names) else others[0]
