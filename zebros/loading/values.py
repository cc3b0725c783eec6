"""Text to values, exactly: what cannot be read without guessing is refused with the reason.

Money goes from text to minor units by Decimal and never through a float.
"""

import re
from datetime import date, datetime
from decimal import Decimal

from kernel.domain.money import LARGEST, exponent

_CURRENCY = re.compile(r"[A-Z]{3}")
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?|[+-]?\.[0-9]+")
_PLAIN = re.compile(r"([+-]?[0-9]+)(?:\.([0-9]+))?")
_WHOLE = re.compile(r"[+-]?[0-9]+(\.0+)?")
_ISO = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_ALIKE = {" ": " \u00a0\u2009\u202f", "'": "'\u2019"}
"""What programs write for a space or an apostrophe between thousands: several kinds of it."""
_LONGEST_AMOUNT = 20
ISO = "%Y-%m-%d"
YES = frozenset({"true", "yes", "y", "1"})
NO = frozenset({"false", "no", "n", "0"})


class Unreadable(ValueError):
    """A value that cannot be what its field needs; the message completes `amount: …`."""


def decimals(currency: str) -> int:
    """How many decimals a currency has: 2 for USD, 0 for JPY, 3 for KWD."""
    try:
        return exponent(currency)
    except ValueError as fault:
        raise Unreadable(str(fault)) from fault


def number(text: str, *, decimal: str = ".", thousands: str = "") -> Decimal:
    """A plain number. A separator not announced is refused: `1,234` can mean two things."""
    plain = _ungrouped(text, decimal, thousands) if thousands else text
    if decimal != ".":
        if "." in plain:
            raise Unreadable(f"{text!r} has a dot, but its decimals are set off by {decimal!r}")
        plain = plain.replace(decimal, ".")
    if not _NUMBER.fullmatch(plain):
        raise Unreadable(f"{text!r} is no number")
    return Decimal(plain)


def _ungrouped(text: str, decimal: str, thousands: str) -> str:
    """The number without what parts its thousands: only groups of three tell that it does.

    `12,50` is no 1250, whoever announced commas: its author meant 12.50.
    """
    whole, point, fraction = text.partition(decimal)
    parted_by = next((one for one in _ALIKE.get(thousands, thousands) if one in whole), "")
    if not parted_by:
        return text
    if not re.fullmatch(rf"[+-]?[0-9]{{1,3}}({re.escape(parted_by)}[0-9]{{3}})+", whole):
        raise Unreadable(f"{text!r} is not parted into groups of three by {thousands!r}")
    return whole.replace(parted_by, "") + point + fraction


def minor_units(
    text: str,
    currency: str,
    *,
    scale: Decimal = Decimal(1),
    decimal: str = ".",
    thousands: str = "",
) -> int:
    """An amount in minor units: `12.5` USD is 1250; with `scale` 1000000, `1.1` is 110000000.

    Refuses what would have to be rounded.
    """
    places = decimals(currency)
    if len(text) > _LONGEST_AMOUNT:  # Decimal rounds beyond 28 digits
        raise Unreadable(f"{text[:_LONGEST_AMOUNT]!r}… is too large an amount")
    if scale == 1 and decimal == "." and not thousands and (plain := _PLAIN.fullmatch(text)):
        # The usual amount, whose digits are those of its minor units: a third of Decimal's time.
        whole, fraction = plain.groups("")
        if len(fraction) <= places:
            return _bounded(int(whole + fraction.ljust(places, "0")), text)
    exact = (number(text, decimal=decimal, thousands=thousands) * scale).scaleb(places)
    if exact != exact.to_integral_value():
        raise Unreadable(
            f"{text!r} is not a whole number of minor units; {currency} has {places} decimals"
        )
    return _bounded(int(exact), text)


def _bounded(minor: int, text: str) -> int:
    if abs(minor) > LARGEST:
        raise Unreadable(f"{text!r} is too large an amount")
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
    raise Unreadable(f"{text!r} needs its currency, such as '12.50 USD'")


def integer(text: str) -> int:
    """A whole number; `12.0`, as spreadsheets write it, is one."""
    if not _WHOLE.fullmatch(text) or len(text) > 18:
        raise Unreadable(f"{text!r} is no whole number")
    return int(text.partition(".")[0])


def plain_date(text: str, formats: tuple[str, ...]) -> str:
    """A date as `YYYY-MM-DD`; the first of `formats` (strptime's) that fits decides."""
    for layout in formats:
        found = _date(text, layout)
        if found is None:
            continue
        if found.year < 1900:
            raise Unreadable(f"{text!r} lies before 1900")
        return found.isoformat()
    raise Unreadable(f"{text!r} is no date of the form {' or '.join(formats)}")


def _date(text: str, layout: str) -> date | None:
    try:
        if layout == ISO:  # a tenth of strptime's time
            return date.fromisoformat(text) if _ISO.fullmatch(text) else None
        return datetime.strptime(text, layout).date()
    except ValueError:
        return None


def boolean(text: str) -> bool:
    """yes/no, true/false, y/n, 1/0."""
    folded = text.casefold()
    if folded in YES:
        return True
    if folded in NO:
        return False
    raise Unreadable(f"{text!r} is neither yes nor no")
