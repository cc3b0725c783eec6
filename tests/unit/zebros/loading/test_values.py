"""Text is parsed exactly, or rejected with the reason."""

import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.domain.money import EXPONENTS, LARGEST
from zebros.loading import values
from zebros.loading.values import InvalidValue


@given(st.sampled_from(sorted(EXPONENTS)), st.integers(min_value=-(10**15), max_value=10**15))
def test_any_amount_in_major_units_is_parsed_to_the_minor_unit(currency: str, minor: int) -> None:
    text = format(Decimal(minor).scaleb(-EXPONENTS[currency]), "f")
    assert values.minor_units(text, currency, decimal=".") == minor


@given(st.decimals(min_value=0, max_value=10**6, places=6))
def test_millions_become_dollars_without_rounding(millions: Decimal) -> None:
    text = format(millions, "f")
    assert values.minor_units(text, "USD", scale=Decimal(10**6)) == int(millions * 10**8)


@given(st.text(max_size=25))
def test_every_text_is_money_or_an_invalid_value(text: str) -> None:
    try:
        amount = values.minor_units(text, "USD")
    except InvalidValue:
        return
    assert abs(amount) <= LARGEST
    digits = "".join(str(int(one)) for one in text if one.isdecimal())
    if "e" not in text.casefold():
        assert str(abs(amount)).strip("0") == digits.strip("0")


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "1,234",
        "NaN",
        "Infinity",
        "1_000",
        "--1",
        "1.",
        "5 apples",
        "12 EUR",
        "£5",
        "USD",
        "(50",
        "50)",
    ],
)
def test_a_text_that_is_not_a_plain_number_is_rejected(text: str) -> None:
    with pytest.raises(InvalidValue):
        values.minor_units(text, "USD")


def test_a_tenth_of_a_cent_is_rejected_rather_than_rounded() -> None:
    with pytest.raises(InvalidValue, match="2 decimals"):
        values.minor_units("0.001", "USD")
    assert values.minor_units("0.001", "KWD") == 1
    assert values.minor_units("5.00", "JPY") == 5
    with pytest.raises(InvalidValue, match="0 decimals"):
        values.minor_units("5.5", "JPY")


def test_configured_separators_are_parsed() -> None:
    assert values.minor_units("1.234,50", "EUR", decimal=",", thousands=".") == 123_450
    assert values.minor_units("1,234.50", "USD", thousands=",") == 123_450
    with pytest.raises(InvalidValue, match="groups of three digits"):
        values.minor_units("1.5", "EUR", decimal=",")


@pytest.mark.parametrize(
    ("text", "thousands"),
    [
        ("12,50", ","),
        ("1,23,456", ","),
        (",123", ","),
        ("1234,567", ","),
        ("1,234,", ","),
        ("1,,234", ","),
        ("1,234.5,6", ","),
        ("1.234,567", ","),
        ("12 50", " "),
        ("12'50", "'"),
        ("12\u202f50", " "),
    ],
)
def test_groups_that_do_not_have_three_digits_are_rejected(text: str, thousands: str) -> None:
    with pytest.raises(InvalidValue):
        values.minor_units(text, "USD", thousands=thousands)


@pytest.mark.parametrize(
    ("text", "thousands"),
    [
        ("-1,234,567.89", ","),
        ("-1234567.89", ","),
        ("-1 234 567.89", " "),
        ("-1\u00a0234\u00a0567.89", " "),
        ("-1\u202f234\u202f567.89", " "),
        ("-1'234'567.89", "'"),
        ("-1\u2019234\u2019567.89", "'"),
    ],
)
def test_groups_of_three_digits_are_parsed_with_any_space_or_apostrophe(
    text: str, thousands: str
) -> None:
    assert values.minor_units(text, "USD", thousands=thousands) == -123_456_789


def test_an_amount_that_json_cannot_hold_exactly_is_rejected() -> None:
    with pytest.raises(InvalidValue, match="too large"):
        values.minor_units(str(LARGEST), "USD")
    with pytest.raises(InvalidValue, match="too large"):
        values.minor_units("9" * 40, "USD")
    with pytest.raises(InvalidValue, match="too large"):
        values.minor_units(f"-{LARGEST}", "USD")


def test_an_amount_with_more_digits_than_are_computed_exactly_is_rejected() -> None:
    with pytest.raises(InvalidValue, match="too large"):
        values.minor_units("1000.0000000000000000000000000001", "USD")


