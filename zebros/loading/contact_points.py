"""Telephone numbers, e-mail addresses and websites as people's files have them.

They become the form that the API takes; whether they are valid is checked there.
"""

import re
from typing import NamedTuple
from urllib.parse import quote, urlsplit, urlunsplit

import idna
import phonenumbers

from zebros.loading.invalid_value import InvalidValue

ROUNDED = re.compile(r"[0-9][.,]?[0-9]*[eE]\+?[0-9]{1,2}")
"""A number as a spreadsheet abbreviates it: 1.41556E+10."""
_SEPARATED = re.compile(
    r"\s*(?:;(?!\s*ext)|\||\r?\n|:::)\s*|\s+(?:/|or|oder|ou)\s+|\s*,\s*(?!\s*(?:x|ext))"
)
_PHONE = re.compile(
    r"(?:tel|phone|mobile|mob|fax)?[.:]*\s*"
    r"[+\d\uff0b(][\d\s().\u2010-\u2015/\u00b7\u00a0+-]*"
    r"(?:(?:;\s*ext=|,?\s*(?:x|ext\.?|extension|#)\s*:?\s*)\d{1,7})?",
    re.IGNORECASE,
)
_EXTENSION = re.compile(
    r"(?:;\s*ext=|,?\s*(?:x|ext\.?|extension|#)\s*:?\s*)(\d{1,7})$", re.IGNORECASE
)
_WORD = re.compile(r"(?:tel|phone|mobile|mob|fax)?[.:]*\s*", re.IGNORECASE)
_AREA_DIGITS = 4
_NAMED_ADDRESS = re.compile(r"[^<>@]*<([^<>]+)>")
_PLAIN_WEBSITE = re.compile(r"https?://[a-z0-9.-]+/?")
_REASONS = {
    phonenumbers.ValidationResult.TOO_SHORT: "has too few digits",
    phonenumbers.ValidationResult.TOO_LONG: "has too many digits",
    phonenumbers.ValidationResult.IS_POSSIBLE_LOCAL_ONLY: "has no area code",
    phonenumbers.ValidationResult.INVALID_COUNTRY_CODE: "begins with no country code",
}


class Partly(NamedTuple):
    """A value of which a part is left out, and why."""

    value: list[str] | str | None
    left_out: tuple[str, ...]


def is_country(code: str) -> bool:
    """Whether telephone numbers of a country (ISO 3166 alpha-2) are known."""
    return code in phonenumbers.SUPPORTED_REGIONS


def phones(text: str, country: str | None, separator: str | None, *, lenient: bool) -> Partly:
    """Every number of a cell as E.164; a `lenient` reading leaves out those that are none.

    Without a `country` a national number stays as it is: the API reads it as one of the tenant's.
    """
    found: list[str] = []
    left_out: list[str] = []
    for part in _parts(text, separator):
        try:
            number, extension = _phone(part, country)
        except InvalidValue as error:
            if not lenient:
                raise
            left_out.append(str(error))
            continue
        found.append(number)
        if extension:
            left_out.append(f"the CRM has no field for the extension {extension} of {part!r}")
    return Partly(list(dict.fromkeys(found)) or None, tuple(left_out))


def phone(text: str, country: str | None, *, lenient: bool) -> Partly:
    """The only number of a cell; a `lenient` reading leaves out the others."""
    numbers, left_out = phones(text, country, None, lenient=lenient)
    if not numbers or len(numbers) == 1:
        return Partly(numbers[0] if numbers else None, left_out)
    if not lenient:
        raise InvalidValue(f"{text!r} has {len(numbers)} numbers, the field has one")
    others = ", ".join(numbers[1:])
    return Partly(numbers[0], (*left_out, f"the field has one number, so not {others}"))


