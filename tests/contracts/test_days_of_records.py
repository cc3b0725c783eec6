"""Every day of a record is a BusinessDate, so that all of them have the same bounds."""

from datetime import date
from typing import Annotated, Any, get_args

import pytest
from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from tools.contexts import events


def days() -> dict[str, FieldInfo]:
    """The fields of records that are days, by context and name."""
    found = {}
    for name, event in events().items():
        state: Any = event.model_fields["current"].annotation
        for field, info in state.model_fields.items():
            parts = (info.annotation, *get_args(info.annotation))
            if any(getattr(part, "__origin__", part) is date for part in parts):
                found[f"{name.partition('/')[0]}/{field}"] = info
    return found


DAYS = days()


def test_there_are_days_to_check() -> None:
    names = {name.rpartition("/")[2] for name in DAYS}
    assert names == {"opened_on", "expected_close_on", "closed_on", "due_on"}


@pytest.mark.parametrize("name", DAYS)
def test_no_record_has_a_day_that_stands_for_none(name: str) -> None:
    annotation: Any = DAYS[name].annotation
    for one in DAYS[name].metadata:
        annotation = Annotated[annotation, one]
    day = TypeAdapter[object](annotation)
    assert day.validate_python("2026-06-30") == date(2026, 6, 30)
    for none in ("1899-12-31", "9999-12-31"):
        with pytest.raises(ValidationError, match="is not between"):
            day.validate_python(none)
