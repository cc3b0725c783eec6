"""The values of a template's parameters: defaults, and what the template accepts."""

import re
from typing import Any

from zebros.cloudformation.errors import TemplateError
from zebros.cloudformation.intrinsics import Scope, truth
from zebros.cloudformation.load import Template
from zebros.cloudformation.texts import is_reference, scalar, split

_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")
_FROM_STORE = re.compile(r"AWS::SSM::Parameter::Value<(.+)>")


def values(template: Template, given: dict[str, Any], where: str) -> dict[str, Any]:
    """The value of every parameter; a list for the types of lists.

    Raises TemplateError for a missing or unknown parameter, and for a value outside of
    AllowedValues, AllowedPattern, lengths, MinValue or MaxValue; references are not checked.
    """
    declared = template.get("Parameters", {})
    if unknown := sorted(set(given) - set(declared)):
        known = ", ".join(sorted(declared))
        raise TemplateError(f"{where} has no parameter {unknown[0]}; it has {known}")
    found = {}
    for name, definition in declared.items():
        if name not in given and "Default" not in definition:
            raise TemplateError(f"{where} needs a value for its parameter {name}")
        value = given.get(name, definition.get("Default"))
        found[name] = _value(name, value, definition, where)
    return found


def _value(name: str, given: Any, definition: dict[str, Any], where: str) -> Any:
    if isinstance(given, list) or (isinstance(given, dict) and not is_reference(given)):
        raise TemplateError(f"{where}: {name} must be a text; join the items of a list by commas")
    kind = definition["Type"]
    if stored := _FROM_STORE.fullmatch(kind):
        return _stored(_checked(name, given, definition, where), stored[1])
    if not _is_list(kind):
        return given if is_reference(given) else _checked(name, given, definition, where)
    items = split(given)
    if isinstance(items, dict):
        return items
    of_items = {**definition, "Type": "Number" if kind == "List<Number>" else "String"}
    return [
        one if is_reference(one) else _checked(name, one.strip(), of_items, where) for one in items
    ]


def _is_list(kind: str) -> bool:
    return kind == "CommaDelimitedList" or kind.startswith("List<")


def _stored(name: Any, kind: str) -> Any:
    """The value of a parameter of Systems Manager, which is read at each deployment."""
    text = f"{{{{resolve:ssm:{name}}}}}"
    return {"Fn::Split": [",", text]} if _is_list(kind) else text


def _checked(name: str, given: Any, definition: dict[str, Any], where: str) -> Any:
    value = scalar(given)
    allowed = [scalar(one) for one in definition.get("AllowedValues", [])]
    wrong = f"{where}: {name} cannot be {value!r}"
    if allowed and value not in allowed:
        raise TemplateError(f"{wrong}; allowed are {', '.join(allowed)}")
    pattern = definition.get("AllowedPattern")
    if pattern and not re.fullmatch(pattern, value):
        hint = definition.get("ConstraintDescription", f"it must match {pattern}")
        raise TemplateError(f"{wrong}; {hint}")
    if definition["Type"] == "Number":
        return _number(value, definition, wrong)
    shortest = int(definition.get("MinLength", 0))
    longest = int(definition.get("MaxLength", len(value)))
    if not shortest <= len(value) <= longest:
        raise TemplateError(f"{wrong}; it must have {shortest} to {longest} characters")
    return value


def _number(value: str, definition: dict[str, Any], wrong: str) -> int | float:
    if not _NUMBER.fullmatch(value):
        raise TemplateError(f"{wrong}; it must be a number")
    number = float(value)
    low = float(definition.get("MinValue", number))
    high = float(definition.get("MaxValue", number))
    if not low <= number <= high:
        raise TemplateError(f"{wrong}; it must be between {low:g} and {high:g}")
    return int(number) if number.is_integer() else number


def check_rules(template: Template, scope: Scope, where: str) -> None:
    """Raise TemplateError with the description of the first assertion that is not fulfilled."""
    for name, rule in template.get("Rules", {}).items():
        if "RuleCondition" in rule and not truth(rule["RuleCondition"], scope):
            continue
        for assertion in rule["Assertions"]:
            if not truth(assertion["Assert"], scope):
                description = assertion.get("AssertDescription", f"rule {name} is not fulfilled")
                raise TemplateError(f"{where}: {description}")
