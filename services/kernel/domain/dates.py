"""Plain dates: days of a calendar, without a time and so without a time zone."""

import re
from datetime import date
from typing import Annotated, Any

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

NO_DATE = "9999-12-31"
"""The day in index keys of records that have none: the last one possible, so they sort last."""


def key_range(first: date | None, last: date | None) -> tuple[str, str] | None:
    """The keys `<day>#…` of a period, both days inclusive; None for all, undated ones too."""
    if first is None and last is None:
        return None
    end = f"{last}#~" if last and str(last) < NO_DATE else NO_DATE
    return f"{first or '0000-01-01'}#", end


def _plain_date(value: Any) -> Any:
    """Only `2026-01-31` (or a date): no instants, which belong to another day elsewhere."""
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
"""A day as `2026-01-31`; numbers and instants, which pydantic would take for days, are refused."""
