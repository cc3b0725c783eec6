"""The values of a template's parameters: defaults, and what the template accepts."""

import re
from typing import Any

from zebros.cloudformation.errors import TemplateError
from zebros.cloudformation.intrinsics import Scope, evaluate, is_reference
from zebros.cloudformation.load import Template


def values(template: Template, given: dict[str, Any], where: str) -> dict[str, Any]:
    """The value of every parameter.

    Raises TemplateError for a missing or unknown parameter, and for a value outside of
    AllowedValues, AllowedPattern, MinValue or MaxValue; references are not checked.
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
        found[name] = value if is_reference(value) else _checked(name, value, definition, where)
    return found


def _checked(name: str, given: Any, definition: dict[str, Any], where: str) -> Any:
    value = str(given)
    allowed = [str(one) for one in definition.get("AllowedValues", [])]
    wrong = f"{where}: {name} cannot be {value!r}"
    if allowed and value not in allowed:
        raise TemplateError(f"{wrong}; allowed are {', '.join(allowed)}")
    pattern = definition.get("AllowedPattern")
    if pattern and not re.fullmatch(pattern, value):
        hint = definition.get("ConstraintDescription", f"it must match {pattern}")
        raise TemplateError(f"{wrong}; {hint}")
    if definition["Type"] == "Number":
        try:
            number = float(value)
        except ValueError:
            raise TemplateError(f"{wrong}; it must be a number") from None
        low, high = definition.get("MinValue", number), definition.get("MaxValue", number)
        if not low <= number <= high:
            raise TemplateError(f"{wrong}; it must be between {low} and {high}")
        return int(number) if number.is_integer() else number
    return value


def check_rules(template: Template, scope: Scope, where: str) -> None:
    """Raise TemplateError with the description of the first assertion that is not fulfilled."""
    for name, rule in template.get("Rules", {}).items():
        if "RuleCondition" in rule and not evaluate(rule["RuleCondition"], scope):
            continue
        for assertion in rule["Assertions"]:
            if not evaluate(assertion["Assert"], scope):
                description = assertion.get("AssertDescription", f"rule {name} is not fulfilled")
                raise TemplateError(f"{where}: {description}")
