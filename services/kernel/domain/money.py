"""Money: a whole number of minor units in one ISO 4217 currency; floats are never used.

The table is ISO 4217 list one (active codes), https://www.six-group.com/en/products-services/
financial-information/market-reference-data/data-standards.html, without the codes that have no
minor unit (precious metals, XDR, XXX, ...).
"""

from decimal import Decimal
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

_CODES_BY_EXPONENT = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    2: "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD "
    "CAD CDF CHE CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL "
    "GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR "
    "LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD "
    "PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC "
    "SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XAD XCD XCG YER ZAR "
    "ZMW ZWG",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
EXPONENTS = MappingProxyType(
    {code: exponent for exponent, codes in _CODES_BY_EXPONENT.items() for code in codes.split()}
)
"""How many decimal digits the minor unit of each active currency has: 2 for USD, 0 for JPY."""

_WITHDRAWN_BY_EXPONENT = {
    0: "BYR",
    2: "ANG BGN CUC EEK HRK LTL LVL MRO SLL STD VEF ZMK ZWL",
}
WITHDRAWN = MappingProxyType(
    {code: exponent for exponent, codes in _WITHDRAWN_BY_EXPONENT.items() for code in codes.split()}
)
"""The same for the currencies that ISO 4217 withdrew since 2011 (list three). A code that leaves
EXPONENTS moves here, because stored amounts keep it."""

STORED = MappingProxyType({"currencies": WITHDRAWN.keys()})
"""The validation context for what is stored: amounts may have withdrawn currencies, and texts stay
as they are (`text.is_stored`)."""

LARGEST = 2**53 - 1
"""The largest number of minor units: the largest integer that all JSON parsers read exactly
(RFC 7493)."""


def exponent(currency: str) -> int:
    """The number of decimal digits of `currency`. Raises ValueError for an inactive code."""
    try:
        return EXPONENTS[currency]
    except KeyError:
        raise ValueError(f"{currency!r} is not an active ISO 4217 currency code") from None


def decimal_digits(currency: str) -> int:
    """The number of decimal digits to show; two for a code that this release does not know."""
    return EXPONENTS.get(currency, WITHDRAWN.get(currency, 2))


def major(minor_units: int, currency: str) -> Decimal:
    """An amount in major units, with exactly the currency's decimal digits: 12.50.

    A code that this release does not know gets two.
    """
    return Decimal(minor_units).scaleb(-decimal_digits(currency))


def format_money(minor_units: int, currency: str) -> str:
    """An amount for people: `USD 1,054.00`."""
    return f"{currency} {major(minor_units, currency):,}"


def currencies_of(values: dict[str, Any]) -> dict[str, Any]:
    """The validation context for a change of these values: an amount may keep its currency."""
    amounts = (value for value in values.values() if isinstance(value, dict))
    return {
        "currencies": {one["currency"] for one in amounts if "currency" in one} & WITHDRAWN.keys()
    }


def _active(code: str, info: ValidationInfo) -> str:
    if code in EXPONENTS or (info.context and code in info.context["currencies"]):
        return code
    hint = " (write it in capitals)" if code.upper() in EXPONENTS else ""
    raise PydanticCustomError(
        "currency_code",
        "{given} is not an active ISO 4217 currency code such as USD, EUR or JPY{hint}",
        {"given": repr(code[:20]), "hint": hint},
    )


def _known(code: str, info: ValidationInfo) -> str:
    return code if code in WITHDRAWN else _active(code, info)


def _whole(value: Any) -> Any:
    if type(value) is int:
        return value
    raise PydanticCustomError(
        "minor_units",
        "must be a whole number in the currency's smallest unit, such as 1250 for USD 12.50",
    )


Currency = Annotated[
    str,
    AfterValidator(_active),
    # Requests accept today's codes; events may also carry codes that ISO 4217 adds later.
    WithJsonSchema({"type": "string", "enum": sorted(EXPONENTS)}, mode="validation"),
    WithJsonSchema({"type": "string", "pattern": "^[A-Z]{3}$"}, mode="serialization"),
]
"""An active ISO 4217 code with a minor unit; in the context STORED also a withdrawn one."""

KnownCurrency = Annotated[
    str,
    AfterValidator(_known),
    WithJsonSchema({"type": "string", "enum": sorted(EXPONENTS | WITHDRAWN)}, mode="validation"),
    WithJsonSchema({"type": "string", "pattern": "^[A-Z]{3}$"}, mode="serialization"),
]
"""A code by which stored amounts are selected: an active or a withdrawn one."""

MinorUnits = Annotated[int, Field(strict=True, ge=-LARGEST, le=LARGEST), BeforeValidator(_whole)]


class Money(BaseModel):
    """An amount of money: 1250 minor units of USD are USD 12.50."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    minor_units: MinorUnits = Field(
        description="Whole number in the currency's smallest unit: 1250 is USD 12.50 or JPY 1250."
    )
    currency: Currency = Field(description="ISO 4217 code.")