def _phone(text: str, country: str | None) -> tuple[str, str]:
    """A number as E.164, and its extension."""
    written = text.strip().lstrip("'")  # in a spreadsheet an apostrophe begins a text
    if ROUNDED.fullmatch(written):
        raise InvalidValue(f"{text!r} was rounded by a spreadsheet: its last digits are lost")
    if not _PHONE.fullmatch(written):
        raise InvalidValue(f"{text!r} is not a telephone number")
    if written.startswith("00"):
        written = f"+{written[2:].lstrip()}"
    try:
        parsed = phonenumbers.parse(written, country)
    except phonenumbers.NumberParseException as error:
        if country is None and error.error_type == error.INVALID_COUNTRY_CODE:
            return _national(written)
        raise InvalidValue(f"{text!r} is not a telephone number") from None
    reason = phonenumbers.is_possible_number_with_reason(parsed)
    if reason != phonenumbers.ValidationResult.IS_POSSIBLE:
        raise InvalidValue(f"{text!r} {_REASONS.get(reason, 'is not a telephone number')}")
    if (
        country is not None
        and not written.startswith(("+", "\uff0b"))
        and not _is_plausible(parsed)
    ):
        raise InvalidValue(f"{text!r} is not a number of {country}, the default country")
    number = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
    return number, parsed.extension or ""


def _national(written: str) -> tuple[str, str]:
    """A number without a country code in the form that the API reads, and its extension."""
    extension = _EXTENSION.search(written)
    number = written[: extension.start()] if extension else written
    digits = _WORD.sub("", number, count=1).replace("/", " ").replace("\u00b7", " ").strip()
    return digits, extension[1] if extension else ""


def _is_plausible(number: phonenumbers.PhoneNumber) -> bool:
    """Whether a country has such numbers; also those that it reserves for films and examples.

    A national number of another country would become somebody else's.
    """
    digits = phonenumbers.national_significant_number(number)
    start, length = digits[:_AREA_DIGITS], len(digits)
    others = (int((start + fill * length)[:length]) for fill in "0123456789")
    candidates = [number, *(_with_number(number, one) for one in others)]
    return any(map(phonenumbers.is_valid_number, candidates))


def _with_number(like: phonenumbers.PhoneNumber, national: int) -> phonenumbers.PhoneNumber:
    return phonenumbers.PhoneNumber(like.country_code, national)


def emails(text: str, separator: str | None) -> list[str] | None:
    """Every address of a cell, with international hosts in their xn-- form."""
    parts = _parts(text, separator)
    if separator is None and len(parts) == 1:
        words = parts[0].split()
        if all("@" in word for word in words):
            parts = words
    return list(dict.fromkeys(map(_email, parts))) or None


def _email(text: str) -> str:
    named = _NAMED_ADDRESS.fullmatch(text)
    address = (named[1] if named else text).strip()
    if address[:7].casefold() == "mailto:":
        address = address[7:]
    local, at, host = address.rpartition("@")
    return f"{local}@{_host(host)}" if at else address


def website(text: str) -> str:
    """An address with its scheme, `https` if it has none; the rest as URLs are written in ASCII."""
    if _PLAIN_WEBSITE.fullmatch(text):  # six times faster than to take it apart
        return text
    address = text if "://" in text else f"https://{text.lstrip('/')}"
    if "@" in text or " " in text or "." not in text:
        return text  # the API says what is wrong
    try:
        parts = urlsplit(address)
        port = f":{parts.port}" if parts.port else ""
        host = _host(parts.hostname or "")
    except ValueError:
        return text
    safe = "/?#[]!$&'()*+,;=:@-._~%"
    path, query, fragment = (quote(one, safe=safe) for one in parts[2:])
    return urlunsplit((parts.scheme, host + port, path, query, fragment))


def _host(host: str) -> str:
    if host.isascii():
        return host
    try:
        return idna.encode(host, uts46=True).decode()
    except idna.IDNAError:
        return host


def _parts(text: str, separator: str | None) -> list[str]:
    """The values of a cell; without a `separator`, at the usual ones."""
    parts = _SEPARATED.split(text) if separator is None else text.split(separator)
    return [part for part in map(str.strip, parts) if part]
