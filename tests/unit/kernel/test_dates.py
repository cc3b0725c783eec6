"""Plain dates: accepted and rejected values."""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError

from kernel.domain.dates import (
    FIRST_DAY,
    LAST_DAY,
    NO_DATE,
    BusinessDate,
    PlainDate,
    key_range,
)

DAY = TypeAdapter(PlainDate)


def test_a_day_is_written_in_iso_8601() -> None:
    for day in ("2026-01-31", date(2026, 1, 31)):
        assert DAY.validate_python(day) == date(2026, 1, 31)
    assert DAY.validate_json('"2024-02-29"') == date(2024, 2, 29)


@pytest.mark.parametrize(
    "value",
    [
        *(86400, 0, 1.5, True, "86400", "", "tomorrow", "31.01.2026", "20260131", "2026-1-31"),
        *("2026-02-30", "2025-02-29", "0000-01-01", "2026-01-31T00:00:00", "2026-01-31T00:00:00Z"),
        *(" 2026-01-31", "2026-W05-6", "\u0662\u0660\u0662\u0666-01-31", [], {}),
        datetime(2026, 1, 31, tzinfo=UTC),
    ],
    ids=str,
)
def test_other_values_are_not_a_day(value: Any) -> None:
    with pytest.raises(ValidationError, match="write it as YYYY-MM-DD, such as 2026-01-31"):
        DAY.validate_python(value)


def test_the_keys_of_a_period_exclude_undated_records() -> None:
    keys = ["2026-01-31#a", "2026-02-01#b", f"{NO_DATE}#c"]

    def within(first: date | None, last: date | None) -> list[str]:
        low, high = key_range(first, last) or ("", "~")
        return [key[-1] for key in keys if low <= key <= high]

    assert within(None, None) == ["a", "b", "c"]
    assert within(date(2026, 2, 1), None) == ["b"]
    assert within(None, date(2026, 1, 31)) == ["a"]
    assert within(date(2026, 1, 31), date(2026, 2, 1)) == ["a", "b"]
    assert within(date(2026, 2, 1), date(9999, 12, 31)) == ["b"], (
        "a common way to write a period without an end"
    )


def test_a_plain_date_is_published_as_a_date_and_may_be_absent() -> None:
    class Task(BaseModel):
        due_on: PlainDate | None = None

    assert DAY.json_schema() == {"type": "string", "format": "date"}
    assert Task.model_validate({"due_on": None}).due_on is None
    assert Task(due_on=date(2026, 1, 31)).model_dump_json() == '{"due_on":"2026-01-31"}'


BUSINESS_DAY = TypeAdapter(BusinessDate)


@pytest.mark.parametrize("day", [FIRST_DAY, LAST_DAY])
def test_a_business_date_is_within_its_bounds(day: date) -> None:
    assert BUSINESS_DAY.validate_python(str(day)) == day
    beyond = day + timedelta(days=1 if day == LAST_DAY else -1)
    for written in (str(beyond), beyond):
        with pytest.raises(ValidationError, match=f"{beyond} is not between {FIRST_DAY} and"):
            BUSINESS_DAY.validate_python(written)


@given(st.dates())
def test_the_schema_of_requests_has_the_bounds_that_the_code_has(day: date) -> None:
    """A dry run of `zebros load` checks by the schema what the API checks by code."""
    schema = BUSINESS_DAY.json_schema(mode="validation")
    assert bool(re.fullmatch(schema["pattern"], str(day))) == (FIRST_DAY <= day <= LAST_DAY)
    assert str(FIRST_DAY) in schema["description"]
    assert str(LAST_DAY) in schema["description"]


def test_events_may_have_days_that_requests_may_not() -> None:
    """A bound that is changed later must not make the events of today unreadable."""
    assert BUSINESS_DAY.json_schema(mode="serialization") == {"type": "string", "format": "date"}
