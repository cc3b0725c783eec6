"""Amounts of money: whole numbers of minor units in an ISO 4217 currency."""

from decimal import Decimal

from zebros.contract import contract

LARGEST = 2**53 - 1
"""The largest number of minor units, which every JSON parser reads exactly (RFC 7493)."""


def is_currency(code: str) -> bool:
    """Whether a code is that of an active ISO 4217 currency."""
    return code in contract().currencies


def exponent(currency: str) -> int:
    """The decimals of a currency. Raises ValueError when the code is not an active one."""
    decimals = find_exponent(currency)
    if decimals is None:
        raise ValueError(f"{currency!r} is not an active ISO 4217 currency code")
    return decimals


def find_exponent(currency: str) -> int | None:
    """The decimals of a currency; None when the code is not an active one."""
    return contract().currencies.get(currency)


def major(minor_units: int, currency: str) -> Decimal:
    """An amount with its decimals, such as 12.50; two for a code that is not known."""
    known = contract().currencies | contract().withdrawn_currencies
    return Decimal(minor_units).scaleb(-known.get(currency, 2))
