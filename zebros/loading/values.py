"""Parses text into exact values; text that would need guessing or rounding is rejected.

Money is parsed by Decimal into minor units, never through a float.
"""

import json
import re
from datetime import date, datetime
from decimal import Decimal

from zebros.loading.currency_signs import currencies_of, without_signs
from zebros.loading.invalid_value import InvalidValue
from zebros.loading.numbers import LONGEST, number
from zebros.money import LARGEST, exponent, find_exponent

_ISO_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MOST_DIGITS = 24
"""Decimal computes with 28 digits; more would be rounded."""
_SAFE_DIGITS = 16
"""Numbers of fewer digits are below LARGEST."""
_PLAIN_DECIMALS = 2
"""With three, `1.234` has two readings."""
_DAY_NUMBER = re.compile("[2-6][0-9]{4}")
"""A day as a spreadsheet stores it, from 1954 to 2091."""
_RANGE = re.compile(r"[0-9][0-9.,']*(?: ?[-\u2010-\u2015] ?[0-9][0-9.,']*| ?\+)")
"""How programs write a number of employees: `51-200`, `10,001+`."""
ISO_FORMAT = "%Y-%m-%d"
_TIMES = ("", " %H:%M:%S", " %H:%M")
_DAY_FIRST = tuple(
    f"{day}{time}" for day in ("%d/%m/%Y", "%d/%m/%y") for time in (*_TIMES, " %I:%M %p")
)
_MONTH_FIRST = tuple(one.replace("%d/%m", "%m/%d") for one in _DAY_FIRST)
ORDERS = dict.fromkeys(_DAY_FIRST, "day") | dict.fromkeys(_MONTH_FIRST, "month")
"""What comes first, of formats that differ in it."""
DATE_FORMATS = (
    *(ISO_FORMAT + time for time in _TIMES),
    "%Y-%m-%dT%H:%M:%S.%fZ",
    "%Y-%m-%dT%H:%M:%SZ",
    "%Y-%m-%dT%H:%M:%S.%f%z",
    "%Y-%m-%dT%H:%M:%S%z",
    "%Y-%m-%d %H:%M:%S%z",
    "%Y-%m-%d %H:%M:%S %z",
    *(f"{day}{time}" for day in ("%d.%m.%Y", "%d.%m.%y") for time in _TIMES),
    *_DAY_FIRST,
    *_MONTH_FIRST,
    *("%d-%m-%Y", "%Y/%m/%d", "%Y/%m/%d %H:%M:%S", "%Y.%m.%d", "%Y%m%d"),
    *("%d %b %Y", "%d %B %Y", "%d-%b-%Y", "%d-%b-%y", "%b %d, %Y", "%B %d, %Y", "%d. %B %Y"),
)
"""How exports write dates, the plainest form first; a time is left out."""
TRUE = frozenset(
    [
        *("true", "yes", "y", "1", "ja", "wahr", "oui", "vrai", "sí", "si", "verdadero"),
        *("sim", "tak", "ano", "sì", "vero", "да", "on"),
    ]
)
FALSE = frozenset(
    [
        *("false", "no", "n", "0", "nein", "falsch", "non", "faux", "falso", "não", "nie"),
        *("нет", "off"),
    ]
)
_WORDS = {  # what a map has to say, because it may mean something else in another column
    **dict.fromkeys(("x", "✓", "✔", "t", "active", "aktiv", "j"), True),
    **dict.fromkeys(("f", "inactive", "inaktiv"), False),
}


def decimals(currency: str) -> int:
    """The decimals of a currency: 2 for USD, 0 for JPY, 3 for KWD."""
    try:
        return exponent(currency)
    except ValueError as error:
        raise InvalidValue(str(error)) from error


def minor_units(
    text: str,
    currency: str,
    *,
    scale: Decimal = Decimal(1),
    decimal: str | None = None,
    thousands: str | None = None,
) -> int:
    """An amount in minor units: `12.5` USD is 1250; with `scale` 1000000, `1.1` is 110000000.

    The text may have a symbol or a code of the currency. Raises InvalidValue for another currency,
    and for an amount that would have to be rounded.
    """
    places = decimals(currency)
    if (
        scale == 1
        and decimal != ","
        and thousands is None
        and (plain := _plain_minor_units(text, places)) is not None
    ):
        return plain
    if len(text) > LONGEST or sum(map(str.isdigit, text)) > _MOST_DIGITS:
        raise InvalidValue(f"{text[:LONGEST]!r} is too large an amount")
    bare, signs = without_signs(text)
    for sign in signs:
        if currency not in currencies_of(sign):
            known = bool(currencies_of(sign))
            reason = (
                f"is not in {currency}, the currency of the row" if known else "is not a number"
            )
            raise InvalidValue(f"{text!r} {reason}")
    try:
        value = number(bare, decimal=decimal, thousands=thousands)
    except InvalidValue as error:
        raise InvalidValue(str(error).replace(repr(bare), repr(text))) from error
    exact = (value * scale).scaleb(places)
    if exact != exact.to_integral_value():
        raise InvalidValue(
            f"{text!r} is not a whole number of minor units; {currency} has {places} decimals"
        )
    return _checked_size(int(exact), text)


