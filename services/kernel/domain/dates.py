"""Plain dates: days of a calendar, without a time and so without a time zone."""

import re
from datetime import date
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, ValidationInfo, WithJsonSchema
from pydantic_core import PydanticCustomError

from kernel.domain.text import is_stored

FIRST_DAY, LAST_DAY = date(1950, 1, 1), date(2149, 12, 31)
"""The days that records may have. Beyond them is what other systems write for "no date", such as
1899-12-30, 1900-01-01 and 9999-12-31, and what people mistype."""
_YEARS = "^(19[5-9][0-9]|20[0-9][0-9]|21[0-4][0-9])-[0-9]{2}-[0-9]{2}$"
"""The same bounds as a regular expression, for schemas."""
NO_DATE = "9999-12-31"
"""The day in the index keys of records without a date, which therefore sort last."""


def key_range(first: date | None, last: date | None) -> tuple[str, str] | None:
    """The range of keys `<day>#…` from `first` to `last`; None means all, undated ones included."""
    if first is None and last is None:
        return None
    end = f"{last}#~" if last and str(last) < NO_DATE else NO_DATE
    return f"{first or '0000-01-01'}#", end


def _plain_date(value: Any) -> Any:
    """Accept `2026-01-31` or a date, but no instant: its day depends on the time zone."""
    if value is None or type(value) is date:
        return value
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d{2}-\d{2}", value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    raise PydanticCustomError(
        "plain_date",
        "{given} is not a calendar date; write it as YYYY-MM-DD, such as 2026-01-31",
        {"given": repr(value)[:60]},
    )


PlainDate = Annotated[date, BeforeValidator(_plain_date)]
"""A day as `2026-01-31`; numbers and instants, which pydantic would take for days, are rejected."""


def _within_bounds(day: date, info: ValidationInfo) -> date:
    if is_stored(info) or FIRST_DAY <= day <= LAST_DAY:
        return day
    raise PydanticCustomError(
        "business_date",
        "{given} is not between {first} and {last}; leave the field out when the day is not known",
        {"given": str(day), "first": str(FIRST_DAY), "last": str(LAST_DAY)},
    )


BusinessDate = Annotated[
    PlainDate,
    AfterValidator(_within_bounds),
    WithJsonSchema(
        {
            "type": "string",
            "format": "date",
            "pattern": _YEARS,
            "description": f"YYYY-MM-DD, from {FIRST_DAY} to {LAST_DAY}.",
        },
        mode="validation",
    ),
    # Events may have other days, so that the bounds can change.
    WithJsonSchema({"type": "string", "format": "date"}, mode="serialization"),
]
"""A day in the life of a record, such as the one on which a deal was closed."""
