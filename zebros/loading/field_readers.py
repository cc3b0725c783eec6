"""Functions that read one field from a row, made once per map and called for every row."""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from operator import itemgetter
from typing import Any

from zebros.loading import contact_points, values
from zebros.loading.country_names import alpha_2
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
Parse = Callable[[str], Any]
"""From a text that is not empty to a value. Raises InvalidValue."""
ParseInRow = Callable[[str, Cells], Any]
"""The same for a text and the cells of its row."""
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
    if (parse_in_row := _row_parser(field_type, source, position, country)) is not None:
        _check_texts_of_the_map(source, parse_in_row)
        return _read_in_row(text, parse_in_row)
    parse = _parser(name, field_type, source)
    if scalars := _scalars(field_type, source):
        parse = _with_scalars(parse, scalars)
    if parse is None:
        return _read_text(text)
    _check_texts_of_the_map(source, lambda text_, _: parse(text_))
    return _read_parsed(text, parse)


def _read_text(text: TextReader) -> Reader:
    def read(cells: Cells) -> Any:
        """As `_read_parsed`, for most fields."""
        value = text(cells)
        if not value:
            return UNSET if value is None else None
        if value[0] == "#":
            ensure_no_error(value)
        return value

    return read


def _read_parsed(text: TextReader, parse: Parse) -> Reader:
    def read(cells: Cells) -> Any:
        value = text(cells)
        if not value:
            return UNSET if value is None else None
        if value[0] == "#":
            ensure_no_error(value)
        return parse(value)

    return read


def _read_in_row(text: TextReader, parse: ParseInRow) -> Reader:
    read_text = _read_text(text)

    def read(cells: Cells) -> Any:
        value = read_text(cells)
        return parse(value, cells) if isinstance(value, str) else value

    return read


def _check_texts_of_the_map(source: Source, parse: ParseInRow) -> None:
    """Raise InvalidValue for a constant or a default that is wrong in every row."""
    for text in (source.constant, source.default):
        if text is None or source.country_column:
            continue
        if source.currency_column:
            amount, _ = without_signs(str(text))
            number(amount, decimal=source.decimal, thousands=source.thousands)
        else:
            parse(str(text), ())


def _scalars(field_type: FieldType | None, source: Source) -> dict[str, Any]:
    """Numbers and booleans of the map in a field of text (a custom field), by their texts."""
    if field_type is not FieldType.TEXT:
        return {}
    scalars = (source.constant, source.default)
    return {str(one): one for one in scalars if one is not None and not isinstance(one, str)}


def _with_scalars(parse: Parse | None, scalars: dict[str, Any]) -> Parse:
    def read(text: str) -> Any:
        if text in scalars:
            return scalars[text]
        return text if parse is None else parse(text)

    return read


def _parser(name: str, field_type: FieldType | None, source: Source) -> Parse | None:
    """A function from a text to a value of the type; None when the text is the value."""
    match field_type:
        case FieldType.INTEGER:
            return _with_marks(values.integer, source)
        case FieldType.BOOLEAN:
            return values.boolean
        case FieldType.DATE:
            return partial(values.plain_date, formats=source.formats)
        case FieldType.COUNTRY:
            return alpha_2
        case FieldType.LIST:
            return partial(_list, separator=source.separator or ";")
        case FieldType.EMAILS:
            return partial(contact_points.emails, separator=source.separator)
        case FieldType.WEBSITE:
            return contact_points.website
        case FieldType.MONEY if source.currency:
            money = partial(values.money, currency=source.currency, scale=source.scale)
            return _with_marks(money, source)
        case FieldType.MONEY:
            return values.money_with_currency
    return external_id if name.startswith("external_ids.") else None


def _with_marks(parse: Callable[..., Any], source: Source) -> Parse:
    """The parser of numbers with the marks that the map names, if it names any."""
    if source.decimal is None and source.thousands is None:
        return parse
    return partial(parse, decimal=source.decimal, thousands=source.thousands)


def _row_parser(
    field_type: FieldType | None, source: Source, position: Position, country: str | None
) -> ParseInRow | None:
    """The parser of a type whose values may depend on the row; None for the other types."""
    if field_type in (FieldType.PHONE, FieldType.PHONES):
        return _phone_parser(field_type, source, position, country)
    if field_type is FieldType.MONEY and source.currency_column:
        return _money_parser(source, source.currency_column, position(source.currency_column))
    return None


def _phone_parser(
    field_type: FieldType | None, source: Source, position: Position, country: str | None
) -> ParseInRow:
    fixed = source.country or country
    at = position(source.country_column) if source.country_column else None

    def parse(text: str, cells: Cells) -> Any:
        code = fixed
        if at is not None and cells[at]:
            code = alpha_2(cells[at].upper())
            if not contact_points.is_country(code):
                raise InvalidValue(f"{cells[at]!r} is not an ISO 3166 country code such as US")
        if field_type is FieldType.PHONE:
            return contact_points.phone(text, code, lenient=source.lenient)
        return contact_points.phones(text, code, source.separator, lenient=source.lenient)

    return parse


def _money_parser(source: Source, column: str, at: int) -> ParseInRow:
    def parse(text: str, cells: Cells) -> Any:
        if not cells[at]:
            raise InvalidValue(f"{column} names no currency")
        return values.money(
            text,
            cells[at].upper(),
            scale=source.scale,
            decimal=source.decimal,
            thousands=source.thousands,
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
