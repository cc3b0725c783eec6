"""The public sales data gives the published figures, in every grouping."""

from collections import Counter, defaultdict
from typing import Any

import pytest

from reporting.lake.cache import LakeFiles
from reporting.parameters import ReportParameters
from reporting.query.compute import compute
from reporting.report import Report
from tests.unit.reporting.query.sales_csv import deals, events, needs_sales_data
from tests.unit.reporting.query.synthetic import lay

pytestmark = needs_sales_data
COLUMNS = {
    "owner": "sales_agent",
    "team": "manager",
    "region": "regional_office",
    "product": "product",
    "sector": "sector",
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> LakeFiles:
    return lay(tmp_path_factory.mktemp("lake"), events(), per_file=400)


def report_of(files: LakeFiles, name: str, **more: Any) -> Report:
    return compute(files, ReportParameters.model_validate({"report": name} | more))


def test_the_win_rate_is_63_15_percent_of_6711_closed_opportunities(files: LakeFiles) -> None:
    [(_, won, lost, closed, rate)] = report_of(files, "win_rate").rows
    assert (won, lost, closed, str(rate)) == (4238, 2473, 6711, "0.6315")


def test_revenue_and_the_open_pipeline_are_the_published_ones(files: LakeFiles) -> None:
    [total] = report_of(files, "sales_performance").totals
    assert total[1:5] == ("USD", 4238, 10_005_534_00, 236091)
    assert total[6] == 1589 + 500


def test_prospecting_opportunities_count_once_although_they_have_no_amount(
    files: LakeFiles,
) -> None:
    rows = report_of(files, "pipeline_by_stage").rows
    assert [row[:4] for row in rows] == [
        ("Sales", "Lead", None, 500),
        ("Sales", "Qualified", None, 1589),
    ]


@pytest.mark.parametrize("by", [*COLUMNS, "month"])
def test_every_grouping_equals_a_count_of_the_csv(files: LakeFiles, by: str) -> None:
    won: Counter[str] = Counter()
    lost: Counter[str] = Counter()
    opened: Counter[str] = Counter()
    revenue: dict[str, int] = defaultdict(int)
    for row in deals():
        group = row[COLUMNS[by]] if by in COLUMNS else row["close_date"][:7]
        group = group or "(none)"
        if row["deal_stage"] == "Won":
            won[group] += 1
            revenue[group] += int(row["close_value"]) * 100
        elif row["deal_stage"] == "Lost":
            lost[group] += 1
        else:
            opened[group] += 1
    found = report_of(files, "sales_performance", by=by)
    assert {row[0] for row in found.rows} == {*won, *lost, *opened}
    for group, currency, won_, revenue_, _, lost_, open_, *_ in found.rows:
        expected = ("USD", won[group], revenue[group], lost[group], opened[group])
        assert (currency, won_, revenue_, lost_, open_) == expected


def test_a_quarter_has_the_opportunities_closed_in_it(files: LakeFiles) -> None:
    period = {"from": "2017-04-01", "to": "2017-06-30"}
    [row] = report_of(files, "win_rate", **period).rows
    closed = [d["deal_stage"] for d in deals() if "2017-04-01" <= d["close_date"] <= "2017-06-30"]
    assert row[1:3] == (closed.count("Won"), closed.count("Lost"))
