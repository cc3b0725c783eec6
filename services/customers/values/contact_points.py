"""E-mail addresses, telephone numbers and websites: strict checks and one canonical form.

Every check is one regular expression that the published schema repeats, so the schema and the code
accept the same values. The checks are syntactic; no mail server or name server is contacted.
Everything is ASCII; an international host is written in its xn-- form (RFC 5891), as in DNS.
Addresses with non-ASCII local parts (RFC 6531), quoted local parts and IP addresses as hosts are
rejected: they are rare, and most of them are typing mistakes.
"""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, ValidationInfo, WithJsonSchema
from pydantic_core import PydanticCustomError

from customers.values import national_numbers

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
# The last label begins with A to Z (RFC 3696, section 2), so an IPv4 address is no host name.
_HOST = rf"(?:{_LABEL}\.)+[A-Za-z](?:[A-Za-z0-9-]{{0,61}}[A-Za-z0-9])"

EMAIL = rf"^\s*{_ATOM}(?:\.{_ATOM})*@{_HOST}\s*$"
# People write spaces, dots, parentheses and several kinds of dashes between the digits.
_SEPARATOR = r"[\s().\u2010-\u2015-]"
_GAP = rf"{_SEPARATOR}{{0,3}}"
PHONE = rf"^(?![\s\S]*\(0\)){_GAP}\+{_GAP}[1-9](?:{_GAP}[0-9]){{7,14}}{_GAP}$"
_URL_TAIL = r"[/?#][A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]*"  # the characters of RFC 3986
WEBSITE = rf"^\s*[Hh][Tt][Tt][Pp][Ss]?://{_HOST}(?::[0-9]{{1,5}})?(?:{_URL_TAIL})?\s*$"
_MAX_EMAIL, _MAX_LOCAL, _MAX_WEBSITE, _MAX_PHONE = 254, 64, 500, 40

_EMAIL, _PHONE, _WEBSITE = (
    re.compile(pattern.removeprefix("^").removesuffix("$")) for pattern in (EMAIL, PHONE, WEBSITE)
)
_SEPARATORS = re.compile(_SEPARATOR)


def email(text: str) -> str:
    """The canonical form of an address: `Ann@Example.com ` is `ann@example.com`. Raises ValueError.

    Case is ignored: mail hosts ignore it in practice, although RFC 5321, section 2.4, lets them
    distinguish it before the @; otherwise one person would have two contacts.
    """
    address = text.strip()
    local = address.rpartition("@")[0]
    if len(address) > _MAX_EMAIL or len(local) > _MAX_LOCAL or not _EMAIL.fullmatch(address):
        raise PydanticCustomError(
            "email",
            "{given} is not a plain e-mail address such as ann@example.com",
            {"given": repr(text[:60])},
        )
    return address.lower()


def phone(text: str, country: str | None = None) -> str:
    """The E.164 form of a number: `+1 (415) 555-0100` is `+14155550100`. Raises ValueError.

    A number without a country code is of the tenant's `country`. Without one, `(0)` is rejected:
    whether its digit is dialled depends on the country.
    """
    if len(text) <= _MAX_PHONE and _PHONE.fullmatch(text):
        return _SEPARATORS.sub("", text)
    reason = "the tenant has no country, so write"
    if country and len(text) <= _MAX_PHONE:
        try:
            if (number := national_numbers.e164(text.strip(), country)) is not None:
                return number
            reason = f"neither is it a number of {country}, the tenant's country; write"
        except LookupError:
            pass
    raise PydanticCustomError(
        "phone",
        "{given} is not an international number: {reason} + and the country code, 8 to 15 digits "
        "in all, such as +14155550100 (spaces, dashes, dots and parentheses may stay, (0) not)",
        {"given": repr(text[:60]), "reason": reason},
    )


def _phone(text: str, info: ValidationInfo) -> str:
    return phone(text, info.context.get("country") if info.context else None)


def website(text: str) -> str:
    """An http or https URL with scheme and host in lower case. Raises ValueError."""
    address = text.strip()
    if len(address) > _MAX_WEBSITE or not _WEBSITE.fullmatch(address):
        raise PydanticCustomError(
            "website",
            "{given} is not a web address such as https://www.example.com/about (ASCII only: "
            "percent-encode the path, write an international host as xn--…)",
            {"given": repr(text[:60])},
        )
    scheme, _, rest = address.partition("://")
    host = re.split(r"[/?#]", rest, maxsplit=1)[0]
    return f"{scheme.lower()}://{host.lower()}{rest[len(host) :]}"


def _accepts(pattern: str, longest: int, **more: str) -> WithJsonSchema:
    schema: dict[str, Any] = {"type": "string", "pattern": pattern, "maxLength": longest, **more}
    return WithJsonSchema(schema, mode="validation")


Email = Annotated[
    str,
    AfterValidator(email),
    _accepts(EMAIL, _MAX_EMAIL, format="email"),
    WithJsonSchema({"type": "string", "format": "email"}, mode="serialization"),
]
"""An address in lower case."""
Phone = Annotated[
    str,
    AfterValidator(_phone),
    _accepts(PHONE, _MAX_PHONE),
    WithJsonSchema({"type": "string", "pattern": r"^\+[1-9][0-9]{7,14}$"}, mode="serialization"),
]
"""An E.164 number.

The schema of requests is that of international numbers, which are right in every tenant."""
Website = Annotated[
    str,
    AfterValidator(website),
    _accepts(WEBSITE, _MAX_WEBSITE, format="uri"),
    WithJsonSchema({"type": "string", "format": "uri"}, mode="serialization"),
]
"""An http or https URL."""
