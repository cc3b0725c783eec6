"""The nested templates of the system as one, with parameters and outputs resolved.

The name of a resource of a module (infra/modules) is prefixed with its function:
`DeadLetters` in `CustomersRelayInput` is `CustomersRelayDeadLetters`, as for `zebros`.
"""

import json
import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
NESTED = {"AWS::Serverless::Application": "Location", "AWS::CloudFormation::Stack": "TemplateURL"}
MODULE_SUFFIX = "Input"
_PATHS = ("CodeUri", "ContentUri", "DefinitionUri")
_NO_VALUE = {"Ref": "AWS::NoValue"}
_VARIABLE = re.compile(r"\$\{([\w:]+)(?:\.([\w.]+))?\}")


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


def parse(text: str) -> dict[str, Any]:
    """A template as data, its short tags read as their long forms."""
    loaded: dict[str, Any] = yaml.load(text, _Loader)
    return loaded


class Assembly:
    """One template with all templates nested in it."""

    def __init__(
        self, path: Path, given: dict[str, Any], prefix: str = "", condition: str | None = None
    ) -> None:
        self.template = parse(path.read_text(encoding="utf-8"))
        self.resources: dict[str, dict[str, Any]] = {}
        self.stacks: dict[str, Assembly] = {}
        self.path, self._prefix, self._given = path, prefix, given
        self._own = self.template["Resources"]
        self.conditions: dict[str, Any] = {}
        for name, definition in self.template.get("Conditions", {}).items():
            self.conditions[name] = self._fill(definition)
        for name in self._ordered():
            resource = self._own[name]
            if self._left_out(resource):
                continue
            if resource["Type"] in NESTED:
                self._nest(name, resource)
            else:
                self._add(prefix + name, self._own_part(resource, condition))
        self.outputs = {
            name: self._fill(output["Value"])
            for name, output in self.template.get("Outputs", {}).items()
        }

    def _ordered(self) -> list[str]:
        """The stacks, each after those whose outputs it uses."""
        stacks = [name for name, one in self._own.items() if one["Type"] in NESTED]
        ordered: list[str] = []
        while len(ordered) < len(stacks):
            ready = [
                name
                for name in stacks
                if name not in ordered
                and not any(
                    f'["{other}", "Outputs.' in json.dumps(self._own[name])
                    for other in stacks
                    if other not in ordered
                )
            ]
            assert ready, "nested stacks depend on each other in a circle"
            ordered += ready
        return [*ordered, *(name for name in self._own if name not in stacks)]

    def _nest(self, name: str, resource: dict[str, Any]) -> None:
        properties = resource["Properties"]
        path = self.path.parent / properties[NESTED[resource["Type"]]]
        declared = parse(path.read_text(encoding="utf-8")).get("Parameters", {})
        passed = properties.get("Parameters", {})
        assert set(passed) <= set(declared), f"{name} is given unknown parameters"
        for parameter, definition in declared.items():
            assert parameter in passed or "Default" in definition, f"{name} lacks {parameter}"
        given = {p: d["Default"] for p, d in declared.items() if "Default" in d}
        given |= {parameter: self._fill(value) for parameter, value in passed.items()}
        prefix = name.removesuffix(MODULE_SUFFIX) if path.parent.name == "modules" else ""
        child = Assembly(path, given, prefix, resource.get("Condition"))
        self.stacks[name] = child
        for logical_id, found in child.resources.items():
            self._add(logical_id, found)

    def _add(self, logical_id: str, resource: dict[str, Any]) -> None:
        known = self.resources.setdefault(logical_id, resource)
        assert known == resource, f"there are two different {logical_id}"

    def _own_part(self, resource: dict[str, Any], condition: str | None) -> dict[str, Any]:
        found = {key: self._fill(value) for key, value in resource.items()}
        properties = found.get("Properties", {})
        for key in _PATHS:
            if isinstance(properties.get(key), str):
                path = (self.path.parent / properties[key]).resolve()
                properties[key] = str(path.relative_to(ROOT))
        if resource["Type"] == "AWS::Serverless::Function":
            every = self.template.get("Globals", {}).get("Function", {}).get("Layers", [])
            properties["Layers"] = [*self._fill(every), *properties.get("Layers", [])]
        if isinstance(properties.get("EventPattern"), str):
            properties["EventPattern"] = json.loads(properties["EventPattern"])
        if condition is not None:
            found.setdefault("Condition", condition)
        if "DependsOn" in found:
            names = found["DependsOn"]
            several = isinstance(names, list)
            names = [self._prefix + name for name in (names if several else [names])]
            found["DependsOn"] = names if several else names[0]
        return found

    def _left_out(self, resource: dict[str, Any]) -> bool:
        """Whether a condition on this template's parameters excludes the resource."""
        return self.conditions.get(resource.get("Condition", "")) is False

    def _fill(self, value: Any) -> Any:
        """A value of this template, with parameters and nested outputs replaced."""
        if isinstance(value, list):
            filled = [self._fill(one) for one in value]
            return [one for one in filled if one != _NO_VALUE]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            ((function, argument),) = value.items()
            handler = {
                "Ref": self._ref,
                "Fn::GetAtt": self._attribute,
                "Fn::Sub": self._sub,
                "Fn::If": self._if,
                "Fn::Equals": self._equals,
                "Fn::Not": self._not,
            }.get(function)
            if handler is not None:
                return handler(argument)
        return {key: self._fill(one) for key, one in value.items()}

    def _ref(self, name: str) -> Any:
        if name in self._given:
            return self._given[name]
        return {"Ref": self._prefix + name if name in self._own else name}

    def _attribute(self, argument: list[str]) -> Any:
        name, attribute = argument
        if name in self.stacks:
            return self.stacks[name].outputs[attribute.removeprefix("Outputs.")]
        return {"Fn::GetAtt": [self._prefix + name, attribute]}

    def _if(self, argument: list[Any]) -> Any:
        name, yes, no = argument[0], self._fill(argument[1]), self._fill(argument[2])
        match self.conditions[name]:
            case bool(decided):
                return yes if decided else no
            case {"Condition": str(same)}:  # one of the parent's
                name = same
        match yes:
            case {"Fn::If": [inner, kept, _]} if inner == name:
                yes = kept
        return {"Fn::If": [name, yes, no]}

    def _equals(self, argument: list[Any]) -> Any:
        left, right = (self._fill(one) for one in argument)
        if not isinstance(left, dict) and not isinstance(right, dict):
            return left == right
        match left:
            case {"Ref": "AWS::StackName"}:
                return False  # `sam local` alone gives a stack a name that is known beforehand
            case {"Fn::GetAtt": _} if right == "":
                return False  # an attribute of a resource is never empty
            case {"Fn::If": [name, _, other]} if other == right:
                return {"Fn::Not": [{"Condition": name}]}
        return {"Fn::Equals": [left, right]}

    def _not(self, argument: list[Any]) -> Any:
        (filled,) = (self._fill(one) for one in argument)
        match filled:
            case bool(decided):
                return not decided
            case {"Fn::Not": [inner]}:
                return inner
        return {"Fn::Not": [filled]}

    def _sub(self, argument: Any) -> Any:
        if not isinstance(argument, str):
            text, variables = argument
            return {"Fn::Sub": [self._sub(text)["Fn::Sub"], self._fill(variables)]}
        return {"Fn::Sub": _VARIABLE.sub(self._variable, argument)}

    def _variable(self, found: re.Match[str]) -> str:
        name, attribute = found.groups()
        value = self._attribute([name, attribute]) if attribute else self._ref(name)
        match value:
            case {"Ref": str(referred)}:
                return f"${{{referred}}}"
            case {"Fn::GetAtt": [str(referred), str(part)]}:
                return f"${{{referred}.{part}}}"
            case {"Fn::Sub": str(text)}:
                return text
            case _:
                return str(value)
