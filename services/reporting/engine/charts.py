"""What to draw: the bars that answer a report's question, at most a dozen to a chart."""

from collections.abc import Callable
from decimal import Decimal
from itertools import groupby

from reporting.engine.deals import Figures, Group
from reporting.engine.parameters import Grouping, ReportName
from reporting.engine.report import Chart, Kind, Series

MOST_BARS = 12
MOST_CHARTS = 4
"""Currencies drawn; the table has them all."""

type _Bars = tuple[tuple[str, Callable[[Figures], int | Decimal]], ...]

_TITLES: dict[ReportName, str] = {
    "pipeline_by_stage": "Open amount",
    "win_rate": "Win rate",
    "sales_performance": "Revenue",
}
_MONEY: dict[ReportName, _Bars] = {
    "pipeline_by_stage": (("Amount", lambda f: f.open_amount), ("Weighted", lambda f: f.weighted)),
    "sales_performance": (("Revenue", lambda f: f.won_amount),),
}
_COUNTS: dict[ReportName, tuple[str, _Bars]] = {
    "pipeline_by_stage": ("Open deals", (("Deals", lambda f: f.open),)),
    "sales_performance": (
        "Deals",
        (("Won", lambda f: f.won), ("Lost", lambda f: f.lost), ("Open", lambda f: f.open)),
    ),
}


def charts(report: ReportName, by: Grouping, groups: list[Group]) -> tuple[Chart, ...]:
    """One chart per currency, the groups in the order of the table."""
    drawn = []
    for currency, block in groupby(groups, key=lambda group: group.currency):
        bars = _few([(_label(group), group.figures) for group in block], by)
        drawn.append(_chart(report, by, currency, bars))
    return tuple(drawn[:MOST_CHARTS])


def _chart(
    report: ReportName, by: Grouping, currency: str | None, bars: list[tuple[str, Figures]]
) -> Chart:
    title = _TITLES[report] if by == "none" else f"{_TITLES[report]} by {by}"
    in_order = by in ("stage", "month")
    if report == "win_rate":
        if by == "none":
            [(_, figures)] = bars
            series = Series("Deals", (figures.won, figures.lost))
            return Chart("Closed deals", ("Won", "Lost"), (series,), Kind.INT)
        labels = tuple(label for label, _ in bars)
        rates = Series("Win rate", tuple(_rate(figures) for _, figures in bars))
        return Chart(title, labels, (rates,), Kind.PERCENT, in_order=in_order)
    unit, measures = Kind.MONEY, _MONEY[report]
    if not any(measure(figures) for _, measure in measures for _, figures in bars):
        unit = Kind.INT
        counted, measures = _COUNTS[report]
        title = counted if by == "none" else f"{counted} by {by}"
    return Chart(
        title,
        tuple(label for label, _ in bars),
        tuple(
            Series(name, tuple(measure(figures) for _, figures in bars))
            for name, measure in measures
        ),
        unit,
        currency if unit is Kind.MONEY else None,
        in_order,
    )


def _rate(figures: Figures) -> Decimal:
    return Decimal(figures.won) / (figures.won + figures.lost)


def _label(group: Group) -> str:
    return group.labels[-1]


def _few(bars: list[tuple[str, Figures]], by: Grouping) -> list[tuple[str, Figures]]:
    """At most MOST_BARS: the rest is one bar with the figures of all it stands for."""
    if len(bars) <= MOST_BARS:
        return bars
    if by == "month":  # the latest months, with what went before in front
        early, late = bars[: -MOST_BARS + 1], bars[-MOST_BARS + 1 :]
        return [("Earlier", _sum(early)), *late]
    head, tail = bars[: MOST_BARS - 1], bars[MOST_BARS - 1 :]
    return [*head, (f"{len(tail):,} others", _sum(tail))]


def _sum(bars: list[tuple[str, Figures]]) -> Figures:
    return sum((figures for _, figures in bars), Figures())
