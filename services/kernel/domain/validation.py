"""Validation errors as messages that name the field and explain how to correct it."""

from typing import Any

from pydantic import BaseModel, ValidationError

from kernel.domain.errors import FieldError, Invalid
from kernel.domain.patterns import PATTERNS

_MAX_ERRORS = 20
_MAX_NAME_CHARACTERS = 80
"""The response repeats only the beginning of an unknown field name, which may be long."""
_MESSAGES = {
    "missing": "is required",
    "extra_forbidden": "is not a field of this request",
    "int_type": "must be a whole number (integer minor units for money; no decimals, no text)",
    "int_from_float": "must be a whole number",
    "int_parsing": "must be a whole number",
    "string_type": "must be text",
    # pydantic's own messages differ between JSON text and parsed JSON, and name Python types.
    "bool_type": "must be true or false",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "list_type": "must be a list",
}

_OTHER_PATTERN = "does not have the form that the API document describes"


def validate[M: BaseModel](model: type[M], value: Any) -> M:
    """`value` (parsed JSON) as `model`. Raises Invalid naming the wrong fields."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise invalid_fields(error) from error


def invalid_fields(error: ValidationError) -> Invalid:
    """A pydantic error as a problem with one entry per field."""
    details = error.errors(include_url=False, include_input=False)
    errors = tuple(
        FieldError(
            ".".join(str(part)[:_MAX_NAME_CHARACTERS] for part in one["loc"]) or "(body)",
            _message(one["type"], one["msg"], one.get("ctx", {})),
        )
        for one in details[:_MAX_ERRORS]
    )
    return Invalid("; ".join(f"{one.field} {one.message}" for one in errors), errors=errors)


def _message(type_: str, message: str, context: dict[str, Any]) -> str:
    """What would be right; pydantic's own words only for its rarer types."""
    if type_ in _MESSAGES:
        return _MESSAGES[type_]
    match type_:
        case "string_too_short" if context["min_length"] == 1:
            return "must not be empty"
        case "string_too_short":
            return f"must have at least {_count(context['min_length'], 'character', 'characters')}"
        case "string_too_long":
            return f"must have at most {_count(context['max_length'], 'character', 'characters')}"
        case "too_short":
            return f"must have at least {_count(context['min_length'], 'entry', 'entries')}"
        case "too_long":
            return f"must have at most {_count(context['max_length'], 'entry', 'entries')}"
        case "greater_than_equal":
            return f"must be at least {context['ge']}"
        case "less_than_equal":
            return f"must be at most {context['le']}"
        case "string_pattern_mismatch":
            return PATTERNS.get(context["pattern"], _OTHER_PATTERN)
    message = message.removeprefix("Value error, ").removeprefix("Input ")
    return message[:1].lower() + message[1:]


def _count(number: int, singular: str, plural: str) -> str:
    return f"{number:,} {singular if number == 1 else plural}"
