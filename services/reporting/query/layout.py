"""Builds the table of a report from groups of opportunities: columns, rows and their order.

Amounts of different currencies are never added: each row has one currency, and the currency with
the most deals comes first. Opportunities without an
amount are counted in that row with an amount of 0 if the report has a single currency, and in
separate rows without a currency if it has several. Win rates count opportunities and have no
currency.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from reporting.parameters import Grouping, ReportName, ReportParameters
from reporting.query.aggregation import Figures, Group
from reporting.query.charts import charts
from reporting.query.owners import owner_of
from reporting.report import (
    TOTAL_LABEL,
    Cell,
    Column,
    Kind,
    Period,
    Position,
    Report,
    Row,
)

_GROUP_TITLES: dict[Grouping, tuple[str, ...]] = {
    "none": ("Scope",),
    "stage": ("Pipeline", "Stage"),
    "owner": ("Owner",),
    "team": ("Team",),
    "region": ("Region",),
    "product": ("Product",),
    "sector": ("Sector",),
    "month": ("Month",),
}


_OWNER_ID = Column("owner_id", "Owner ID", Kind.TEXT, in_print=False)
"""Names may change, and two people may have one. The last column, so that the others stay."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns and the row order of one report."""

    title: str
    date_meaning: str
    measures: tuple[tuple[Column, Callable[[Figures], Cell]], ...]
    count: Callable[[Figures], int]
    """The number of opportunities of a group that the report counts."""
    rank: Callable[[Figures], tuple[int, ...]]
    """The sort key, largest first, where groups have no natural order."""
    in_money: bool
    notes: tuple[str, ...] = ()


def _int(
    key: str, title: str, figure: Callable[[Figures], int]
) -> tuple[Column, Callable[..., Cell]]:
    return Column(key, title, Kind.INT), figure


def _money(
    key: str, title: str, figure: Callable[[Figures], int | None]
) -> tuple[Column, Callable[..., Cell]]:
    return Column(key, title, Kind.MONEY), figure


LAYOUTS: dict[ReportName, Layout] = {
    "pipeline_by_stage": Layout(
        "Open pipeline",
        "expected close date",
        (
            _int("deals", "Deals", lambda f: f.open),
            _money("amount", "Amount", lambda f: f.open_amount),
            _money("weighted_amount", "Weighted", lambda f: f.weighted),
        ),
        count=lambda f: f.open,
        rank=lambda f: (f.open_amount, f.open),
        in_money=True,
        notes=("Weighted is amount x probability, rounded deal by deal.",),
    ),
    "win_rate": Layout(
        "Win rate",
        "closing date",
        (
            _int("won", "Won", lambda f: f.won),
            _int("lost", "Lost", lambda f: f.lost),
            _int("closed", "Closed", lambda f: f.won + f.lost),
            (Column("win_rate", "Win rate", Kind.PERCENT), lambda f: ratio(f.won, f.won + f.lost)),
        ),
        count=lambda f: f.won + f.lost,
        rank=lambda f: (f.won + f.lost, f.won),
        in_money=False,
        notes=("Win rate is won deals among all closed deals.",),
    ),
    "sales_performance": Layout(
        "Sales performance",
        "closing date (open deals: expected close date)",
        (
            _int("won", "Won", lambda f: f.won),
            _money("revenue", "Revenue", lambda f: f.won_amount),
            _money("average_deal", "Average deal", lambda f: average(f.won_amount, f.won)),
            _int("lost", "Lost", lambda f: f.lost),
            _int("open", "Open", lambda f: f.open),
            _money("open_amount", "Open amount", lambda f: f.open_amount),
        ),
        count=lambda f: f.won + f.lost + f.open,
        rank=lambda f: (f.won_amount, f.won, f.open_amount, f.open),
        in_money=True,
        notes=("Average deal is revenue by won deals.",),
    ),
}


def average(amount: int, count: int) -> int | None:
    """Minor units per opportunity, rounded half away from zero; None without opportunities."""
    if not count:
        return None
    whole = (2 * abs(amount) + count) // (2 * count)
    return whole if amount >= 0 else -whole


