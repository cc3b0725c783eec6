"""The name of a time zone in a request, and in the events that follow from it."""

from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from kernel.domain.time_zones import PATTERN, is_time_zone


def _checked(value: Any) -> Any:
    if value is None or (isinstance(value, str) and is_time_zone(value)):
        return value
    raise PydanticCustomError(
        "time_zone",
        "{given} is not a time zone of the IANA database, such as Europe/Berlin",
        {"given": repr(value)[:60]},
    )


TimeZoneName = Annotated[
    str,
    BeforeValidator(_checked),
    # The database changes: events may have names that this process does not know.
    WithJsonSchema({"type": "string", "pattern": PATTERN}),
]
"""The name of a zone in a request."""
