"""Plain dates: days of a calendar, without a time and so without a time zone."""

import re
from datetime import date
from typing import Annotated, Any

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

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