@pytest.mark.parametrize("text", ["12.50 USD", "USD 12.50", "  USD   12.50 "])
def test_money_may_name_its_currency(text: str) -> None:
    assert values.money_with_currency(text) == {"minor_units": 1250, "currency": "USD"}


@pytest.mark.parametrize("text", ["12.50", "12.50 usd", "12.50 XXX", "USD EUR", "12.50 USD now"])
def test_money_without_an_iso_4217_currency_is_rejected(text: str) -> None:
    with pytest.raises(InvalidValue):
        values.money_with_currency(text)


def test_dates_are_parsed_in_the_configured_formats_only() -> None:
    assert values.plain_date("2017-03-01", ("%Y-%m-%d",)) == "2017-03-01"
    assert values.plain_date("01/03/2017", ("%Y-%m-%d", "%d/%m/%Y")) == "2017-03-01"
    for text in ("2017-02-30", "03/01/2017", "2017-3-1x", "", "20170301"):
        with pytest.raises(InvalidValue):
            values.plain_date(text, ("%Y-%m-%d",))
    with pytest.raises(InvalidValue, match="before 1900"):
        values.plain_date("0017-03-01", ("%Y-%m-%d",))
    with pytest.raises(InvalidValue, match="before 1900"):
        values.plain_date("1899-12-31", ("%Y-%m-%d",))
    assert values.plain_date("1900-01-01", ("%Y-%m-%d",)) == "1900-01-01"


def test_integers_may_have_the_form_of_spreadsheets() -> None:
    assert [values.integer(text) for text in ("12", "12.0", "-3", "+4")] == [12, 12, -3, 4]
    for text in ("12.5", "1,000", "1.000", "twelve", "9" * 30, "-" + "9" * 30):
        with pytest.raises(InvalidValue):
            values.integer(text)


def test_booleans_are_yes_or_no() -> None:
    assert values.boolean("Yes") is True
    assert values.boolean("FALSE") is False
    with pytest.raises(InvalidValue, match="neither yes nor no"):
        values.boolean("maybe")


@pytest.mark.parametrize(
    ("text", "minor"),
    [
        ("1234.50", 123_450),
        ("$1,234.50", 123_450),
        ("US$ 1,234.50", 123_450),
        ("1,234.50 USD", 123_450),
        ("$1,234.50 USD", 123_450),
        ("1 234,50", 123_450),
        ("1\u00a0234,50", 123_450),
        ("1\u202f234,50", 123_450),
        ("1.234,50", 123_450),
        ("1'234.50", 123_450),
        ("1,234,567", 123_456_700),
        ("1234,5", 123_450),
        ("1234,567.00", None),
        ("(1,234.50)", -123_450),
        ("($1,234.50)", -123_450),
        ("-$1,234.50", -123_450),
        ("$-1,234.50", -123_450),
        ("1234,50-", -123_450),
        ("\u2212100,00", -10_000),
        ("5.6E+09", 560_000_000_000),
        ("5,6e9", 560_000_000_000),
        ("1.23457E+12", None),
        ("1.23457E+11", None),
        ("1.23457E+10", 1_234_570_000_000),
        ("\u0661\u0662\u0663\u0664", 123_400),
        ("\u0661\u066c\u0662\u0663\u0664", 123_400),
        ("\u0661\u066b\u0662", 120),
    ],
)
def test_amounts_are_read_as_people_write_them(text: str, minor: int | None) -> None:
    if minor is None:
        with pytest.raises(InvalidValue):
            values.minor_units(text, "USD")
    else:
        assert values.minor_units(text, "USD") == minor


@pytest.mark.parametrize("text", ["1,234", "1.234", "-1,234", "$1,234", "999.000"])
def test_an_amount_with_two_readings_is_rejected_with_both(text: str) -> None:
    with pytest.raises(InvalidValue, match=r"is \d{4,6} or \d+\.\d{3}: set `decimal` in the map"):
        values.minor_units(text, "USD")
    reading = values.minor_units(text.replace("$", ""), "USD", decimal="," if "." in text else ".")
    assert abs(reading) >= 100_000


def test_a_whole_number_has_one_reading_unless_its_decimals_are_zeros() -> None:
    assert [values.integer(text) for text in ("1,200", "1.200", "1 200", "1.2E+03")] == [1200] * 4
    with pytest.raises(InvalidValue, match=r"'1,000' is 1000 or 1\.000"):
        values.integer("1,000")
    assert values.integer("1,000", decimal=".") == 1000
    assert values.integer("1.000", decimal=".") == 1


