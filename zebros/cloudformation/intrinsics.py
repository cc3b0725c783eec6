"""Evaluates intrinsic functions of one template; references to resources stay references.

Source: the intrinsic function reference and "Rules section" of the CloudFormation user guide.
"""

import ipaddress
import re
from collections.abc import Callable
from typing import Any, Protocol

from zebros.cloudformation.errors import TemplateError

NO_VALUE = {"Ref": "AWS::NoValue"}
_VARIABLE = re.compile(r"\$\{(?!!)([\w:]+)(?:\.([\w.]+))?\}")
_REFERENCES = ("Ref", "Fn::GetAtt", "Fn::Sub")
_ZONES = "abc"


class Scope(Protocol):
    """What the names of a template mean."""

    region: str

    def ref(self, name: str) -> Any:
        """The value of a parameter, or a reference to a resource."""

    def attribute(self, name: str, attribute: str) -> Any:
        """A nested stack's output, or a reference to a resource's attribute."""

    def condition(self, name: str) -> bool:
        """The value of a condition."""

    def figure(self, mapping: str, key: str, name: str) -> Any:
        """A value of a mapping."""


def is_reference(value: Any) -> bool:
    """Whether a value is known only when its resource exists."""
    return isinstance(value, dict) and len(value) == 1 and next(iter(value)) in _REFERENCES


def evaluate(value: Any, scope: Scope) -> Any:
    """The value with every function evaluated; items that are AWS::NoValue are left out."""
    if isinstance(value, list):
        items = [evaluate(one, scope) for one in value]
        return [one for one in items if one != NO_VALUE]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        ((name, argument),) = value.items()
        if name == "Condition" and isinstance(argument, str):
            return scope.condition(argument)
        if (function := _FUNCTIONS.get(name)) is not None:
            return function(argument, scope)
        if name.startswith("Fn::"):
            raise TemplateError(f"{name} is not supported")
    pairs = {key: evaluate(one, scope) for key, one in value.items()}
    return {key: one for key, one in pairs.items() if one != NO_VALUE}


def _get_att(argument: Any, scope: Scope) -> Any:
    name, attribute = argument.split(".", 1) if isinstance(argument, str) else argument
    return scope.attribute(name, attribute)


def _sub(argument: Any, scope: Scope) -> Any:
    text, variables = (argument, {}) if isinstance(argument, str) else argument
    known = {name: evaluate(value, scope) for name, value in variables.items()}

    def replace(found: re.Match[str]) -> str:
        name, attribute = found.groups()
        if name in known:
            return as_text(known[name])
        return as_text(scope.attribute(name, attribute) if attribute else scope.ref(name))

    return _text(_VARIABLE.sub(replace, text))


def _text(text: str) -> Any:
    """Text, or `Fn::Sub` while it has references."""
    return {"Fn::Sub": text} if _VARIABLE.search(text) else text.replace("${!", "${")


def as_text(value: Any) -> str:
    """A value inside a text of `Fn::Sub`: what is known as it is, a reference as a variable."""
    match value:
        case {"Ref": str(name)}:
            return f"${{{name}}}"
        case {"Fn::GetAtt": [str(name), str(attribute)]}:
            return f"${{{name}.{attribute}}}"
        case {"Fn::Sub": str(text)}:
            return text
        case bool():
            return str(value).lower()
        case str() | int() | float():
            return str(value).replace("${", "${!")
        case _:
            raise TemplateError(f"a text cannot contain {value!r}")


def _join(argument: Any, scope: Scope) -> Any:
    separator, items = argument[0], evaluate(argument[1], scope)
    return _text(separator.join(as_text(one) for one in items))


def _select(argument: Any, scope: Scope) -> Any:
    index, items = evaluate(argument[0], scope), evaluate(argument[1], scope)
    if not isinstance(items, list):
        return {"Fn::Select": [index, items]}
    if not 0 <= int(index) < len(items):
        raise TemplateError(f"Fn::Select of item {index} of {len(items)}")
    return items[int(index)]


def _split(argument: Any, scope: Scope) -> Any:
    separator, text = argument[0], evaluate(argument[1], scope)
    return {"Fn::Split": [separator, text]} if is_reference(text) else text.split(separator)


def _if(argument: Any, scope: Scope) -> Any:
    name, yes, no = argument
    return evaluate(yes if scope.condition(name) else no, scope)


def _equals(argument: Any, scope: Scope) -> bool:
    left, right = (evaluate(one, scope) for one in argument)
    if is_reference(left) or is_reference(right):
        # A resource's name or attribute equals itself, and no constant: "" least of all.
        return bool(left == right)
    return as_text(left) == as_text(right)


def _find_in_map(argument: Any, scope: Scope) -> Any:
    mapping, key, name = (evaluate(one, scope) for one in argument)
    return scope.figure(mapping, as_text(key), as_text(name))


def _zones(argument: Any, scope: Scope) -> list[str]:
    region = evaluate(argument, scope) or scope.region
    return [region + suffix for suffix in _ZONES]


def _cidr(argument: Any, scope: Scope) -> list[str]:
    block, count, bits = (evaluate(one, scope) for one in argument)
    network = ipaddress.ip_network(block)
    subnets = network.subnets(new_prefix=network.max_prefixlen - int(bits))
    return [str(one) for one, _ in zip(subnets, range(int(count)), strict=False)]


def _contains(argument: Any, scope: Scope) -> bool:
    items, value = (evaluate(one, scope) for one in argument)
    return value in items


def _all(argument: Any, scope: Scope) -> bool:
    return all(evaluate(one, scope) for one in argument)


def _any(argument: Any, scope: Scope) -> bool:
    return any(evaluate(one, scope) for one in argument)


def _not(argument: Any, scope: Scope) -> bool:
    return not evaluate(argument[0], scope)


def _base64(argument: Any, scope: Scope) -> Any:
    return {"Fn::Base64": evaluate(argument, scope)}


_FUNCTIONS: dict[str, Callable[[Any, Scope], Any]] = {
    "Ref": lambda argument, scope: scope.ref(argument),
    "Fn::And": _all,
    "Fn::Base64": _base64,
    "Fn::Cidr": _cidr,
    "Fn::Contains": _contains,
    "Fn::Equals": _equals,
    "Fn::FindInMap": _find_in_map,
    "Fn::GetAZs": _zones,
    "Fn::GetAtt": _get_att,
    "Fn::If": _if,
    "Fn::Join": _join,
    "Fn::Not": _not,
    "Fn::Or": _any,
    "Fn::Select": _select,
    "Fn::Split": _split,
    "Fn::Sub": _sub,
}
