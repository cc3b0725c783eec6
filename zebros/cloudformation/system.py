"""All stacks of the system as one picture: the resources that exist for given parameters."""

import json
from collections.abc import Callable
from dataclasses import astuple, dataclass, field
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any

from zebros.client.stack import MODULE_SUFFIX
from zebros.cloudformation.errors import TemplateError
from zebros.cloudformation.intrinsics import evaluate, truth
from zebros.cloudformation.load import Template, load
from zebros.cloudformation.parameters import check_rules, values
from zebros.cloudformation.picture import Account, Resource, System
from zebros.cloudformation.references import check_references, referred
from zebros.cloudformation.transform import forget as forget_transformed
from zebros.cloudformation.transform import transformed
from zebros.cloudformation.usage import Usage

_NESTED = {"AWS::Serverless::Application": "Location", "AWS::CloudFormation::Stack": "TemplateURL"}
_SNAPSHOT_BY_DEFAULT = ("AWS::RDS::DBCluster", "AWS::RDS::DBInstance")
"""Types that CloudFormation deletes only after a snapshot, unless a template says otherwise."""
_APPLICATION = "AWS::CodeDeploy::Application"
_SAM_LOCAL = "local"
"""`sam local` gives every stack this name."""
_MODULES = "modules"


def resolve(
    root: Path,
    parameters: dict[str, Any] | None = None,
    *,
    account: Account | None = None,
    usage: Usage | None = None,
    read: Callable[[Path], Template] = load,
) -> System:
    """The system that the template `root` describes, with these parameters.

    `usage` collects what was used; `read` replaces the reading of a file. Raises TemplateError
    for parameters that the templates reject, and for a reference to what does not exist.
    """
    where = account or Account()
    context = _Context(root.resolve().parent, where, usage or Usage(), read)
    if read is load:
        context.known = _KNOWN if usage is None else usage.known
    with _ONE_AT_A_TIME:
        stack = _Stack(context, (root.resolve(),), where.stack_name, parameters or {}, "")
        system = System(stack.parameters)
        stack.add_to(system)
        system.outputs = stack.outputs()
    check_references(system)
    return system


def forget(path: Path) -> None:
    """Forget what is known of a template: for a program that changes a loaded template in place."""
    forget_transformed(path)
    for key in [key for key, stack in _KNOWN.items() if path in stack.templates()]:
        del _KNOWN[key]


@dataclass(slots=True)
class _Context:
    """What all stacks of a system have in common."""

    folder: Path
    account: Account
    usage: Usage
    read: Callable[[Path], Template]
    known: dict[str, "_Stack"] = field(default_factory=dict)
    """Nested stacks by what determines them: two systems often differ in a few of them."""