def _plain_minor_units(text: str, places: int) -> int | None:
    """An amount in the most common form, without a Decimal, which is five times faster."""
    whole, point, fraction = text.partition(".")
    given = len(fraction)
    if not whole or given > places or given > _PLAIN_DECIMALS or (point and not given):
        return None
    digits = whole + fraction.ljust(places, "0")
    return int(digits) if len(digits) < _SAFE_DIGITS and digits.isdecimal() else None


def _checked_size(minor: int, text: str) -> int:
    if abs(minor) > LARGEST:
        raise InvalidValue(f"{text!r} is too large an amount")
    return minor


def money(
    text: str,
    currency: str,
    *,
    scale: Decimal = Decimal(1),
    decimal: str | None = None,
    thousands: str | None = None,
) -> dict[str, int | str]:
    """Money as the API takes it."""
    minor = minor_units(text, currency, scale=scale, decimal=decimal, thousands=thousands)
    return {"minor_units": minor, "currency": currency}


def money_with_currency(text: str) -> dict[str, int | str]:
    """Money that names its currency: `12.50 USD`, `USD 12.50` or `€ 12.50`."""
    amount, _, code = text.rpartition(" ")
    places = find_exponent(code)
    if places is not None and (plain := _plain_minor_units(amount, places)) is not None:
        return {"minor_units": plain, "currency": code}  # the form that the CRM exports
    named = [currencies_of(sign) for sign in without_signs(text)[1]]
    common = frozenset.intersection(*named) if named else frozenset()
    if len(common) != 1:
        raise InvalidValue(f"{text!r} needs its currency, such as '12.50 USD'")
    return money(text, *common)


def integer(text: str, *, decimal: str | None = None, thousands: str | None = None) -> int:
    """A whole number; also `12.0` and `1,200`."""
    if text.isascii() and text.isdecimal() and len(text) < _SAFE_DIGITS:
        return int(text)
    try:
        value = number(text, decimal=decimal, thousands=thousands, whole=True)
    except InvalidValue as error:
        if len(text) <= LONGEST and _RANGE.fullmatch(text):
            raise InvalidValue(
                f"{text!r} is a range, and the field is one whole number: "
                f"say which in the map, as values = {{ {json.dumps(text, ensure_ascii=False)} = "
                '"…" }'
            ) from None
        is_number = text[:1].isdigit() or text[1:2].isdigit()
        raise error if is_number else InvalidValue(f"{text!r} is not a whole number") from None
    if value != value.to_integral_value() or abs(value) > LARGEST:
        raise InvalidValue(f"{text!r} is not a whole number")
    return int(value)


def plain_date(text: str, formats: tuple[str, ...]) -> str:
    """A date as `YYYY-MM-DD`, by the only one of `formats` (strptime's) that fits.

    Raises InvalidValue when several fit and give different days: 02/03 is in March or in February.
    """
    found: dict[date, str] = {}
    for format_ in formats:
        if (parsed := _date(text, format_)) is not None:
            found.setdefault(parsed, format_)
    if len(found) > 1:
        readings = " and ".join(f"{day.isoformat()} by {one}" for day, one in found.items())
        raise InvalidValue(f"{text!r} is {readings}")
    if not found and _ISO_DATE.fullmatch(text) and ISO_FORMAT in formats:
        raise InvalidValue(f"{text!r} is no day of the calendar")
    if not found:
        wanted = " or ".join("YYYY-MM-DD" if one == ISO_FORMAT else one for one in formats)
        raise InvalidValue(f"{text!r} is not a date of the form {wanted}{_date_hint(text)}")
    (day,) = found
    if day.year < 1900:
        raise InvalidValue(f"{text!r} is before 1900")
    return day.isoformat()


def _date_hint(text: str) -> str:
    """What the map could say about a date of another form."""
    if _DAY_NUMBER.fullmatch(text):
        return "; it is the number of a day in a spreadsheet: format the column as a date there"
    others = [one for one in DATE_FORMATS if fits(text, one)]
    if not others:
        return ""
    both = dict.fromkeys((others[0], *(one for one in others[1:] if one in ORDERS)))
    return f"; set `format` in the map, such as {' or '.join(json.dumps(one) for one in both)}"


def day_of(text: str, format_: str) -> str:
    """The day that a text is by a format, as YYYY-MM-DD; empty when it is no date of that form."""
    day = _date(text, format_)
    return day.isoformat() if day else ""


def fits(text: str, format_: str) -> bool:
    """Whether a text is a date of a format."""
    return _date(text, format_) is not None


def _date(text: str, format_: str) -> date | None:
    try:
        if format_ == ISO_FORMAT:  # ten times faster than strptime
            return date.fromisoformat(text) if _ISO_DATE.fullmatch(text) else None
        return datetime.strptime(text, format_).date()
    except ValueError:
        return None


def boolean(text: str) -> bool:
    """yes/no, true/false, y/n, 1/0, on/off, and the words of spreadsheets in other languages."""
    folded = text.casefold()
    if folded in TRUE:
        return True
    if folded in FALSE:
        return False
    raise InvalidValue(f"{text!r} is neither yes nor no")


def boolean_word(text: str) -> bool | None:
    """What a word probably means that `boolean` does not read."""
    return _WORDS.get(text.casefold())
