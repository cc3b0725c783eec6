"""Parses text into exact values; text that would need guessing or rounding is rejected.

Money is parsed by Decimal into minor units, never through a float.
"""

import re
from datetime import date, datetime
from decimal import Decimal

from zebros.money import LARGEST, exponent

_CURRENCY = re.compile(r"[A-Z]{3}")
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?|[+-]?\.[0-9]+")
_PLAIN_AMOUNT = re.compile(r"([+-]?[0-9]+)(?:\.([0-9]+))?")
_INTEGER = re.compile(r"[+-]?[0-9]+(\.0+)?")
_ISO_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_VARIANTS = {" ": " \u00a0\u2009\u202f", "'": "'\u2019"}
"""The characters that programs use as a space or an apostrophe between thousands."""
_LONGEST_AMOUNT = 20
ISO_FORMAT = "%Y-%m-%d"
TRUE = frozenset({"true", "yes", "y", "1"})
FALSE = frozenset({"false", "no", "n", "0"})


class InvalidValue(ValueError):
    """A text that is not a value of its field; the message completes `amount: …`."""


def decimals(currency: str) -> int:
    """The decimals of a currency: 2 for USD, 0 for JPY, 3 for KWD."""
    try:
        return exponent(currency)
    except ValueError as error:
        raise InvalidValue(str(error)) from error


def number(text: str, *, decimal: str = ".", thousands: str = "") -> Decimal:
    """A plain number. Other separators are rejected: `1,234` can mean two things."""
    plain = _without_thousands(text, decimal, thousands) if thousands else text
    if decimal != ".":
        if "." in plain:
            raise InvalidValue(f"{text!r} has a dot, but the decimal separator is {decimal!r}")
        plain = plain.replace(decimal, ".")
    if not _NUMBER.fullmatch(plain):
        raise InvalidValue(f"{text!r} is not a number")
    return Decimal(plain)


def _without_thousands(text: str, decimal: str, thousands: str) -> str:
    """The number without its thousands separators, which must separate groups of three digits.

    With `thousands=","`, `12,50` is rejected: its author probably meant 12.50.
    """
    whole, point, fraction = text.partition(decimal)
    separator = next((one for one in _VARIANTS.get(thousands, thousands) if one in whole), "")
    if not separator:
        return text
    if not re.fullmatch(rf"[+-]?[0-9]{{1,3}}({re.escape(separator)}[0-9]{{3}})+", whole):
        raise InvalidValue(f"{text!r} is not in groups of three digits separated by {thousands!r}")
    return whole.replace(separator, "") + point + fraction


def minor_units(
    text: str,
    currency: str,
    *,
    scale: Decimal = Decimal(1),
    decimal: str = ".",
    thousands: str = "",
) -> int:
    """An amount in minor units: `12.5` USD is 1250; with `scale` 1000000, `1.1` is 110000000.

    Raises InvalidValue for an amount that would have to be rounded.
    """
    places = decimals(currency)
    if len(text) > _LONGEST_AMOUNT:  # Decimal rounds beyond 28 digits
        raise InvalidValue(f"{text[:_LONGEST_AMOUNT]!r}… is too large an amount")
    if scale == 1 and decimal == "." and not thousands and (plain := _PLAIN_AMOUNT.fullmatch(text)):
        # The most common form, without a Decimal, which is three times faster.
        whole, fraction = plain.groups("")
        if len(fraction) <= places:
            return _checked_size(int(whole + fraction.ljust(places, "0")), text)
    exact = (number(text, decimal=decimal, thousands=thousands) * scale).scaleb(places)
    if exact != exact.to_integral_value():
        raise InvalidValue(
            f"{text!r} is not a whole number of minor units; {currency} has {places} decimals"
        )
    return _checked_size(int(exact), text)


def _checked_size(minor: int, text: str) -> int:
    if abs(minor) > LARGEST:
        raise InvalidValue(f"{text!r} is too large an amount")
    return minor


def money(
    text: str,
    currency: str,
    *,
    scale: Decimal = Decimal(1),
    decimal: str = ".",
    thousands: str = "",
) -> dict[str, int | str]:
    """Money as the API takes it."""
    minor = minor_units(text, currency, scale=scale, decimal=decimal, thousands=thousands)
    return {"minor_units": minor, "currency": currency}


def money_with_currency(text: str) -> dict[str, int | str]:
    """Money that names its currency: `12.50 USD` or `USD 12.50`."""
    words = text.split()
    if len(words) == 2:
        for amount, currency in (words, reversed(words)):
            if _CURRENCY.fullmatch(currency):
                return money(amount, currency)
    raise InvalidValue(f"{text!r} needs its currency, such as '12.50 USD'")


def integer(text: str) -> int:
    """A whole number; also `12.0`, as spreadsheets write it."""
    if not _INTEGER.fullmatch(text) or len(text) > 18:
        raise InvalidValue(f"{text!r} is not a whole number")
    return int(text.partition(".")[0])


def plain_date(text: str, formats: tuple[str, ...]) -> str:
    """A date as `YYYY-MM-DD`, parsed by the first of `formats` (strptime's) that fits."""
    for format_ in formats:
        parsed = _date(text, format_)
        if parsed is None:
            continue
        if parsed.year < 1900:
            raise InvalidValue(f"{text!r} is before 1900")
        return parsed.isoformat()
    raise InvalidValue(f"{text!r} is not a date of the form {' or '.join(formats)}")


def _date(text: str, format_: str) -> date | None:
    try:
        if format_ == ISO_FORMAT:  # ten times faster than strptime
            return date.fromisoformat(text) if _ISO_DATE.fullmatch(text) else None
        return datetime.strptime(text, format_).date()
    except ValueError:
        return None


def boolean(text: str) -> bool:
    """yes/no, true/false, y/n, 1/0."""
    folded = text.casefold()
    if folded in TRUE:
        return True
    if folded in FALSE:
        return False
    raise InvalidValue(f"{text!r} is neither yes nor no")
