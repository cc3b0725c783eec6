"""A report as an Excel workbook: the table with numbers, native charts, and the provenance.

Written in constant memory, row by row. A spreadsheet stores 15 digits of a number, so an amount
with more digits is text, and the sheet About says how many there are.
"""

import math
from datetime import date
from decimal import Decimal
from itertools import chain
from pathlib import Path
from typing import Any
from unicodedata import east_asian_width

import xlsxwriter
from xlsxwriter.utility import xl_range

from kernel.domain.money import decimal_digits
from reporting.render.cell_format import (
    amount_of,
    currency_reader,
    heading,
    is_formula,
    machine_text,
)
from reporting.render.provenance import provenance
from reporting.report import Chart, Column, Kind, Report

_INK, _ACCENT, _PALE = "#1F2A37", "#1D5FA8", "#EAF1F9"
_EXCEL_DAY_0 = date(1899, 12, 30).toordinal()
"""The day before Excel's day 1, correct from March 1900 on."""
_CELL_TEXT = 32_767
"""The maximum number of characters in a cell."""
_DIGITS = 15
"""How many digits of a number a spreadsheet stores."""
_LARGE = 10**_DIGITS
_NAME_WIDTH, _NUMBER_WIDTH = 36, 16
"""Widths of columns, in characters."""
_SHORT = _NAME_WIDTH // 2
"""The length up to which a name fits its column whatever its characters are."""
_LINE_HEIGHT = 15
"""The height of a line of text in points, as Excel has it by default."""
_LABEL_TEXT = 40
"""The maximum number of characters beside a bar, where a long name would leave no room for it."""


def render(report: Report, path: Path) -> None:
    """Write the workbook: sheets Report, Charts (if any) and About."""
    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with xlsxwriter.Workbook(str(path), options) as book:
        book.set_properties({"title": report.title, "company": report.tenant})
        styles = _Styles(book)
        rounded = _table(book.add_worksheet("Report"), report, styles)
        if report.charts:
            _charts(book, report, styles)
        _about(book.add_worksheet("About"), report, styles, rounded)


class _Styles:
    """Cell formats, each made once, because a workbook stores every format it is given."""

    def __init__(self, book: Any) -> None:
        self._book = book
        self._made: dict[tuple[str, bool], Any] = {}
        head = {"bold": True, "font_color": "white", "bg_color": _ACCENT, "text_wrap": True}
        self.header = book.add_format(head)
        self.number_header = book.add_format({**head, "align": "right"})
        self.title = book.add_format({"bold": True, "font_size": 16, "font_color": _INK})
        self.label = book.add_format({"bold": True, "valign": "top"})
        self.wrapped = book.add_format({"text_wrap": True, "valign": "top"})

    def number(self, pattern: str, total: bool) -> Any:
        """A number format, in the style of totals if `total`."""
        return self._make(pattern, total, {"num_format": pattern, "valign": "top"})

    def text(self, cell: str, total: bool) -> Any:
        """A text format; text like a formula gets Excel's quote prefix (the leading apostrophe)."""
        look = {"text_wrap": True, "valign": "top", "align": "left"}
        if is_formula(cell):
            return self._make("'", total, {**look, "quote_prefix": True})
        return self._make("", total, look)

    def label_text(self, label: str) -> Any:
        """The format of a text beside numbers of a chart; it stays on one line."""
        return self._make("'label", False, {"quote_prefix": True}) if is_formula(label) else None

    def long_number(self, total: bool) -> Any:
        """The format of a number that is text."""
        return self._make("long", total, {"align": "right", "num_format": "@", "valign": "top"})

    def _make(self, key: str, total: bool, look: dict[str, Any]) -> Any:
        if (key, total) not in self._made:
            style = {"bold": True, "bg_color": _PALE, "top": 1} if total else {}
            self._made[key, total] = self._book.add_format({**look, **style})
        return self._made[key, total]


def _pattern(kind: Kind, currency: str | None) -> str:
    if kind is Kind.MONEY:
        digits = decimal_digits(currency) if currency else 0
        return "#,##0" + ("." + "0" * digits if digits else "")
    return {Kind.PERCENT: "0.00%", Kind.DATE: "yyyy-mm-dd"}.get(kind, "#,##0")


