"""Functions that read one field from a row, made once per map and called for every row."""

import re
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any

from zebros.loading import values
from zebros.loading.map_model import Source
from zebros.loading.record_types import FieldType, RecordType
from zebros.loading.values import InvalidValue

Cells = Sequence[str]
"""The texts of a row after cleaning, followed by those of its joins."""
TextReader = Callable[[Cells], str]
Reader = Callable[[Cells], Any]
"""Reads a field's value; None or "" for an empty one. Raises InvalidValue."""
Position = Callable[[str], int]
"""The position of a column among the cells."""

_PLACEHOLDER = re.compile(r"\{([^{}|]+)(?:\|([^{}]*))?\}")
"""`{column}` or `{column|text for an empty cell}` in a template."""


def columns_of(source: Source) -> list[str]:
    """Every column that a source uses."""
    columns = [*source.when]
    columns += [name for name in (source.column, source.currency_column) if name is not None]
    if source.template is not None:
        columns += [match.group(1).strip() for match in _PLACEHOLDER.finditer(source.template)]
    return columns


def text_reader(source: Source, position: Position) -> TextReader:
    """A reader of the field's text, which is sufficient for references."""
    if source.template is not None:
        return _template(source.template, position)
    assert source.column is not None  # a source has a column, a template or a constant
    at = position(source.column)
    return _replaced(at, source) if source.values else itemgetter(at)


def reader(name: str, source: Source, record_type: RecordType, position: Position) -> Reader:
    """A reader of the field's value."""
    field_type = record_type.type_of(name)
    read: Reader
    if source.constant is not None:
        constant = _default(source.constant, field_type, source)

        def read(_cells: Cells) -> Any:
            return constant

    else:
        read = _parsed(text_reader(source, position), field_type, source, position)
    return _conditional(read, source, position) if source.when else read


def _parsed(
    text: TextReader, field_type: FieldType | None, source: Source, position: Position
) -> Reader:
    parse = _parser(field_type, source)
    default = _default(source.default, field_type, source) if source.default is not None else None
    if field_type is FieldType.MONEY and source.currency_column:
        return _money_with_currency_column(text, position(source.currency_column), source, default)
    if parse is None and default is None:
        return text

    def read(cells: Cells) -> Any:
        value = text(cells)
        if not value:
            return default
        return parse(value) if parse else value

    return read


def _parser(field_type: FieldType | None, source: Source) -> Callable[[str], Any] | None:
    """A function from text to a value of the type; None if the value is the text."""
    match field_type:
        case FieldType.INTEGER:
            return values.integer
        case FieldType.BOOLEAN:
            return values.boolean
        case FieldType.DATE:
            return lambda text: values.plain_date(text, source.formats)
        case FieldType.LIST:
            return lambda text: _list(text, source.separator)
        case FieldType.MONEY if source.currency:
            return _money_parser(source, source.currency)
        case FieldType.MONEY:
            return values.money_with_currency
        case _:
            return None


def _money_parser(source: Source, currency: str) -> Callable[[str], Any]:
    return lambda text: values.money(
        text, currency, scale=source.scale, decimal=source.decimal, thousands=source.thousands
    )


def _money_with_currency_column(
    text: TextReader, currency_at: int, source: Source, default: Any
) -> Reader:
    def read(cells: Cells) -> Any:
        value = text(cells)
        if not value:
            return default
        currency = cells[currency_at].upper()
        if not currency:
            raise InvalidValue(f"{source.currency_column} names no currency")
        return _money_parser(source, currency)(value)

    return read


def _default(value: Any, field_type: FieldType | None, source: Source) -> Any:
    """A constant or default of the map; a text is parsed like that of a cell."""
    parse = _parser(field_type, source)
    return parse(value) if parse and isinstance(value, str) else value


def _list(text: str, separator: str) -> list[str] | None:
    return [part for part in map(str.strip, text.split(separator)) if part] or None


def _conditional(read: Reader, source: Source, position: Position) -> Reader:
    conditions = [
        (position(column), frozenset([texts] if isinstance(texts, str) else texts))
        for column, texts in source.when.items()
    ]
    return lambda cells: read(cells) if all(cells[n] in ok for n, ok in conditions) else None


def _replaced(at: int, source: Source) -> TextReader:
    replacements, other = source.values, source.other

    def text(cells: Cells) -> str:
        cell = cells[at]
        if cell in replacements or not cell:
            return replacements.get(cell, cell)
        if other == "reject":
            raise InvalidValue(f"{cell!r} is none of {', '.join(replacements)}")
        return cell if other == "keep" else ""

    return text


def _template(template: str, position: Position) -> TextReader:
    """A reader of a template with columns; empty when all its columns are empty."""
    pieces: list[str | tuple[int, str]] = []
    end = 0
    for match in _PLACEHOLDER.finditer(template):
        pieces += [
            template[end : match.start()],
            (position(match.group(1).strip()), match.group(2) or ""),
        ]
        end = match.end()
    pieces.append(template[end:])
    columns = [piece[0] for piece in pieces if not isinstance(piece, str)]

    def text(cells: Cells) -> str:
        if columns and not any(cells[at] for at in columns):
            return ""
        return "".join(
            piece if isinstance(piece, str) else cells[piece[0]] or piece[1] for piece in pieces
        ).strip()

    return text
