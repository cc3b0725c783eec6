"""Plain dates: days of a calendar, without a time and so without a time zone."""

import re
from datetime import date
from typing import Annotated, Any

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError


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
