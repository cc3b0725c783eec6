"""Describes errors for logs: what failed and where, never a field's value.

The text of an exception may quote what a user wrote (pydantic's `input_value`, "Another account has
the external id …"), and logs are read by more people than records are.
"""

import json
import re
import traceback
from collections.abc import Iterator
from typing import TYPE_CHECKING, TypeIs

from botocore.exceptions import ClientError

from kernel.domain.errors import CrmError

if TYPE_CHECKING:
    from pydantic import ValidationError

_MAX_FIELDS = 20
"""Fields of one error that are named."""
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,39}")
"""What may be the name of a field; a key of a dictionary may also be what a user wrote."""


def describe(error: BaseException) -> str:
    """The kind of an error with its code or its fields, such as `ValidationError: name missing`."""
    name = type(error).__name__
    detail = _detail(error)
    return f"{name}: {detail}" if detail else name


def describe_with_traceback(error: BaseException) -> str:
    """An error and what caused it, each described with the lines of code it passed through."""
    return "\n".join(_lines(error))


def _detail(error: BaseException) -> str:
    if _is_validation_error(error):
        found = error.errors(include_url=False, include_context=False, include_input=False)
        named = (f"{_path(one['loc'])} {one['type']}" for one in found[:_MAX_FIELDS])
        return f"{error.title}: {', '.join(named)}"
    match error:
        case ClientError():
            return f"{error.response['Error'].get('Code', '')} ({error.operation_name})"
        case CrmError():
            return ", ".join((error.slug, *(one.field for one in error.errors[:_MAX_FIELDS])))
        case json.JSONDecodeError():
            return f"{error.msg} at character {error.pos}"
        case KeyError() if error.args and _NAME.fullmatch(str(error.args[0])):
            return str(error.args[0])
        case OSError():
            return error.strerror or ""
        case _:
            return ""


def _is_validation_error(error: BaseException) -> "TypeIs[ValidationError]":
    """Whether it is pydantic's, which a relay never imports: that would double its cold start."""
    return type(error).__name__ == "ValidationError" and hasattr(error, "error_count")


def _path(location: tuple[int | str, ...]) -> str:
    """`amount.currency`; a part that is no name is replaced by an asterisk."""
    parts = (str(part) if isinstance(part, int) else part for part in location)
    return ".".join(part if _NAME.fullmatch(part) or part.isdigit() else "*" for part in parts)


def _lines(error: BaseException) -> Iterator[str]:
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield "".join(traceback.format_tb(current.__traceback__)) + describe(current)
        following = current.__cause__
        if following is None and not current.__suppress_context__:
            following = current.__context__
        current = following
