"""The charts of reports with several currencies."""

from pathlib import Path
from typing import Any

import pytest

from reporting.query.compute import compute
from reporting.report import Chart, Kind, Report
from tests.unit.reporting.query.synthetic import lay, money, opportunity, pipeline
from tests.unit.reporting.query.test_reports import LOST, WON, asked

WEEK = ("CHF", "SEK", "EUR", "GBP", "JPY", "NOK", "USD")


def report_of(root: Path, *deals: dict[str, Any], name: str, by: str) -> Report:
    events = [opportunity(f"d{n}", **one) for n, one in enumerate(deals)]
    return compute(lay(root, [pipeline(), *events]), asked(name, by=by))


def deal(owner: str, currency: str | None, units: int = 100, **more: Any) -> dict[str, Any]:
    amount = {"amount": money(units, currency)} if currency else {}
    return {"owner_id": owner, **amount, **(more or WON)}


def titles(report: Report) -> list[str]:
    return [chart.title for chart in report.charts]


def counts(chart: Chart) -> dict[str, list[Any]]:
    return {
        label: [series.values[place] for series in chart.series]
        for place, label in enumerate(chart.labels)
    }


def test_counts_are_over_all_currencies(tmp_path: Path) -> None:
    """Not those of the first currency by the alphabet, in which one deal of many was lost."""
    deals = [deal("ann", "EUR", 900, **LOST), *[deal("bob", "USD")] * 3, deal("ann", "USD")]
    deals += [deal("cem", None), deal("ann", None, **LOST)]
    report = report_of(tmp_path, *deals, name="sales_performance", by="owner")
    assert titles(report) == ["Deals by owner", "Revenue by owner (USD)"]
    counted = report.charts[0]
    assert (counted.unit, counted.currency) == (Kind.INT, None)
    assert counts(counted) == {"ann": [1, 2, 0], "bob": [3, 0, 0], "cem": [1, 0, 0]}
    assert list(counted.labels) == ["ann", "bob", "cem"], "the most deals first"


def test_money_has_a_chart_for_each_currency_the_one_with_most_deals_first(tmp_path: Path) -> None:
    deals = [deal("ann", "AUD"), *[deal("ann", "USD", 7)] * 3, *[deal("bob", "EUR", 10**9)] * 2]
    report = report_of(tmp_path, *deals, name="sales_performance", by="owner")
    assert titles(report)[1:] == [f"Revenue by owner ({c})" for c in ("USD", "EUR", "AUD")]
    assert [chart.currency for chart in report.charts[1:]] == ["USD", "EUR", "AUD"]
    assert [row[1] for row in report.rows] == ["USD", "EUR", "AUD"], "as in the table"
    assert [total[1] for total in report.totals] == ["USD", "EUR", "AUD"]
    assert report.chart_note == ""


def test_of_many_currencies_the_largest_have_charts_and_the_others_are_named(
    tmp_path: Path,
) -> None:
    deals = [deal("ann", currency) for place, currency in enumerate(WEEK) for _ in range(place + 1)]
    report = report_of(tmp_path, *deals, name="sales_performance", by="owner")
    assert titles(report)[1:] == [f"Revenue by owner ({c})" for c in ("USD", "NOK", "JPY", "GBP")]
    assert report.chart_note == (
        "Only the 4 currencies with the most deals have a chart; EUR, SEK and CHF are in the table."
    )


def test_a_currency_without_money_to_show_has_no_chart(tmp_path: Path) -> None:
    deals = [*[deal("ann", "USD", **LOST)] * 9, deal("bob", "EUR")]
    report = report_of(tmp_path, *deals, name="sales_performance", by="owner")
    assert titles(report) == ["Deals by owner", "Revenue by owner (EUR)"]


def test_with_one_currency_its_money_is_the_only_chart(tmp_path: Path) -> None:
    report = report_of(
        tmp_path, deal("ann", "EUR"), deal("bob", None), name="sales_performance", by="owner"
    )
    assert titles(report) == ["Revenue by owner (EUR)"]


def test_stages_and_months_are_in_their_order_in_every_chart(tmp_path: Path) -> None:
    def at(stage: str, currency: str, day: str) -> dict[str, Any]:
        return {"stage": stage, "amount": money(5, currency), "expected_close_on": day}

    deals = [
        at("negotiation", "EUR", "2026-03-01"),
        at("lead", "USD", "2026-02-01"),
        at("negotiation", "USD", "2026-01-01"),
    ]
    for by, labels in (
        ("stage", ["Lead", "Negotiation"]),
        ("month", ["2026-01", "2026-02", "2026-03"]),
    ):
        report = report_of(tmp_path / by, *deals, name="pipeline_by_stage", by=by)
        assert titles(report)[0] == f"Open deals by {by}"
        assert list(report.charts[0].labels) == labels
        assert report.charts[0].in_order


@pytest.mark.parametrize("by", ["owner", "none"])
def test_the_rest_of_a_count_is_over_all_currencies(tmp_path: Path, by: str) -> None:
    deals = [deal(f"o{n:02}", currency) for n in range(15) for currency in ("EUR", "USD")]
    report = report_of(tmp_path, *deals, name="sales_performance", by=by)
    assert report.charts[0].rest == (("3 others", (6, 0, 0)) if by == "owner" else None)
