"""Report parameters: valid values, and errors that explain how to correct them."""

from datetime import date
from typing import Any

import pytest
from pydantic import ValidationError

from reporting.parameters import GROUPINGS, ReportName, ReportParameters


def rejected(**data: Any) -> list[tuple[str, str]]:
    """Field and message of each error."""
    with pytest.raises(ValidationError) as fault:
        ReportParameters.model_validate({"report": "win_rate"} | data)
    return [(".".join(map(str, e["loc"])), e["msg"]) for e in fault.value.errors()]


@pytest.mark.parametrize(
    ("report", "default"),
    [("pipeline_by_stage", "stage"), ("win_rate", "none"), ("sales_performance", "owner")],
)
def test_each_report_has_its_own_default_grouping(report: ReportName, default: str) -> None:
    assert ReportParameters(report=report).by == default
    assert ReportParameters(report=report, by=None).grouping == default
    assert GROUPINGS[report][0] == default


def test_the_period_is_read_as_plain_dates_under_the_name_from() -> None:
    asked = ReportParameters.model_validate(
        {"report": "win_rate", "from": "2026-01-01", "to": "2026-01-01"}
    )
    assert (asked.from_, asked.to) == (date(2026, 1, 1), date(2026, 1, 1))
    assert asked.model_dump(mode="json", by_alias=True)["from"] == "2026-01-01"


def test_a_reversed_period_is_rejected_with_a_valid_day() -> None:
    [(field, message)] = rejected(**{"from": "2026-02-01", "to": "2026-01-31"})
    assert field == "to"
    assert "to must be 2026-02-01 or later" in message


def test_an_unknown_grouping_is_rejected_with_the_known_ones() -> None:
    [(field, message)] = rejected(by="colour")
    assert field == "by"
    assert "owner, team, region, product, sector or month" in message


def test_a_grouping_of_another_report_is_rejected_with_the_groupings_of_this_one() -> None:
    [(field, message)] = rejected(by="stage")
    assert field == "by"
    assert message == (
        "win_rate cannot be grouped by stage; "
        "allowed are none, owner, team, region, product, sector or month"
    )


@pytest.mark.parametrize(
    ("field", "value", "hint"),
    [
        ("report", "profit", "pipeline_by_stage, win_rate or sales_performance"),
        ("report", None, ""),
        ("format", "docx", "csv, xlsx, pdf or json"),
        ("from", "31.01.2026", "YYYY-MM-DD"),
        ("from", "2026-02-30", "YYYY-MM-DD"),
        ("to", "2026-01-31T00:00:00Z", "YYYY-MM-DD"),
        ("to", 1767225600, "YYYY-MM-DD"),
        ("currency", "DM", "ISO 4217"),
        ("colour", "red", "not permitted"),
    ],
)
def test_a_wrong_value_is_rejected_by_field_with_a_hint(field: str, value: Any, hint: str) -> None:
    [(named, message)] = rejected(**{field: value})
    assert named == field
    assert hint in message


def test_every_wrong_field_is_named_at_once() -> None:
    fields = {field for field, _ in rejected(by="x", format="x", **{"from": "x"})}
    assert fields == {"by", "format", "from"}
