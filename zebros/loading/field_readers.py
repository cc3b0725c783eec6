"""Functions that read one field from a row, made once per map and called for every row."""

import re
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any

from zebros.loading import contact_points, values
from zebros.loading.currency_signs import without_signs
from zebros.loading.invalid_value import InvalidValue
from zebros.loading.map_model import Source
from zebros.loading.numbers import number
from zebros.loading.record_types import FieldType, RecordType

Cells = Sequence[str]
"""The texts of a row after cleaning, followed by those of its joins."""
TextReader = Callable[[Cells], str | None]
"""Reads a field's text; "" for an empty one, None where the map's `when` leaves the field out."""
Reader = Callable[[Cells], Any]
"""Reads a field's value; None for an empty one, UNSET where `when` leaves the field out.

Raises InvalidValue."""
UNSET = object()
Position = Callable[[str], int]
"""The position of a column among the cells."""

_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_SPREADSHEET_ERRORS = frozenset(
    ["#N/A", "#REF!", "#VALUE!", "#NAME?", "#DIV/0!", "#NULL!", "#NUM!", "#SPILL!", "#CALC!"]
)
_PLACEHOLDER = re.compile(r"\{([^{}|]+)(?:\|([^{}]*))?\}")
"""`{column}` or `{column|text for an empty cell}` in a template."""


def columns_of(source: Source) -> list[str]:
    """Every column that a source uses."""
    columns = [*source.when, *source.columns]
    others = (source.currency_column, source.country_column)
    columns += [name for name in others if name is not None]
    if source.template is not None:
        columns += [match.group(1).strip() for match in _PLACEHOLDER.finditer(source.template)]
    return columns


def text_reader(source: Source, position: Position) -> TextReader:
    """A reader of the field's text, which is sufficient for references.

    Every option about texts has its effect here: `values` and `other` replace what comes from the
    columns, then `default` fills what is empty, and `when` decides whether the field is set at all.
    """
    if source.constant is not None:
        constant = str(source.constant)

        def read(_cells: Cells) -> str:
            return constant

        text: TextReader = read
    elif source.template is not None:
        text = _template(source.template, position)
    else:
        text = _first(tuple(map(position, source.columns)))
    if source.values:
        text = _replaced(text, source)
    if source.default is not None:
        text = _with_default(text, str(source.default))
    if not source.when:
        return text
    applies = matches(source.when, position)
    return lambda cells: text(cells) if applies(cells) else None


def reader(
    name: str, source: Source, record_type: RecordType, position: Position, country: str | None
) -> Reader:
    """A reader of the field's value; `country` is the map's. Raises InvalidValue.

    A constant and a default are parsed as texts of cells are.
    """
    field_type = record_type.type_of(name)
    if field_type is FieldType.TEXT and source.constant is not None and not source.when:
        value = source.constant
        return lambda _cells: value
    text = text_reader(source, position)
    parse = _parser(name, field_type, source, position, country)
    for text_ in (source.constant, source.default):
        if text_ is not None:
            _check_text_of_the_map(str(text_), source, parse)
    keep = _kept_scalars(field_type, source)

    if parse is _as_it_is and not keep:

        def read_text(cells: Cells) -> Any:
            """As `read`, for most fields."""
            value = text(cells)
            if not value:
                return UNSET if value is None else None
            if value[0] == "#":
                ensure_no_error(value)
            return value

        return read_text

    def read(cells: Cells) -> Any:
        value = text(cells)
        if not value:
            return UNSET if value is None else None
        if keep and value in keep:
            return keep[value]
        if value[0] == "#":
            ensure_no_error(value)
        return parse(value, cells)

    return read


def _check_text_of_the_map(text: str, source: Source, parse: Callable[[str, Cells], Any]) -> None:
    """Raise InvalidValue for a constant or a default that is wrong in every row."""
    if source.currency_column:
        amount, _ = without_signs(text)
        number(amount, decimal=source.decimal, thousands=source.thousands)
    elif not source.country_column:
        parse(text, ())


def _kept_scalars(field_type: FieldType | None, source: Source) -> dict[str, Any]:
    """Numbers and booleans of the map in a field of text (a custom field), by their texts."""
    if field_type is not FieldType.TEXT:
        return {}
    scalars = (source.constant, source.default)
    return {str(one): one for one in scalars if one is not None and not isinstance(one, str)}


