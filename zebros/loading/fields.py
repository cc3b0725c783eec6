"""One field of a map, made into a function that reads it from a row: decided once, run often."""

import re
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any

from zebros.loading import values
from zebros.loading.maps import Source
from zebros.loading.records import Kind, Type
from zebros.loading.values import Unreadable

Cells = Sequence[str]
"""The cleaned texts of a row, its joined columns behind its own."""
Text = Callable[[Cells], str]
Read = Callable[[Cells], Any]
"""A field's value; None or "" for nothing. Raises Unreadable."""
Place = Callable[[str], int]
"""Where a column stands among the cells."""

_PART = re.compile(r"\{([^{}|]+)(?:\|([^{}]*))?\}")
"""`{column}` or `{column|what to say when it is empty}` in a template."""


def columns_of(source: Source) -> list[str]:
    """Every column a field needs."""
    found = [*source.when]
    found += [name for name in (source.column, source.currency_column) if name is not None]
    if source.template is not None:
        found += [part.group(1).strip() for part in _PART.finditer(source.template)]
    return found


def text_reader(source: Source, place: Place) -> Text:
    """How the field's text is found; for references it is all there is to read."""
    if source.template is not None:
        return _template(source.template, place)
    assert source.column is not None  # a map says exactly one origin
    at = place(source.column)
    if not source.values:
        return itemgetter(at)
    return _translated(at, source)


def reader(name: str, source: Source, kind: Kind, place: Place) -> Read:
    """How a field's value is read from a row's cells."""
    type_ = kind.type_of(name)
    read: Read
    if source.constant is not None:
        constant = _default(source.constant, type_, source)

        def read(_cells: Cells) -> Any:
            return constant

    else:
        read = _converted(text_reader(source, place), type_, source, place)
    return _conditional(read, source, place) if source.when else read


def _converted(text: Text, type_: Type | None, source: Source, place: Place) -> Read:
    convert = _converter(type_, source)
    default = _default(source.default, type_, source) if source.default is not None else None
    if type_ is Type.MONEY and source.currency_column:
        return _money_in(text, place(source.currency_column), source, default)
    if convert is None and default is None:
        return text

    def read(cells: Cells) -> Any:
        found = text(cells)
        if not found:
            return default
        return convert(found) if convert else found

    return read


def _converter(type_: Type | None, source: Source) -> Callable[[str], Any] | None:
    """From text to the field's type; None where text is what it takes."""
    match type_:
        case Type.INTEGER:
            return values.integer
        case Type.BOOLEAN:
            return values.boolean
        case Type.DATE:
            return lambda text: values.plain_date(text, source.formats)
        case Type.LIST:
            return lambda text: _list(text, source.separator)
        case Type.MONEY if source.currency:
            return _money(source, source.currency)
        case Type.MONEY:
            return values.money_with_currency
        case _:
            return None


def _money(source: Source, currency: str) -> Callable[[str], Any]:
    return lambda text: values.money(
        text,
        currency,
        scale=source.scale,
        decimal=source.decimal,
        thousands=source.thousands,
    )


def _money_in(text: Text, currency_at: int, source: Source, default: Any) -> Read:
    """Money whose currency stands in a column of its own."""

    def read(cells: Cells) -> Any:
        found = text(cells)
        if not found:
            return default
        currency = cells[currency_at].upper()
        if not currency:
            raise Unreadable(f"{source.currency_column} names no currency")
        return _money(source, currency)(found)

    return read


def _default(given: Any, type_: Type | None, source: Source) -> Any:
    """What a map says itself, read as a cell would be when it is text."""
    convert = _converter(type_, source)
    return convert(given) if convert and isinstance(given, str) else given


def _list(text: str, separator: str) -> list[str] | None:
    return [part for part in map(str.strip, text.split(separator)) if part] or None


def _conditional(read: Read, source: Source, place: Place) -> Read:
    conditions = [
        (place(column), frozenset([wanted] if isinstance(wanted, str) else wanted))
        for column, wanted in source.when.items()
    ]
    return lambda cells: read(cells) if all(cells[n] in ok for n, ok in conditions) else None


def _translated(at: int, source: Source) -> Text:
    known, other = source.values, source.other

    def text(cells: Cells) -> str:
        found = cells[at]
        if found in known or not found:
            return known.get(found, found)
        if other == "reject":
            raise Unreadable(f"{found!r} is none of {', '.join(known)}")
        return found if other == "keep" else ""

    return text


def _template(template: str, place: Place) -> Text:
    """Columns in a text; nothing when every column in it is empty and none says otherwise."""
    pieces: list[str | tuple[int, str]] = []
    end = 0
    for part in _PART.finditer(template):
        pieces += [
            template[end : part.start()],
            (place(part.group(1).strip()), part.group(2) or ""),
        ]
        end = part.end()
    pieces.append(template[end:])
    columns = [piece[0] for piece in pieces if not isinstance(piece, str)]

    def text(cells: Cells) -> str:
        if columns and not any(cells[at] for at in columns):
            return ""
        return "".join(
            piece if isinstance(piece, str) else cells[piece[0]] or piece[1] for piece in pieces
        ).strip()

    return text
