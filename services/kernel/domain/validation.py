"""Validation errors as messages that name the field and explain how to correct it."""

from typing import Any

from pydantic import BaseModel, ValidationError

from kernel.domain.errors import FieldError, Invalid

_MAX_ERRORS = 20
_MAX_NAME_CHARACTERS = 80
"""The response repeats only the beginning of an unknown field name, which may be long."""
_MESSAGES = {
    "missing": "is required",
    "extra_forbidden": "is not a field of this request",
    "int_type": "must be a whole number (integer minor units for money; no decimals, no text)",
    "int_from_float": "must be a whole number",
    "string_type": "must be text",
    # pydantic's own messages differ between JSON text and parsed JSON, and name Python types.
    "bool_type": "must be true or false",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "list_type": "must be a list",
}


def validate[M: BaseModel](model: type[M], value: Any, context: Any = None) -> M:
    """`value` (parsed JSON) as `model`. Raises Invalid naming the wrong fields."""
    try:
        return model.model_validate(value, context=context)
    except ValidationError as error:
        raise invalid_fields(error) from error


def invalid_fields(error: ValidationError) -> Invalid:
    """A pydantic error as a problem with one entry per field."""
    details = error.errors(include_url=False, include_context=False, include_input=False)
    errors = tuple(
        FieldError(
            ".".join(str(part)[:_MAX_NAME_CHARACTERS] for part in one["loc"]) or "(body)",
            _MESSAGES.get(one["type"], _message(one["msg"])),
        )
        for one in details[:_MAX_ERRORS]
    )
    return Invalid("; ".join(f"{one.field} {one.message}" for one in errors), errors=errors)


def _message(message: str) -> str:
    message = message.removeprefix("Value error, ").removeprefix("Input ")
    return message[:1].lower() + message[1:]
