"""The content of a PDF report: every text and every size of a bar, for report.typ to lay out."""

import unicodedata
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Any

from reporting.render.cell_format import amount_of, currency_reader, display_text
from reporting.render.provenance import instant, notes, period, position_text
from reporting.report import Chart, Column, Kind, Report, Row

MOST_ROWS = 1_000
"""The rows of the table, 30 pages; the typesetter needs a quarter of a GB for them."""
_LONGEST_TEXT = 330
"""The maximum length of a cell, which must fit on a page; names in the CRM have at most 200
characters, and the id after the name of a person 120."""
_LONGEST_LABEL = 60
"""The same beside a bar, where it has two lines; the table has the whole name."""
_PORTRAIT_WIDTH = 510.0
_NAME_WIDTH, _CHARACTER_WIDTH, _PADDING = 130.0, 5.2, 10.0
"""The width that a name needs at least, and those of a digit and of a cell's padding, in points."""

_REGIONS = {
    "Asia/Tokyo": "JP",
    "Asia/Seoul": "KR",
    "Asia/Taipei": "TC",
    "Asia/Hong_Kong": "HK",
    "Asia/Macau": "HK",
}
"""By time zone, whose forms of Chinese characters are used where a name does not show it."""
_INVISIBLE = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that change the direction of text, and so what a reader takes a name for."""


def content_of(report: Report) -> dict[str, Any]:
    """The content, as report.typ reads it."""
    report = report.printed()
    shown = list(islice(report.rows, MOST_ROWS))
    rows, totals = list(_texts(report, shown)), list(_texts(report, report.totals))
    return {
        "title": printable(report.title),
        "tenant": printable(report.tenant),
        "period": printable(period(report)),
        "lines": [printable(line) for line in _lines(report)],
        "region": _REGIONS.get(report.time_zone, "SC"),
        "landscape": _width(report, chain(rows, totals)) > _PORTRAIT_WIDTH,
        "charts": [chart_content(chart) for chart in report.charts],
        "chart_note": report.chart_note,
        "columns": [
            {"title": column.title, "is_name": _is_name(column), "is_number": _is_number(column)}
            for column in report.columns
        ],
        "rows": rows,
        "totals": totals,
    }


def chart_content(chart: Chart) -> dict[str, Any]:
    """One chart: its bars with their sizes, and each value as text."""
    sizes = [[_plotted(value, chart) for value in series.values] for series in chart.series]
    rest = None
    if chart.rest:
        label, together = chart.rest
        texts = [compact(_plotted(value, chart), chart.unit) for value in together]
        rest = f"and {label}: {' / '.join(texts)}"
    return {
        "title": printable(chart.title),
        "in_order": chart.in_order,
        "series": [series.title for series in chart.series],
        "bars": [
            {
                "label": _shortened(printable(label), _LONGEST_LABEL),
                "values": [
                    {"size": size, "text": compact(size, chart.unit)} for size in of_the_bar
                ],
            }
            for label, of_the_bar in zip(chart.labels, zip(*sizes, strict=True), strict=True)
        ],
        "rest": rest,
    }


def printable(text: str) -> str:
    """The text on one line, without invisible characters; U+FFFD for what is no character."""
    words = " ".join(text.split())
    return "".join(
        "\ufffd" if unicodedata.category(c) in ("Cc", "Cn", "Co", "Cs") else c
        for c in words
        if c not in _INVISIBLE
    )


def compact(value: float, unit: Kind) -> str:
    """A rounded value: `63.2 %`, `1.24M`, `950`; the table has the exact one."""
    if unit is Kind.PERCENT:
        return f"{value:.1f} %"
    for size, suffix in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e4, "K")):
        if abs(value) >= size:
            scaled = value / (1e3 if suffix == "K" else size)
            return f"{scaled:.3g}{suffix}" if abs(scaled) < 1000 else f"{scaled:,.0f}{suffix}"
    return f"{value:,.0f}"


def _lines(report: Report) -> Iterator[str]:
    if report.currency:
        yield f"Only deals priced in {report.currency}"
    yield f"Time zone: {report.time_zone}"
    if report.as_of:
        yield f"As of {instant(report.as_of, report.time_zone)}"
    yield f"Reflects {position_text(report)}"
    if report.row_count > MOST_ROWS:
        yield (
            f"These are the first {MOST_ROWS:,} of {report.row_count:,} rows; "
            "the CSV, XLSX and JSON files have all of them."
        )
    yield " ".join(notes(report))


def _texts(report: Report, rows: Iterable[Row]) -> Iterator[list[str]]:
    currency_of = currency_reader(report)
    for row in rows:
        cells = zip(row, report.columns, strict=True)
        texts = (display_text(cell, column, currency_of(row)) for cell, column in cells)
        yield [_shortened(printable(text), _LONGEST_TEXT) for text in texts]


def _shortened(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1].rstrip() + "\u2026"


def _is_name(column: Column) -> bool:
    return column.kind is Kind.TEXT and column.key != "currency"


def _is_number(column: Column) -> bool:
    return column.kind not in (Kind.TEXT, Kind.DATE)


def _width(report: Report, rows: Iterable[list[str]]) -> float:
    """The width that the table needs, in points: names are wrapped, numbers are not."""
    longest = [len(column.title) for column in report.columns]
    for row in rows:
        longest = [max(most, len(text)) for most, text in zip(longest, row, strict=True)]
    return sum(
        _NAME_WIDTH if _is_name(column) else most * _CHARACTER_WIDTH + _PADDING
        for column, most in zip(report.columns, longest, strict=True)
    )


def _plotted(value: Any, chart: Chart) -> float:
    if chart.unit is Kind.MONEY:
        return float(amount_of(int(value), chart.currency))
    return float(value * 100 if chart.unit is Kind.PERCENT else value)