def ratio(part: int, whole: int) -> Decimal | None:
    """part / whole with four decimals, rounded half up; None when `whole` is 0."""
    return Decimal((20_000 * part + whole) // (2 * whole)).scaleb(-4) if whole else None


def lay_out(
    parameters: ReportParameters,
    groups: list[Group],
    *,
    tenant: str,
    as_of: datetime | None,
    position: Position,
) -> Report:
    """The finished report."""
    layout, by = LAYOUTS[parameters.report], parameters.grouping
    rows, without_amount = _merge(layout, groups)
    first = _by_deals(layout, rows)
    rows.sort(key=lambda group: _place(layout, by, first, group))
    titles = _GROUP_TITLES[by]
    columns = [Column(title.lower(), title, Kind.TEXT) for title in titles]
    if layout.in_money:
        columns.append(Column("currency", "Currency", Kind.TEXT))

    ids = (_OWNER_ID,) if by == "owner" else ()

    def row(
        labels: tuple[str, ...], currency: str | None, figures: Figures, owner: str | None = None
    ) -> Row:
        money: Row = (currency,) if layout.in_money else ()
        measured = (measure(figures) for _, measure in layout.measures)
        return (*labels, *money, *measured, *(owner for _ in ids))

    totals: dict[str | None, Figures] = {}
    for group in rows:
        totals[group.currency] = totals.get(group.currency, Figures()) + group.figures
    if not totals:
        totals = {parameters.currency if layout.in_money else None: Figures()}
    total_labels = (TOTAL_LABEL, *("" for _ in titles[1:]))
    title = layout.title if by == "none" else f"{layout.title} by {titles[-1].lower()}"
    drawn, chart_note = charts(parameters.report, by, rows)
    return Report(
        name=parameters.report,
        title=title,
        tenant=tenant,
        by=by,
        date_meaning=layout.date_meaning,
        period=Period(parameters.from_, parameters.to),
        as_of=as_of,
        columns=(*columns, *(column for column, _ in layout.measures), *ids),
        rows=tuple(row(g.labels, g.currency, g.figures, owner_of(g)) for g in rows),
        totals=tuple(row(total_labels, *total) for total in totals.items()),
        charts=drawn,
        chart_note=chart_note,
        position=position,
        currency=parameters.currency,
        time_zone=parameters.zone,
        notes=(*layout.notes, *_about_amounts(layout, without_amount)),
    )


def _merge(layout: Layout, groups: list[Group]) -> tuple[list[Group], int]:
    """One group per row by the currency rule above; also the number without an amount."""
    groups = [group for group in groups if layout.count(group.figures)]
    without = sum(layout.count(g.figures) for g in groups if g.currency is None)
    currencies = {group.currency for group in groups} - {None}
    only = currencies.pop() if len(currencies) == 1 and layout.in_money else None
    merged: dict[tuple[object, ...], Group] = {}
    for group in groups:
        currency = (group.currency or only) if layout.in_money else None
        key = (group.labels, group.order, currency)
        before = merged[key].figures if key in merged else Figures()
        merged[key] = replace(group, currency=currency, figures=before + group.figures)
    return list(merged.values()), without if layout.in_money else 0


def _by_deals(layout: Layout, groups: list[Group]) -> dict[str | None, int]:
    """The place of each currency: the one with the most deals first, no currency last.

    Amounts of different currencies cannot be compared, but numbers of deals can.
    """
    deals: dict[str | None, int] = {}
    for group in groups:
        deals[group.currency] = deals.get(group.currency, 0) + layout.count(group.figures)
    first = sorted(deals, key=lambda code: (code is None, -deals[code], code or ""))
    return {currency: place for place, currency in enumerate(first)}


def _place(
    layout: Layout, by: Grouping, currencies: dict[str | None, int], group: Group
) -> tuple[object, ...]:
    """The sort key: by currency; groups without a value last; natural order or largest first."""
    block = (currencies[group.currency], group.order[0])
    names = (*(label.casefold() for label in group.labels), *group.labels)
    if by == "stage":
        return (*block, names[0], group.order[1], *names)
    if by == "month":
        return (*block, *names)
    return (*block, *(-figure for figure in layout.rank(group.figures)), *names)


def _about_amounts(layout: Layout, without: int) -> tuple[str, ...]:
    if not layout.in_money or not without:
        return ()
    deals = "1 deal has" if without == 1 else f"{without:,} deals have"
    return (f"{deals} no amount and count{'s' if without == 1 else ''} with 0.",)
