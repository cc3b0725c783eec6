"""Money: whole minor units, real currencies, exact decimals."""

from decimal import Decimal
from typing import Any

import pycountry
import pytest
from pydantic import TypeAdapter, ValidationError

from kernel.domain.money import EXPONENTS, LARGEST, Money, exponent, format_money, major

WITHOUT_MINOR_UNIT = {
    *("XAG", "XAU", "XPD", "XPT"),  # metals
    *("XBA", "XBB", "XBC", "XBD"),  # bond market units
    *("XDR", "XSU", "XUA"),  # units of account between institutions
    *("XTS", "XXX"),  # testing, no currency
}


def test_every_active_currency_with_a_minor_unit_is_known() -> None:
    active = {currency.alpha_3 for currency in pycountry.currencies}
    assert set(EXPONENTS) == active - WITHOUT_MINOR_UNIT
    assert active >= WITHOUT_MINOR_UNIT


@pytest.mark.parametrize(
    ("currency", "minor_units", "people_write"),
    [
        ("USD", 1250, "12.50"),
        ("JPY", 1250, "1250"),
        ("KWD", 1250, "1.250"),
        ("CLF", 1250, "0.1250"),
        ("USD", -1, "-0.01"),
        ("USD", LARGEST, "90071992547409.91"),
    ],
)
def test_major_units_have_exactly_the_digits_of_the_currency(
    currency: str, minor_units: int, people_write: str
) -> None:
    amount = Money(minor_units=minor_units, currency=currency)
    assert str(major(**amount.model_dump())) == people_write
    assert major(**amount.model_dump()) == Decimal(people_write)


@pytest.mark.parametrize("amount", [1.0, 12.5, "1250", True, None, LARGEST + 1])
def test_an_amount_that_is_not_a_whole_number_in_range_is_rejected(amount: Any) -> None:
    with pytest.raises(ValidationError) as fault:
        Money(minor_units=amount, currency="USD")
    assert [e["loc"] for e in fault.value.errors()] == [("minor_units",)]


def test_a_float_is_rejected_with_the_expected_form() -> None:
    with pytest.raises(ValidationError, match=r"1250 for USD 12\.50"):
        Money.model_validate({"minor_units": 12.5, "currency": "USD"})


@pytest.mark.parametrize("code", ["usd", "US", "EURO", "BGN", "HRK", "XXX", "XAU", "", "$"])
def test_a_currency_that_is_not_active_is_rejected_by_name(code: str) -> None:
    with pytest.raises(ValidationError, match="ISO 4217"):
        Money(minor_units=1, currency=code)
    with pytest.raises(ValueError, match="ISO 4217"):
        exponent(code)


def test_money_is_a_value() -> None:
    a, b = (Money(minor_units=1, currency="EUR") for _ in range(2))
    assert a == b
    assert hash(a) == hash(b)


def test_the_request_schema_lists_the_currencies_and_the_published_schema_stays_open() -> None:
    adapter = TypeAdapter(Money)
    accepted = adapter.json_schema(mode="validation")["properties"]["currency"]
    published = adapter.json_schema(mode="serialization")["properties"]["currency"]
    assert accepted["enum"] == sorted(EXPONENTS)
    assert published["pattern"] == "^[A-Z]{3}$"
    assert "enum" not in published


@pytest.mark.parametrize(
    ("minor_units", "currency", "text"),
    [
        (105400, "USD", "USD 1,054.00"),
        (-7, "EUR", "EUR -0.07"),
        (1250, "JPY", "JPY 1,250"),
        (1234567, "KWD", "KWD 1,234.567"),
        (500, "DEM", "DEM 5.00"),
    ],
)
def test_an_amount_is_shown_with_thousands_and_its_currencys_digits(
    minor_units: int, currency: str, text: str
) -> None:
    assert format_money(minor_units, currency) == text
