"""Symbols and codes of currencies beside amounts: `$1,234.50`, `1234,50 €`, `EUR 12`."""

import re

from zebros.money import is_currency

_NUMERIC = r"\d.,()\s'\u2019\u2010-\u2015\u2212\uff0d\uff0b\uff0c\uff0e+\-\u066b\u066c"
"""The characters of an amount without its currency."""
_BEFORE = re.compile(rf"([(+\-\u2212\s]*)([^{_NUMERIC}]+\.?)\s*")
_AFTER = re.compile(rf"\s*([^{_NUMERIC}]+\.?)([)+\-\u2212\s]*)$")
_KRONE = frozenset({"SEK", "NOK", "DKK", "ISK"})
_DOLLARS = (
    "USD AUD BBD BMD BND BSD BZD CAD CLP COP FJD GYD HKD JMD KYD LRD MXN NAD NZD SBD SGD SRD TTD "
    "TWD XCD UYU ARS DOP"
)
_SYMBOLS = {
    "$": frozenset(_DOLLARS.split()),
    "US$": frozenset({"USD"}),
    "CA$": frozenset({"CAD"}),
    "C$": frozenset({"CAD"}),
    "A$": frozenset({"AUD"}),
    "NZ$": frozenset({"NZD"}),
    "HK$": frozenset({"HKD"}),
    "S$": frozenset({"SGD"}),
    "R$": frozenset({"BRL"}),
    "\u20ac": frozenset({"EUR"}),
    "\u00a3": frozenset({"GBP", "EGP", "GIP", "FKP", "SHP", "LBP", "SYP"}),
    "\u00a5": frozenset({"JPY", "CNY"}),
    "\uffe5": frozenset({"JPY", "CNY"}),
    "\u20b9": frozenset({"INR"}),
    "\u20bd": frozenset({"RUB"}),
    "\u20ba": frozenset({"TRY"}),
    "\u20a9": frozenset({"KRW"}),
    "\u20aa": frozenset({"ILS"}),
    "\u20ab": frozenset({"VND"}),
    "\u20b4": frozenset({"UAH"}),
    "\u0e3f": frozenset({"THB"}),
    "z\u0142": frozenset({"PLN"}),
    "K\u010d": frozenset({"CZK"}),
    "Ft": frozenset({"HUF"}),
    "lei": frozenset({"RON"}),
    "kr": _KRONE,
    "kr.": _KRONE,
    "Fr.": frozenset({"CHF"}),
}
_NAMES = {
    "us dollar": "USD",
    "u.s. dollar": "USD",
    "euro": "EUR",
    "pound sterling": "GBP",
    "british pound": "GBP",
    "swiss franc": "CHF",
    "schweizer franken": "CHF",
    "yen": "JPY",
    "japanese yen": "JPY",
    "canadian dollar": "CAD",
    "australian dollar": "AUD",
    "indian rupee": "INR",
    "chinese yuan": "CNY",
    "swedish krona": "SEK",
    "norwegian krone": "NOK",
    "danish krone": "DKK",
    "polish zloty": "PLN",
    "brazilian real": "BRL",
    "mexican peso": "MXN",
}


def currency_named(text: str) -> str | None:
    """The code of the only currency that a text names: `US Dollar`, `€`, `eur`."""
    if is_currency(text.upper()):
        return text.upper()
    common = _SYMBOLS.get(text, frozenset())
    return _NAMES.get(text.casefold()) or (next(iter(common)) if len(common) == 1 else None)


def currencies_of(sign: str) -> frozenset[str]:
    """The currencies that a symbol or a code may mean; none for other words."""
    return frozenset({sign}) if is_currency(sign) else _SYMBOLS.get(sign, frozenset())


def without_signs(text: str) -> tuple[str, list[str]]:
    """The amount alone, and what is written before and after it."""
    signs = []
    if before := _BEFORE.match(text):
        signs.append(before[2].strip())
        text = before[1] + text[before.end() :]
    if after := _AFTER.search(text):
        signs.append(after[1].strip())
        text = text[: after.start()] + after[2]
    return text.strip(), signs
