"""The charts of a report, with at most twelve bars each.

Numbers of deals are over all currencies. Amounts have a chart for each currency, in the order of
the table: the currency with the most deals first.
"""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from itertools import groupby

from reporting.parameters import Grouping, ReportName
from reporting.query.aggregation import Figures, Group
from reporting.report import Chart, Kind, Series

MOST_BARS = 12
MOST_CHARTS = 4
"""The maximum number of currencies with a chart; the table contains all of them."""

type _Measures = tuple[tuple[str, Callable[[Figures], int | Decimal]], ...]
type _Bars = list[tuple[str, Figures]]

_MONEY: dict[ReportName, tuple[str, _Measures]] = {
    "pipeline_by_stage": (
        "Open amount",
        (("Amount", lambda f: f.open_amount), ("Weighted", lambda f: f.weighted)),
    ),
    "sales_performance": ("Revenue", (("Revenue", lambda f: f.won_amount),)),
}
_COUNTS: dict[ReportName, tuple[str, _Measures]] = {
    "pipeline_by_stage": ("Open deals", (("Deals", lambda f: f.open),)),
    "sales_performance": (
        "Deals",
        (("Won", lambda f: f.won), ("Lost", lambda f: f.lost), ("Open", lambda f: f.open)),
    ),
}


def charts(report: ReportName, by: Grouping, groups: list[Group]) -> tuple[tuple[Chart, ...], str]:
    """The charts, and a sentence about the currencies without one; `groups` as in the table."""
    if not groups:
        return (), ""
    if report == "win_rate":
        return (_win_rate(by, _bars(groups)),), ""
    title, measures = _MONEY[report]
    blocks = [
        (currency, _bars(list(block)))
        for currency, block in groupby(groups, key=lambda group: group.currency)
    ]
    priced = [
        (currency, bars)
        for currency, bars in blocks
        if currency and any(measure(figures) for _, measure in measures for _, figures in bars)
    ]
    drawn = []
    if len(blocks) > 1 or not priced:
        name, counted = _COUNTS[report]
        bars = _bars(_over_all_currencies(by, counted, groups))
        drawn.append(_chart(name, by, bars, counted, Kind.INT))
    for currency, bars in priced[:MOST_CHARTS]:
        drawn.append(_chart(title, by, bars, measures, Kind.MONEY, currency))
    return tuple(drawn), _without_chart([currency for currency, _ in priced[MOST_CHARTS:]])


def _win_rate(by: Grouping, bars: _Bars) -> Chart:
    if by == "none":
        [(_, figures)] = bars
        series = Series("Deals", (figures.won, figures.lost))
        return Chart("Closed deals", ("Won", "Lost"), (series,), Kind.INT)
    return _chart("Win rate", by, bars, (("Win rate", _rate),), Kind.PERCENT)


def _chart(
    title: str,
    by: Grouping,
    bars: _Bars,
    measures: _Measures,
    unit: Kind,
    currency: str | None = None,
) -> Chart:
    shown, rest = _first_bars(bars, by)
    words = title if by == "none" else f"{title} by {by}"
    return Chart(
        f"{words} ({currency})" if currency else words,
        tuple(label for label, _ in shown),
        tuple(Series(name, tuple(of(figures) for _, figures in shown)) for name, of in measures),
        unit,
        currency,
        by in ("stage", "month"),
        (rest[0], tuple(of(rest[1]) for _, of in measures)) if rest else None,
    )


def _bars(groups: list[Group]) -> _Bars:
    # With several pipelines, a stage's label includes the pipeline's name.
    shown = -1 if len({group.labels[0] for group in groups}) == 1 else 0
    return [(": ".join(group.labels[shown:]), group.figures) for group in groups]


def _over_all_currencies(by: Grouping, counted: _Measures, groups: list[Group]) -> list[Group]:
    """One group for each label: in their natural order, or the one with the most deals first."""
    merged: dict[tuple[object, ...], Group] = {}
    for group in groups:
        key = (group.labels, group.order)
        before = merged[key].figures if key in merged else Figures()
        merged[key] = replace(group, currency=None, figures=before + group.figures)

    def place(group: Group) -> tuple[object, ...]:
        names = tuple(label.casefold() for label in group.labels)
        if by == "stage":
            return (group.order[0], names[0], group.order[1], names, group.labels)
        if by == "month":
            return (group.order[0], names, group.labels)
        deals = sum(measure(group.figures) for _, measure in counted)
        return (group.order[0], -deals, names, group.labels)

    return sorted(merged.values(), key=place)


def _without_chart(currencies: list[str]) -> str:
    if not currencies:
        return ""
    names = " and ".join([", ".join(currencies[:-1]), currencies[-1]][len(currencies) < 2 :])
    return (
        f"Only the {MOST_CHARTS} currencies with the most deals have a chart; {names} "
        f"{'is' if len(currencies) == 1 else 'are'} in the table."
    )


def _rate(figures: Figures) -> Decimal:
    return Decimal(figures.won) / (figures.won + figures.lost)


def _first_bars(bars: _Bars, by: Grouping) -> tuple[_Bars, tuple[str, Figures] | None]:
    """The first MOST_BARS groups, and the sum of all others."""
    if len(bars) <= MOST_BARS:
        return bars, None
    shown, others, name = bars[:MOST_BARS], bars[MOST_BARS:], "others"
    if by == "month":  # show the latest months
        shown, others, name = bars[-MOST_BARS:], bars[:-MOST_BARS], "earlier"
    if len(others) == 1:
        name = name.removesuffix("s")
    together = sum((figures for _, figures in others), Figures())
    return shown, (f"{len(others):,} {name}", together)
