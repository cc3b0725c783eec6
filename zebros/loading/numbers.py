"""Numbers as people write them; a text with two readings is rejected with both.

`1,200` is 1200 in one country and 1.2 in another. Without the map's `decimal`, a text is a number
only when it can be read in one way.
"""

import re
import unicodedata
from decimal import Decimal, InvalidOperation

from zebros.loading.invalid_value import InvalidValue

LONGEST = 40
_PLAIN = re.compile(r"[+-]?[0-9]{1,24}(\.[0-9]{1,2})?")
_SCIENTIFIC = re.compile(r"([0-9]+)(?:[.,]([0-9]+))?[eE]([+-]?[0-9]{1,2})")
_MARKS = ".,"
_SEPARATORS = {" ": " \u00a0\u2009\u202f", "'": "'\u2019"}
"""The characters that programs write as a space or an apostrophe between groups of digits."""
_SAME: dict[int, str] = str.maketrans(
    {
        **{one: name for name, several in _SEPARATORS.items() for one in several},
        **dict.fromkeys("\u2010\u2011\u2012\u2212\ufe63\uff0d", "-"),
        "\uff0b": "+",
        "\uff0c": ",",
        "\uff0e": ".",
    }
)
_NO_CENTS = re.compile(r"(?<=[0-9])[.,]-{1,2}$")
"""How whole amounts of money are written in some countries: `5,-`."""
_INDIAN = re.compile(r"[0-9]{1,2}(?:,[0-9]{2})+,[0-9]{3}")
"""Lakhs and crores: `12,34,567` has one reading."""
_ARABIC = "\u066b\u066c"
"""The marks between Arabic digits, which have one meaning."""
_ROUNDED_DIGITS, _ROUNDED_FROM = 6, 11
"""Spreadsheets write numbers from 10^11 on with six digits, and lose the others."""


def number(
    text: str, *, decimal: str | None = None, thousands: str | None = None, whole: bool = False
) -> Decimal:
    """The exact value of a text. Raises InvalidValue for none, and for more than one.

    `decimal` and `thousands` are the characters that the map names; `whole` numbers have no
    decimals, so `1,234` has one reading as a whole number and two otherwise.
    """
    if decimal != "," and thousands is None and _PLAIN.fullmatch(text):
        return Decimal(text)
    if len(text) > LONGEST:
        raise InvalidValue(f"{text[:LONGEST]!r}… is too long for a number")
    body, negative = _unsigned(text)
    if any(mark in body for mark in _ARABIC):
        body, decimal = body.replace("\u066b", ".").replace("\u066c", ","), "."
    if scientific := _SCIENTIFIC.fullmatch(body):
        value = _scientific(text, *scientific.groups(""))
    else:
        value = _positional(text, body, decimal, thousands, whole=whole)
    return -value if negative else value


def _unsigned(text: str) -> tuple[str, bool]:
    """The text without its sign, with ASCII digits and one kind of each separator."""
    body = "".join(str(unicodedata.digit(c)) if c.isdecimal() else c for c in text)
    body = _NO_CENTS.sub("", body.translate(_SAME).strip())
    if body.startswith("(") and body.endswith(")"):  # accountants write (5) for -5
        return body[1:-1].strip(), True
    for sign in "+-":
        if body.startswith(sign):
            return body[1:].strip(), sign == "-"
    if body.endswith("-"):  # but `10+` is ten or more
        return body[:-1].strip(), True
    return body, False


def _scientific(text: str, whole: str, fraction: str, exponent: str) -> Decimal:
    if len((whole + fraction).lstrip("0")) >= _ROUNDED_DIGITS and int(exponent) >= _ROUNDED_FROM:
        raise InvalidValue(
            f"{text!r} is a number that a spreadsheet has rounded; export it with all its digits"
        )
    try:
        return Decimal(f"{whole}.{fraction or 0}E{exponent}")
    except InvalidOperation:
        raise InvalidValue(f"{text!r} is not a number") from None


def _positional(
    text: str, body: str, decimal: str | None, thousands: str | None, *, whole: bool
) -> Decimal:
    if decimal is None:
        decimal = {",": ".", ".": ","}.get(thousands or "") or _decimal_of(
            text, body, thousands, whole=whole
        )
    before, mark, fraction = body.rpartition(decimal)
    if not mark:
        before, fraction = body, ""
    digits = _without_groups(text, before, decimal, thousands)
    if not re.fullmatch("[0-9]*", fraction) or not (fraction or (digits and not mark)):
        raise InvalidValue(f"{text!r} is not a number")
    return Decimal(f"{digits or 0}.{fraction or 0}" if fraction else digits)


def _decimal_of(text: str, body: str, thousands: str | None, *, whole: bool) -> str:
    """The decimal mark that makes a number of the text. Raises InvalidValue when both do."""
    marks = [one for one in body if one in _MARKS]
    if not marks:
        return "."
    last = marks[-1]
    other = "," if last == "." else "."
    if len(set(marks)) == 2:
        return last
    if len(marks) > 1:
        return other  # 1,234,567
    before, _, after = body.partition(last)
    grouped = len(after) == 3 and re.fullmatch("[1-9][0-9]{0,2}", before) and after.isdecimal()
    if not grouped or thousands is not None:
        return last
    if whole and after != "000":
        return other
    raise InvalidValue(f"{text!r} is {before}{after} or {before}.{after}: set `decimal` in the map")


def _without_groups(text: str, digits: str, decimal: str, thousands: str | None) -> str:
    """The digits without separators, which must separate groups of three."""
    if re.fullmatch("[0-9]*", digits):
        return digits
    allowed = {",", ".", " ", "'"} - {decimal} if thousands is None else {thousands}
    found = set(re.sub("[0-9]", "", digits))
    if len(found) != 1 or not found <= allowed | {decimal}:
        hint = f"; the decimal mark is {decimal!r}" if found & {".", ","} else ""
        raise InvalidValue(f"{text!r} is not a number{hint}")
    (separator,) = found
    if thousands is None and decimal == "." and _INDIAN.fullmatch(digits):
        return digits.replace(",", "")
    if separator == decimal:
        raise InvalidValue(f"{text!r} has the decimal mark {decimal!r} twice")
    if not re.fullmatch(rf"[0-9]{{1,3}}({re.escape(separator)}[0-9]{{3}})+", digits):
        raise InvalidValue(f"{text!r} is not in groups of three digits separated by {separator!r}")
    return digits.replace(separator, "")
