"""Formats cells as text or numbers, the same in every file format."""

from collections.abc import Callable
from decimal import Decimal

from kernel.domain.money import major
from reporting.report import Cell, Column, Kind, Report, Row

_STARTS_FORMULA = frozenset("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
"""First characters that make a spreadsheet evaluate a text, with their full-width forms
(OWASP, "CSV Injection")."""


def is_formula(text: str) -> bool:
    """Whether a spreadsheet would evaluate this text if it were pasted or imported."""
    return text[:1] in _STARTS_FORMULA


def escape_formula(text: str) -> str:
    """The text, prefixed with an apostrophe if a spreadsheet would evaluate it."""
    return f"'{text}" if is_formula(text) else text


def currency_reader(report: Report) -> Callable[[Row], str | None]:
    """A function from a row to the currency of its amounts, made once per table."""
    index = report.currency_index()
    if index is None:
        return lambda _row: None

    def read(row: Row) -> str | None:
        currency = row[index]
        return currency if isinstance(currency, str) else None

    return read


def amount_of(cell: Cell, currency: str | None) -> Decimal:
    """The decimal amount of a money cell; without a currency it is always 0."""
    if not isinstance(cell, int):
        raise TypeError(f"a money cell contains whole minor units, not {cell!r}")
    return major(cell, currency) if currency else Decimal(cell)


def for_machines(cell: Cell, column: Column, currency: str | None) -> str:
    """Plain text: `10005534.00`, `63.15`, `2026-01-31`; empty without a value."""
    if cell is None:
        return ""
    match column.kind:
        case Kind.MONEY:
            return f"{amount_of(cell, currency):f}"
        case Kind.PERCENT:
            return f"{Decimal(str(cell)) * 100:.2f}"
        case Kind.TEXT:
            return escape_formula(str(cell))
        case _:
            return str(cell)


def for_people(cell: Cell, column: Column, currency: str | None) -> str:
    """Text with digits grouped: `10,005,534.00`, `63.15 %`; a dash without a value."""
    if cell is None:
        return "\u2013"
    match column.kind:
        case Kind.MONEY:
            return f"{amount_of(cell, currency):,f}"
        case Kind.INT:
            return f"{cell:,}"
        case Kind.PERCENT:
            return f"{Decimal(str(cell)) * 100:.2f} %"
        case _:
            return str(cell)


def heading(column: Column) -> str:
    """The column's title, with the unit if the cells have none."""
    return f"{column.title} (%)" if column.kind is Kind.PERCENT else column.title
