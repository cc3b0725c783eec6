"""Validation errors as messages that name the field and explain how to correct it."""

import re
from typing import Any

from pydantic import BaseModel, ValidationError

from kernel.domain.errors import MAX_ERRORS, FieldError, Invalid
from kernel.domain.patterns import PATTERNS

_MAX_NAME_CHARACTERS = 80
"""The response repeats only the beginning of an unknown field name, which may be long."""
_MESSAGES = {
    "missing": "is required",
    "extra_forbidden": "is not a field of this request",
    "int_type": "must be a whole number (integer minor units for money; no decimals, no text)",
    "int_from_float": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "has too many digits",
    "string_type": "must be text",
    # pydantic's own messages differ between JSON text and parsed JSON, and name Python types.
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "list_type": "must be a list",
    "enum": "must be one of: {expected}",
    "literal_error": "must be one of: {expected}",
    "greater_than_equal": "must be at least {ge}",
    "greater_than": "must be greater than {gt}",
    "less_than_equal": "must be at most {le}",
    "less_than": "must be less than {lt}",
    "string_too_short": "must have at least {characters}",
    "string_too_long": "must have at most {characters}",
    "too_short": "must have at least {entries}",
    "too_long": "must have at most {entries}",
    "timezone_aware": "must have an offset from UTC, such as 2026-01-31T09:30:00Z",
}
"""Messages by pydantic's type of error, with the members of its context in braces."""
_INSTANT = "must be an instant such as 2026-01-31T09:30:00Z"

_OTHER_PATTERN = "does not have the form that the API document describes"


def given_by(country: str | None) -> dict[str, Any]:
    """The validation context for what a caller of a tenant in this country sends."""
    return {"currencies": (), "country": country}


def validate[M: BaseModel](model: type[M], value: Any, context: Any = None) -> M:
    """`value` (parsed JSON) as `model`. Raises Invalid naming the wrong fields."""
    try:
        return model.model_validate(value, context=context)
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
        for one in details[:MAX_ERRORS]
    )
    return Invalid("; ".join(f"{one.field} {one.message}" for one in errors), errors=errors)


def _message(kind: str, message: str, context: dict[str, Any]) -> str:
    """The message for one error; `context` has what pydantic knows about it."""
    if kind == "string_pattern_mismatch":
        return PATTERNS.get(context["pattern"], _OTHER_PATTERN)
    if kind == "string_too_short" and context["min_length"] == 1:
        return "must not be empty"
    if kind.startswith("datetime_"):
        return _INSTANT
    if wording := _MESSAGES.get(kind):
        limit = context.get("min_length", context.get("max_length"))
        return wording.format(
            characters=_count(limit, "character", "characters"),
            entries=_count(limit, "entry", "entries"),
            **{**context, "expected": _listed(context.get("expected", ""))},
        )
    message = message.removeprefix("Value error, ").removeprefix("Input ")
    message = re.sub(r"(^| )should ", r"\1must ", message, count=1)
    return message[:1].lower() + message[1:]


def _count(number: int | None, one: str, several: str) -> str:
    if number is None:
        return ""
    return f"{number:,} {one if number == 1 else several}"


def _listed(expected: Any) -> str:
    """pydantic's `'a', 'b' or 'c'` as `a, b, c`."""
    return ", ".join(re.findall(r"'([^']*)'", str(expected)))
