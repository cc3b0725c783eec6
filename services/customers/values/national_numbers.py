"""Telephone numbers without a country code, read as people of one country write them.

The numbering plans are those of libphonenumber (https://github.com/google/libphonenumber), which is
imported with the first such number: it takes longer than most requests.
"""

from typing import Any

_AREA_DIGITS = 4


def e164(text: str, country: str) -> str | None:
    """The E.164 form of a number that is dialled in a country (ISO 3166 alpha-2), else None.

    An extension is refused: there is no field for it. Raises LookupError for an unknown country.
    """
    import phonenumbers

    if country not in phonenumbers.SUPPORTED_REGIONS:
        raise LookupError(country)
    try:
        number = phonenumbers.parse(text, country)
    except phonenumbers.NumberParseException:
        return None
    if number.extension or not phonenumbers.is_possible_number(number):
        return None
    if not _is_plausible(phonenumbers, number):
        return None
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def _is_plausible(phonenumbers: Any, number: Any) -> bool:
    """Whether the country has numbers that begin like this; also those reserved for films.

    A national number of another country would become somebody else's.
    """
    digits = phonenumbers.national_significant_number(number)
    start, length = digits[:_AREA_DIGITS], len(digits)
    others = (int((start + fill * length)[:length]) for fill in "0123456789")
    alike = (phonenumbers.PhoneNumber(number.country_code, one) for one in others)
    return any(map(phonenumbers.is_valid_number, (number, *alike)))
