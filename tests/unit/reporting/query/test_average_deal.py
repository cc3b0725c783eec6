"""The average of no deals is no number."""

import json
from pathlib import Path

import pytest

from reporting.parameters import FileFormat, ReportParameters
from reporting.query.compute import compute
from reporting.query.layout import average
from reporting.render.formats import render
from tests.unit.reporting.query.synthetic import lay, money, opportunity

WON = {"stage": "won", "stage_name": "Won", "status": "won", "probability": 100}


@pytest.mark.parametrize(
    ("amount", "count", "expected"), [(0, 0, None), (0, 2, 0), (5, 2, 3), (-5, 2, -3)]
)
def test_an_average_is_rounded_and_of_nothing_there_is_none(
    amount: int, count: int, expected: int | None
) -> None:
    assert average(amount, count) == expected


def test_an_owner_without_a_won_deal_has_no_average(tmp_path: Path) -> None:
    deals = [
        opportunity("a", owner_id="ann", amount=money(500), closed_on="2026-03-01", **WON),
        opportunity("b", owner_id="bob", amount=money(900)),
    ]
    asked = ReportParameters.model_validate({"report": "sales_performance", "by": "owner"})
    report = compute(lay(tmp_path, deals), asked)
    column = [one.key for one in report.columns].index("average_deal")
    assert {row[0]: row[column] for row in report.rows} == {"ann": 500, "bob": None}


@pytest.mark.parametrize("format_", ["csv", "json", "xlsx", "pdf"])
def test_a_file_shows_nothing_for_an_average_of_nothing(
    tmp_path: Path, format_: FileFormat
) -> None:
    deals = [opportunity("b", owner_id="bob", amount=money(900))]
    asked = ReportParameters.model_validate({"report": "sales_performance", "by": "owner"})
    path = tmp_path / f"report.{format_}"
    render(compute(lay(tmp_path, deals), asked), format_, path)
    if format_ == "csv":
        (row,) = [line for line in path.read_text("utf-8-sig").splitlines() if "bob" in line]
        assert row.startswith("bob,USD,0,0.00,,0,1,")
    elif format_ == "json":
        (row,) = json.loads(path.read_text("utf-8"))["rows"]
        assert row["average_deal"] is None
    else:
        assert path.stat().st_size > 0