def _table(sheet: Any, report: Report, styles: _Styles) -> int:
    """Write the table; returns how many amounts have too many digits for a number."""
    for index, column in enumerate(report.columns):
        style = styles.header if column.kind is Kind.TEXT else styles.number_header
        sheet.write_string(0, index, heading(column), style)
    sheet.freeze_panes(1, 0)
    sheet.autofilter(0, 0, max(report.row_count, 1), len(report.columns) - 1)
    sheet.repeat_rows(0)
    _print_landscape(sheet)
    last = report.row_count + len(report.totals)
    sheet.ignore_errors({"number_stored_as_text": xl_range(1, 0, last, len(report.columns) - 1)})
    largest, long_numbers = _rows(sheet, report, styles)
    for index, column in enumerate(report.columns):
        sheet.set_column(index, index, _column_width(column, largest))
    return long_numbers


def _print_landscape(sheet: Any) -> None:
    """Print on pages of the sheet's whole width, as many as there are rows for."""
    sheet.set_landscape()
    sheet.fit_to_pages(1, 0)


def _column_width(column: Column, largest: int) -> int:
    if column.kind is Kind.TEXT:
        return 10 if column.key == "currency" else _NAME_WIDTH
    return _number_width(largest) if column.kind is Kind.MONEY else _NUMBER_WIDTH


def _number_width(largest: int) -> int:
    """The width for so many minor units with all their separators."""
    return max(_NUMBER_WIDTH, len(f"-{largest:,}.00"))


def _lines(text: str) -> int:
    """How many lines a name has in its column; programs other than Excel do not count them."""
    lines = 0
    for part in text.split("\n"):
        width = sum(2 if east_asian_width(c) in "WF" else 1 for c in part)
        lines += 1 if width <= _NAME_WIDTH else math.ceil(width / (_NAME_WIDTH - 4))
    return lines


def _rows(sheet: Any, report: Report, styles: _Styles) -> tuple[int, int]:
    """Write the rows; returns the largest number, and how many numbers are text.

    Formats are computed once per currency and kind of row, for speed.
    """
    largest = long_numbers = 0
    currency_of = currency_reader(report)
    plans: dict[tuple[str | None, bool], list[tuple[Kind, Any, int]]] = {}
    for number, row in enumerate(chain(report.rows, report.totals), 1):
        total = number > report.row_count
        currency = currency_of(row)
        plan = plans.get((currency, total))
        if plan is None:
            plan = [_column_format(column, currency, styles, total) for column in report.columns]
            plans[currency, total] = plan
        lines = 1
        for index, cell in enumerate(row):
            kind, style, unit = plan[index]
            if cell is None:
                sheet.write_blank(number, index, None, style)
            elif kind is Kind.TEXT:
                text = str(cell)[:_CELL_TEXT]
                usual = total or (len(text) <= _SHORT and text.isascii() and text.isprintable())
                if not usual or is_formula(text):
                    style, lines = styles.text(text, total), max(lines, _lines(text))
                sheet.write_string(number, index, text, style)
            elif isinstance(cell, date):
                days = cell.toordinal() - _EXCEL_DAY_0  # a third of write_datetime's time
                sheet.write_number(number, index, days, style)
            elif isinstance(cell, int) and not -_LARGE < cell < _LARGE and _is_long(cell):
                text = machine_text(cell, report.columns[index], currency)
                sheet.write_string(number, index, text, styles.long_number(total))
                largest, long_numbers = max(largest, abs(cell)), long_numbers + 1
            elif isinstance(cell, int | Decimal):
                if not -largest <= cell <= largest:
                    largest = abs(int(cell)) + 1
                sheet.write_number(number, index, float(cell / unit), style)
            else:  # text in a column of numbers or dates, such as "(none)"
                sheet.write_string(number, index, str(cell), style)
        if lines > 1:
            sheet.set_row(number, _LINE_HEIGHT * lines)
    return largest, long_numbers


def _is_long(number: int) -> bool:
    """Whether a spreadsheet would round the number; zeros at its end are no digits of it."""
    return len(str(abs(number)).rstrip("0")) > _DIGITS


def _column_format(
    column: Column, currency: str | None, styles: _Styles, total: bool
) -> tuple[Kind, Any, int]:
    """The kind of the column's cells, their format, and the minor units per major unit."""
    if column.kind is Kind.TEXT:
        return column.kind, styles.text("", total) if total else None, 1
    unit = 10 ** decimal_digits(currency) if currency and column.kind is Kind.MONEY else 1
    return column.kind, styles.number(_pattern(column.kind, currency), total), unit