class _Stack:
    """One stack; the scope of its template's functions."""

    def __init__(
        self,
        context: _Context,
        paths: tuple[Path, ...],
        name: str,
        given: dict[str, Any],
        prefix: str,
    ) -> None:
        *around, path = paths
        if not path.is_file():
            raise TemplateError(f"{name}: there is no template {path}")
        if path in around:
            circle = " -> ".join(one.name for one in paths)
            raise TemplateError(f"{name}: a template cannot contain itself: {circle}")
        self._paths = paths
        self._context, self._path, self._name, self._prefix = context, path, name, prefix
        self._file = str(path.relative_to(context.folder))
        raw = context.read(path)
        context.usage.declare(self._file, raw)
        self.region = context.account.region
        self._template = transformed(raw, path)
        self.parameters = values(self._template, given, self._file)
        self._conditions: dict[str, bool | None] = {}
        for condition in self._template.get("Conditions", {}):
            self.condition(condition, used=False)
        check_rules(self._template, self, self._file)
        self._nested: dict[str, _Stack] = {}
        self._nesting: list[str] = []
        self._outputs: dict[str, Any] = {}

    def add_to(self, system: System) -> None:
        """Add the stack, its resources, and those of its nested stacks."""
        system.stacks[self._name] = self._path
        system.outputs_of[self._name] = self.outputs()
        for name, part in self._parts.items():
            if isinstance(part, _Stack):
                part.add_to(system)
                continue
            known = system.resources.setdefault(self._prefix + name, part)
            if known is not part and not self._is_shared(known, part):
                raise TemplateError(f"{known.stack} and {self._name} both have a {name}")

    def templates(self) -> set[Path]:
        """The templates of the stack and of those nested in it."""
        nested = (stack.templates() for stack in self._nested.values())
        return {self._path}.union(*nested)

    @cached_property
    def _parts(self) -> "dict[str, Resource | _Stack]":
        """The resources that exist and the nested stacks, by logical id."""
        parts: dict[str, Resource | _Stack] = {}
        for name, resource in self._template["Resources"].items():
            if self._exists(resource):
                depends_on = self._depends_on(name, resource)
                nested = _is_nested(resource)
                parts[name] = (
                    self._child(name) if nested else self._resource(name, resource, depends_on)
                )
        return parts

    def _is_shared(self, one: Resource, other: Resource) -> bool:
        """Whether two resources are the same: under `sam local`, every stack has the layer.

        SAM names the CodeDeploy application of every stack alike, and gives it no settings.
        """
        local = self._context.account.stack_name == _SAM_LOCAL
        return (local or one.type == _APPLICATION) and (one.type, one.properties) == (
            other.type,
            other.properties,
        )

    def _depends_on(self, name: str, resource: dict[str, Any]) -> tuple[str, ...]:
        """What a resource waits for; CloudFormation ignores resources that do not exist."""
        named = resource.get("DependsOn", [])
        wanted = [named] if isinstance(named, str) else named
        resources = self._template["Resources"]
        for one in wanted:
            if one not in resources:
                raise TemplateError(f"{self._file}: {name} needs {one}, which does not exist")
        return tuple(self._prefix + one for one in wanted if self._exists(resources[one]))

    def outputs(self) -> dict[str, Any]:
        """The stack's outputs whose condition is true."""
        return {
            name: self._output(name)
            for name, output in self._template.get("Outputs", {}).items()
            if self._exists(output)
        }

    def _output(self, name: str) -> Any:
        if name not in self._outputs:
            try:
                value = evaluate(self._template["Outputs"][name]["Value"], self)
            except TemplateError as error:
                raise TemplateError(f"output {name} of {self._file}: {error}") from error
            self._outputs[name] = value
        return self._outputs[name]

    def _exists(self, part: dict[str, Any]) -> bool:
        condition = part.get("Condition")
        return condition is None or self.condition(condition)

    def _resource(
        self, name: str, resource: dict[str, Any], depends_on: tuple[str, ...]
    ) -> Resource:
        kind = resource["Type"]
        try:
            properties = _parsed(evaluate(resource.get("Properties", {}), self))
        except TemplateError as error:
            raise TemplateError(f"{self._file}: {name}: {error}") from error
        update_policy = evaluate(resource.get("UpdatePolicy", {}), self)
        return Resource(
            kind,
            properties,
            self._name,
            self._path,
            depends_on,
            self._policy(
                name, resource, "DeletionPolicy", "Snapshot" if kind in _SNAPSHOT_BY_DEFAULT else ""
            ),
            self._policy(name, resource, "UpdateReplacePolicy"),
            update_policy,
            frozenset(referred([properties, update_policy])),
        )

    def _policy(self, name: str, resource: dict[str, Any], key: str, default: str = "") -> str:
        value = resource.get(key, default or "Delete")
        if not isinstance(value, str):
            raise TemplateError(f"{self._file}: {name}: {key} cannot have a function")
        return value

    def _child(self, name: str) -> "_Stack":
        if name not in self._nested:
            if name in self._nesting:
                circle = " -> ".join([*self._nesting, name])
                raise TemplateError(f"{self._file}: nested stacks need each other: {circle}")
            self._nesting.append(name)
            try:
                resource = self._template["Resources"][name]
                properties = resource["Properties"]
                path = (self._path.parent / properties[_NESTED[resource["Type"]]]).resolve()
                module = path.parent.name == _MODULES
                given = evaluate(properties.get("Parameters", {}), self)
                prefix = MODULE_SUFFIX.sub("", name) if module else ""
                self._nested[name] = self._stack((*self._paths, path), name, given, prefix)
            finally:
                self._nesting.pop()
        return self._nested[name]

    def _stack(
        self, paths: tuple[Path, ...], name: str, given: dict[str, Any], prefix: str
    ) -> "_Stack":
        """A nested stack: a new one, or the known one of another system that is the same."""
        name, prefix = f"{self._name}/{name}", self._prefix + prefix
        key = json.dumps([astuple(self._context.account), *map(str, paths), name, given, prefix])
        known = self._context.known.get(key)
        if known is None:
            known = self._context.known[key] = _Stack(self._context, paths, name, given, prefix)
        return known

    def ref(self, name: str) -> Any:
        if name in self.parameters:
            self._context.usage.use(self._file, "Parameters", name)
            return self.parameters[name]
        if name.startswith("AWS::"):
            return self._pseudo(name)
        if name not in self._template["Resources"]:
            raise TemplateError(f"{self._file} has no parameter or resource {name}")
        return {"Ref": self._prefix + name}

    def _pseudo(self, name: str) -> Any:
        account = self._context.account
        known = {
            "AWS::AccountId": account.account_id,
            "AWS::Partition": account.partition,
            "AWS::Region": account.region,
            "AWS::StackName": self._name.replace("/", "-")
            if account.stack_name != _SAM_LOCAL
            else _SAM_LOCAL,
            "AWS::URLSuffix": "amazonaws.com",
            "AWS::NoValue": {"Ref": "AWS::NoValue"},
        }
        if name not in known:
            raise TemplateError(f"{self._file}: {name} is not supported")
        return known[name]

    def attribute(self, name: str, attribute: str) -> Any:
        resource = self._template["Resources"].get(name)
        if resource is None:
            raise TemplateError(f"{self._file} has no resource {name}")
        if not _is_nested(resource):
            return {"Fn::GetAtt": [self._prefix + name, attribute]}
        if not self._exists(resource):
            raise TemplateError(f"{self._file}: {name} does not exist, but {attribute} is needed")
        output = attribute.removeprefix("Outputs.")
        child = self._child(name)
        definition = child._template.get("Outputs", {}).get(output)
        if definition is None or not child._exists(definition):
            raise TemplateError(f"{child._file} has no output {output}, which {self._file} needs")
        return child._output(output)

    def condition(self, name: str, *, used: bool = True) -> bool:
        key = (self._file, "Conditions", name)
        if used:
            self._context.usage.use(*key)
        if name not in self._conditions:
            definitions = self._template.get("Conditions", {})
            if name not in definitions:
                raise TemplateError(f"{self._file} has no condition {name}")
            self._conditions[name] = None
            self._conditions[name] = truth(definitions[name], self)
            self._context.usage.decide(key, self._conditions[name] is True)
        value = self._conditions[name]
        if value is None:
            raise TemplateError(f"{self._file}: condition {name} needs itself")
        return value

    def figure(self, mapping: str, key: str, name: str) -> Any:
        try:
            value = self._template["Mappings"][mapping][key][name]
        except KeyError:
            raise TemplateError(f"{self._file} has no figure {mapping}.{key}.{name}") from None
        self._context.usage.use(self._file, "Mappings", mapping, key, name)
        return value


_KNOWN: dict[str, _Stack] = {}
_ONE_AT_A_TIME = Lock()
"""Threads share the known stacks, of which some are not yet complete."""


def _is_nested(resource: dict[str, Any]) -> bool:
    """Whether a resource is a stack of ours; a published application is a resource like others."""
    key = _NESTED.get(resource["Type"])
    return key is not None and isinstance(resource.get("Properties", {}).get(key), str)


def _parsed(properties: dict[str, Any]) -> dict[str, Any]:
    """The properties, with JSON texts as data: a rule's pattern, a state machine's definition."""
    return {
        name: _data(name, value)
        if name in ("EventPattern", "DefinitionString") and isinstance(value, str)
        else value
        for name, value in properties.items()
    }


def _data(name: str, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise TemplateError(f"{name} is not JSON: {error}") from error
