"""The charts of a report, with at most twelve bars each."""

from collections.abc import Callable
from decimal import Decimal
from itertools import groupby

from reporting.parameters import Grouping, ReportName
from reporting.query.aggregation import Figures, Group
from reporting.report import Chart, Kind, Series

MOST_BARS = 12
MOST_CHARTS = 4
"""The maximum number of currencies with a chart; the table contains all of them."""

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
    # With several pipelines, a stage's label includes the pipeline's name.
    shown = -1 if len({group.labels[0] for group in groups}) == 1 else 0
    for currency, block in groupby(groups, key=lambda group: group.currency):
        bars = [(": ".join(group.labels[shown:]), group.figures) for group in block]
        drawn.append(_chart(report, by, currency, bars))
    return tuple(drawn[:MOST_CHARTS])


def _chart(
    report: ReportName, by: Grouping, currency: str | None, bars: list[tuple[str, Figures]]
) -> Chart:
    title = _TITLES[report] if by == "none" else f"{_TITLES[report]} by {by}"
    unit, measures = Kind.MONEY, _MONEY.get(report, ())
    if report == "win_rate":
        if by == "none":
            [(_, figures)] = bars
            series = Series("Deals", (figures.won, figures.lost))
            return Chart("Closed deals", ("Won", "Lost"), (series,), Kind.INT)
        unit, measures = Kind.PERCENT, (("Win rate", _rate),)
    elif not any(measure(figures) for _, measure in measures for _, figures in bars):
        unit = Kind.INT
        counted, measures = _COUNTS[report]
        title = counted if by == "none" else f"{counted} by {by}"
    shown, rest = _first_bars(bars, by)
    return Chart(
        title,
        tuple(label for label, _ in shown),
        tuple(Series(name, tuple(of(figures) for _, figures in shown)) for name, of in measures),
        unit,
        currency if unit is Kind.MONEY else None,
        by in ("stage", "month"),
        (rest[0], tuple(of(rest[1]) for _, of in measures)) if rest else None,
    )


def _rate(figures: Figures) -> Decimal:
    return Decimal(figures.won) / (figures.won + figures.lost)


def _first_bars(
    bars: list[tuple[str, Figures]], by: Grouping
) -> tuple[list[tuple[str, Figures]], tuple[str, Figures] | None]:
    """The first MOST_BARS groups, and the sum of all others."""
    if len(bars) <= MOST_BARS:
        return bars, None
    shown, others, name = bars[:MOST_BARS], bars[MOST_BARS:], "others"
    if by == "month":  # show the latest months
        shown, others, name = bars[-MOST_BARS:], bars[:-MOST_BARS], "earlier"
    together = sum((figures for _, figures in others), Figures())
    return shown, (f"{len(others):,} {name}", together)