def _parser(
    name: str,
    field_type: FieldType | None,
    source: Source,
    position: Position,
    country: str | None,
) -> Callable[[str, Cells], Any]:
    """A function from a text, and the cells of its row, to a value of the type."""
    match field_type:
        case FieldType.INTEGER:
            return lambda text, _: values.integer(
                text, decimal=source.decimal, thousands=source.thousands
            )
        case FieldType.BOOLEAN:
            return lambda text, _: values.boolean(text)
        case FieldType.DATE:
            return lambda text, _: values.plain_date(text, source.formats)
        case FieldType.LIST:
            return lambda text, _: _list(text, source.separator or ";")
        case FieldType.EMAILS:
            return lambda text, _: contact_points.emails(text, source.separator)
        case FieldType.WEBSITE:
            return lambda text, _: contact_points.website(text)
        case FieldType.PHONE | FieldType.PHONES:
            return _phone_parser(field_type, source, position, country)
        case FieldType.MONEY:
            return _money_parser(source, position)
    if name.startswith("external_ids."):
        return lambda text, _: external_id(text)
    return _as_it_is


def _as_it_is(text: str, _: Cells) -> str:
    return text


def _phone_parser(
    field_type: FieldType, source: Source, position: Position, country: str | None
) -> Callable[[str, Cells], Any]:
    fixed = source.country or country
    at = position(source.country_column) if source.country_column else None

    def parse(text: str, cells: Cells) -> Any:
        code = fixed
        if at is not None and cells[at]:
            code = cells[at].upper()
            if not contact_points.is_country(code):
                raise InvalidValue(f"{cells[at]!r} is not an ISO 3166 country code such as US")
        if field_type is FieldType.PHONE:
            return contact_points.phone(text, code, lenient=source.lenient)
        return contact_points.phones(text, code, source.separator, lenient=source.lenient)

    return parse


def _money_parser(source: Source, position: Position) -> Callable[[str, Cells], Any]:
    at = position(source.currency_column) if source.currency_column else None

    def parse(text: str, cells: Cells) -> Any:
        currency = source.currency if at is None else cells[at].upper()
        if currency is None:
            return values.money_with_currency(text)
        if not currency:
            raise InvalidValue(f"{source.currency_column} names no currency")
        return values.money(
            text, currency, scale=source.scale, decimal=source.decimal, thousands=source.thousands
        )

    return parse


def external_id(text: str) -> str:
    """An id of another system; an e-mail address in lower case, as the CRM stores addresses."""
    if "+" in text and contact_points.ROUNDED.fullmatch(text):
        raise InvalidValue(f"{text!r} was rounded by a spreadsheet: its last digits are lost")
    return text.lower() if "@" in text and _ADDRESS.fullmatch(text) else text


def ensure_no_error(text: str) -> None:
    """Raise InvalidValue for what a spreadsheet shows in place of a value."""
    if text in _SPREADSHEET_ERRORS:
        raise InvalidValue(f"{text!r} is an error of a spreadsheet, not a value")


def _list(text: str, separator: str) -> list[str] | None:
    return [part for part in map(str.strip, text.split(separator)) if part] or None


def matches(when: Mapping[str, str | list[str]], position: Position) -> Callable[[Cells], bool]:
    """Whether each of these columns has its text, or one of its texts."""
    conditions = [
        (position(column), frozenset([texts] if isinstance(texts, str) else texts))
        for column, texts in when.items()
    ]
    return lambda cells: all(cells[n] in ok for n, ok in conditions)


def _first(columns: tuple[int, ...]) -> TextReader:
    """The first text that is not empty."""
    if len(columns) == 1:
        return itemgetter(columns[0])
    return lambda cells: next((cells[at] for at in columns if cells[at]), "")


def _with_default(text: TextReader, default: str) -> TextReader:
    return lambda cells: text(cells) or default


def _replaced(text: TextReader, source: Source) -> TextReader:
    replacements, other = source.values, source.other

    def replaced(cells: Cells) -> str | None:
        cell = text(cells)
        if not cell or cell in replacements:
            return replacements.get(cell or "", cell)
        if other == "reject":
            raise InvalidValue(f"{cell!r} is none of {', '.join(replacements)}")
        return cell if other == "keep" else ""

    return replaced


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