def _charts(book: Any, report: Report, styles: _Styles) -> None:
    """A sheet with the numbers of each chart, rounded, and a native chart beside them."""
    sheet = book.add_worksheet("Charts")
    every = (series for chart in report.charts for series in chart.series)
    largest = max(
        (abs(int(value)) for series in every for value in series.values),
        default=0,
    )
    sheet.set_column(0, 0, _LABEL_TEXT + 2)
    sheet.set_column(1, 3, _number_width(largest))
    _print_landscape(sheet)
    top = 0
    for chart in report.charts:
        bottom = top + len(chart.labels)
        sheet.write_string(top, 0, chart.title, styles.header)
        for column, series in enumerate(chart.series, 1):
            sheet.write_string(top, column, series.title, styles.number_header)
        style = styles.number(_pattern(chart.unit, chart.currency), False)
        for index, label in enumerate(chart.labels):
            text = _shortened(label)
            sheet.write_string(top + 1 + index, 0, text, styles.label_text(text))
            for column, series in enumerate(chart.series, 1):
                value = _plotted(series.values[index], chart)
                sheet.write_number(top + 1 + index, column, value, style)
        if chart.rest:  # written below the numbers, outside the chart's range
            label, together = chart.rest
            sheet.write_string(bottom + 1, 0, f"and {label}")
            for column, figure in enumerate(together, 1):
                sheet.write_number(bottom + 1, column, _plotted(figure, chart), style)
        sheet.insert_chart(top, 5, _native_chart(book, chart, top + 1, bottom))
        top = max(bottom + 1, top + 20) + 2
    if report.chart_note:
        sheet.write_string(top, 0, report.chart_note)


def _shortened(label: str) -> str:
    """The label, cut to the room beside a bar; the table has the whole one."""
    if len(label) <= _LABEL_TEXT:
        return label
    return label[: _LABEL_TEXT - 1].rstrip() + "\u2026"


def _plotted(value: Any, chart: Chart) -> float:
    return float(amount_of(value, chart.currency) if chart.unit is Kind.MONEY else value)


def _native_chart(book: Any, chart: Chart, first: int, last: int) -> Any:
    native = book.add_chart({"type": "column" if chart.in_order else "bar"})
    for column, series in enumerate(chart.series, 1):
        native.add_series(
            {
                "name": series.title,
                "categories": ["Charts", first, 0, last, 0],
                "values": ["Charts", first, column, last, column],
                "fill": {"color": (_ACCENT, "#9DBEE3", "#C9CED6")[column - 1]},
                "gap": 60,
            }
        )
    native.set_title({"name": chart.title, "name_font": {"size": 12}})
    pattern = "0%" if chart.unit is Kind.PERCENT else "#,##0"
    values = {"num_format": pattern, "major_gridlines": {"visible": True, "line": {"color": _PALE}}}
    if chart.in_order:
        native.set_y_axis(values)
        native.set_x_axis({"label_position": "low"})  # not on negative bars
    else:  # Excel draws bars from the bottom; the table has the largest on top
        native.set_y_axis({"reverse": True, "label_position": "low"})
        native.set_x_axis({**values, "label_position": "high"})
    native.set_legend({"none": True} if len(chart.series) == 1 else {"position": "bottom"})
    native.set_size({"width": 640, "height": 380})
    return native


def _about(sheet: Any, report: Report, styles: _Styles, long_numbers: int) -> None:
    sheet.set_column(0, 0, 18)
    sheet.set_column(1, 1, 90)
    _print_landscape(sheet)
    sheet.write_string(0, 0, report.title, styles.title)
    lines = provenance(report)
    if long_numbers:
        amounts = "1 amount has" if long_numbers == 1 else f"{long_numbers:,} amounts have"
        it = "it is" if long_numbers == 1 else "they are"
        lines.append(
            (
                "Note",
                f"{amounts} more than {_DIGITS} digits, which a spreadsheet rounds: {it} text, and "
                "in no sum.",
            )
        )
    for row, (label, text) in enumerate(lines, 2):
        sheet.write_string(row, 0, label, styles.label)
        sheet.write_string(row, 1, text, styles.wrapped)
