"""Countries by the names that people write."""

from functools import cache

_OTHERS = {
    "usa": "US",
    "u.s.a.": "US",
    "u.s.": "US",
    "united states of america": "US",
    "uk": "GB",
    "u.k.": "GB",
    "great britain": "GB",
    "england": "GB",
    "scotland": "GB",
    "wales": "GB",
    "korea": "KR",
    "russia": "RU",
    "czech republic": "CZ",
    "holland": "NL",
    "the netherlands": "NL",
    "turkey": "TR",
    "vietnam": "VN",
    "uae": "AE",
}
_LANGUAGES = ("en", "de", "fr", "es", "it", "nl", "pl", "cs", "pt", "sv", "el", "ru", "ja", "zh")


def country_code(name: str) -> str | None:
    """The ISO 3166 alpha-2 code of a country by its name in one of the larger languages."""
    return _codes().get(name.strip().casefold())


@cache
def _codes() -> dict[str, str]:
    # Not at the top: it takes a moment, and only suggestions of maps need it.
    from phonenumbers.geodata.locale import LOCALE_DATA

    found: dict[str, str] = {}
    for language in _LANGUAGES:
        for code, names in LOCALE_DATA.items():
            name = names.get(language, "")
            if name.startswith("*"):  # the same as in another language
                name = names.get(name[1:], "")
            if name:
                found.setdefault(name.casefold(), code)
    return found | _OTHERS