def test_money_may_be_named_by_a_symbol_of_one_currency() -> None:
    assert values.money_with_currency("1234,50 €")["currency"] == "EUR"
    assert values.money_with_currency("$5 CAD")["currency"] == "CAD"
    for text in ("$5", "£5", "kr 5", "€5 USD"):
        with pytest.raises(InvalidValue, match="needs its currency"):
            values.money_with_currency(text)


def test_a_date_with_two_readings_is_rejected_with_both() -> None:
    formats = ("%d/%m/%Y", "%m/%d/%Y")
    assert values.plain_date("31/12/2025", formats) == "2025-12-31"
    assert values.plain_date("12/31/2025", formats) == "2025-12-31"
    assert values.plain_date("05/05/2025", formats) == "2025-05-05"
    with pytest.raises(InvalidValue, match=r"2025-03-02 by %d/%m/%Y and 2025-02-03 by %m/%d/%Y"):
        values.plain_date("02/03/2025", formats)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("31/12/2025", 'such as "%d/%m/%Y"'),
        ("2025-12-31 23:59:00", 'such as "%Y-%m-%d %H:%M:%S"'),
        ("45292", "the number of a day in a spreadsheet"),
        ("soon", "YYYY-MM-DD"),
    ],
)
def test_a_date_of_another_form_names_the_format_that_fits(text: str, hint: str) -> None:
    with pytest.raises(InvalidValue) as invalid:
        values.plain_date(text, ("%Y-%m-%d",))
    assert hint in str(invalid.value)


@pytest.mark.parametrize(
    ("text", "minor"),
    [
        ("5,-", 500),
        ("5.--", 500),
        ("12,34,567.00", 123_456_700),
        ("1,23,456", 12_345_600),
        ("\uff11\uff12\uff0e\uff15", 1250),
        ("\u0967\u0968\u0969", 12_300),
        ("€\uff11\uff12", 1200),
    ],
)
def test_amounts_are_read_as_other_countries_write_them(text: str, minor: int) -> None:
    assert values.minor_units(text, "EUR") == minor


@pytest.mark.parametrize("text", ["10+", "12,34,56", "1,23,456,7", "5,---", "5-,"])
def test_a_text_that_only_looks_like_an_amount_is_rejected(text: str) -> None:
    with pytest.raises(InvalidValue):
        values.minor_units(text, "USD")
    with pytest.raises(InvalidValue):
        values.integer(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("2025-02-30", "is no day of the calendar"),
        ("0000-00-00", "is no day of the calendar"),
        ("31/12/27", '"%d/%m/%y"'),
        ("1/2/2027", '"%d/%m/%Y" or "%m/%d/%Y"'),
        ("2027-01-31T10:00:00+02:00", '"%Y-%m-%dT%H:%M:%S%z"'),
        ("Dec 31, 2027", '"%b %d, %Y"'),
    ],
)
def test_a_date_of_another_form_is_answered_by_what_the_map_can_say(text: str, reason: str) -> None:
    with pytest.raises(InvalidValue, match=re.escape(reason)):
        values.plain_date(text, ("%Y-%m-%d",))


def test_spreadsheets_write_yes_and_no_in_their_language() -> None:
    assert all(map(values.boolean, ["WAHR", "Ja", "vrai", "VERDADERO", "on", "TRUE"]))
    assert not any(map(values.boolean, ["FALSCH", "Nein", "faux", "FALSO", "off", "0"]))
    with pytest.raises(InvalidValue, match="neither yes nor no"):
        values.boolean("x")


@pytest.mark.parametrize("text", ["1.234 KWD", "1.234"])
def test_three_decimals_have_two_readings_in_a_currency_that_has_three(text: str) -> None:
    with pytest.raises(InvalidValue, match=r"is 1234 or 1\.234: set `decimal`"):
        values.money_with_currency(text) if " " in text else values.minor_units(text, "KWD")


@pytest.mark.parametrize("text", ["51-200", "1,001 - 5,000", "51\u2013200", "10,001+", "10 +"])
def test_a_range_is_rejected_with_what_would_be_right(text: str) -> None:
    with pytest.raises(InvalidValue) as rejected:
        values.integer(text)
    assert str(rejected.value) == (
        f"{text!r} is a range, and the field is one whole number: say which in the map, as "
        f'values = {{ "{text}" = "\u2026" }}'
    )


@pytest.mark.parametrize("text", ["2024-01-05", "51--200", "a-b", "1-2-3", "5++", "1" * 40 + "-2"])
def test_no_other_text_is_called_a_range(text: str) -> None:
    with pytest.raises(InvalidValue, match=r"is not a (whole )?number|is too long|groups of three"):
        values.integer(text)
