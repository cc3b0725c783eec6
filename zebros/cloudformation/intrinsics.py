"""Evaluates intrinsic functions of one template; references to resources stay references.

Source: the intrinsic function reference and "Rules section" of the CloudFormation user guide.
"""

import ipaddress
from collections.abc import Callable
from typing import Any, Protocol

from zebros.cloudformation.errors import TemplateError
from zebros.cloudformation.load import CONSTANT
from zebros.cloudformation.texts import is_reference, joined, pieces_of, scalar, split, variables

NO_VALUE = {"Ref": "AWS::NoValue"}
_ZONES = "abc"
_MOST_BLOCKS = 256
"""CloudFormation's limit of Fn::Cidr."""


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


def evaluate(value: Any, scope: Scope) -> Any:
    """The value with every function evaluated; items that are AWS::NoValue are left out."""
    if isinstance(value, CONSTANT):
        return value
    if isinstance(value, list):
        items = [evaluate(one, scope) for one in value]
        return [one for one in items if one != NO_VALUE]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        ((name, argument),) = value.items()
        if name in _FUNCTIONS:
            return _call(name, argument, scope)
        if name.startswith("Fn::"):
            raise TemplateError(f"{name} is not supported")
    pairs = {key: evaluate(one, scope) for key, one in value.items()}
    return {key: one for key, one in pairs.items() if one != NO_VALUE}


def truth(value: Any, scope: Scope) -> bool:
    """The value of a condition, or of a rule's assertion."""
    match value:
        case {"Condition": str(name)} if len(value) == 1:
            return scope.condition(name)
    found = evaluate(value, scope)
    if not isinstance(found, bool):
        raise TemplateError(f"{value!r} is not a condition")
    return found


def _call(name: str, argument: Any, scope: Scope) -> Any:
    try:
        return _FUNCTIONS[name](argument, scope)
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise TemplateError(f"{name} cannot have the arguments {argument!r}") from error


def _get_att(argument: Any, scope: Scope) -> Any:
    name, attribute = argument.split(".", 1) if isinstance(argument, str) else argument
    return scope.attribute(name, scalar(evaluate(attribute, scope)))


def _sub(argument: Any, scope: Scope) -> Any:
    text, given = (argument, {}) if isinstance(argument, str) else argument
    known = {name: evaluate(value, scope) for name, value in given.items()}

    def value(name: str) -> Any:
        if name in known:
            return known[name]
        resource, dot, attribute = name.partition(".")
        return scope.attribute(resource, attribute) if dot else scope.ref(name)

    found = [value(one["Ref"]) if isinstance(one, dict) else one for one in variables(text)]
    return joined(piece for one in found for piece in pieces_of(one))


def _join(argument: Any, scope: Scope) -> Any:
    separator, items = argument[0], evaluate(argument[1], scope)
    if not isinstance(items, list):
        return {"Fn::Join": [separator, items]}
    pieces = [piece for item in items for piece in (separator, *pieces_of(item))]
    return joined(pieces[1:])


def _select(argument: Any, scope: Scope) -> Any:
    index, items = evaluate(argument[0], scope), evaluate(argument[1], scope)
    if not isinstance(items, list):
        return {"Fn::Select": [index, items]}
    if not 0 <= int(index) < len(items):
        raise TemplateError(f"Fn::Select of item {index} of {len(items)}")
    return items[int(index)]


def _split(argument: Any, scope: Scope) -> Any:
    separator, text = argument
    return split(evaluate(text, scope), separator)


def _if(argument: Any, scope: Scope) -> Any:
    name, yes, no = argument
    return evaluate(yes if scope.condition(name) else no, scope)


def _same(left: Any, right: Any) -> bool:
    if isinstance(left, list | dict) or isinstance(right, list | dict):
        # A resource's name or attribute equals itself, and no constant: "" least of all.
        return bool(left == right)
    return scalar(left) == scalar(right)


def _equals(argument: Any, scope: Scope) -> bool:
    left, right = (evaluate(one, scope) for one in argument)
    return _same(left, right)


def _find_in_map(argument: Any, scope: Scope) -> Any:
    mapping, key, name = (evaluate(one, scope) for one in argument)
    return scope.figure(mapping, scalar(key), scalar(name))


def _zones(argument: Any, scope: Scope) -> list[str]:
    region = evaluate(argument, scope) or scope.region
    return [region + zone for zone in _ZONES]


def _cidr(argument: Any, scope: Scope) -> Any:
    block, count, bits = (evaluate(one, scope) for one in argument)
    if is_reference(block):
        return {"Fn::Cidr": [block, count, bits]}
    network, wanted = ipaddress.ip_network(block), int(count)
    prefix = network.max_prefixlen - int(bits)
    there = 2 ** (prefix - network.prefixlen) if prefix >= network.prefixlen else 0
    if not 1 <= wanted <= min(_MOST_BLOCKS, there):
        raise TemplateError(f"Fn::Cidr: {block} has no {wanted} blocks of {bits} bits")
    subnets = network.subnets(new_prefix=prefix)
    return [str(next(subnets)) for _ in range(wanted)]


def _contains(argument: Any, scope: Scope) -> bool:
    items, value = (evaluate(one, scope) for one in argument)
    return any(_same(one, value) for one in items)


def _all(argument: Any, scope: Scope) -> bool:
    values = [truth(one, scope) for one in argument]
    return all(values)


def _any(argument: Any, scope: Scope) -> bool:
    values = [truth(one, scope) for one in argument]
    return any(values)


def _not(argument: Any, scope: Scope) -> bool:
    (value,) = argument
    return not truth(value, scope)


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
