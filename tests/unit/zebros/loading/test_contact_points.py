"""Telephone numbers, e-mail addresses and websites as people's files have them."""

import pytest

from zebros.loading.contact_points import emails, phone, phones, website
from zebros.loading.invalid_value import InvalidValue


@pytest.mark.parametrize(
    ("text", "country", "number"),
    [
        ("+33 6 00 00 00 00", None, "+33600000000"),
        ("(415) 555-0101", "US", "+14155550101"),
        ("612 345 678", "ES", "+34612345678"),
        ("0997-52-4187", "JP", "+81997524187"),
        ("0044 20 7946 0018", None, "+442079460018"),
        ("011 44 20 7946 0018", "US", "+442079460018"),
        ("+49 (0)30 123456", None, "+4930123456"),
        ("+39 (0)6 6982", None, "+39066982"),
        ("Tel.: (650) 867-3450", None, "(650) 867-3450"),
        ("030/123456", None, "030 123456"),
        ("Tel.: 030/123456", "DE", "+4930123456"),
        ("'+4930123456", None, "+4930123456"),
    ],
)
def test_a_number_becomes_e_164(text: str, country: str | None, number: str) -> None:
    assert phones(text, country, None, lenient=False) == ([number], ())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1.41556E+10", "was rounded by a spreadsheet: its last digits are lost"),
        ("+1 415", "has too few digits"),
        ("+1 415 555 0100 99", "has too many digits"),
        ("ask Bob", "is not a telephone number"),
        ("call 415 555 0100", "is not a telephone number"),
        ("1-800-FLOWERS", "is not a telephone number"),
    ],
)
def test_what_is_no_number_is_rejected(text: str, reason: str) -> None:
    with pytest.raises(InvalidValue) as invalid:
        phones(text, None, None, lenient=False)
    assert reason in str(invalid.value)


@pytest.mark.parametrize(
    ("text", "country"), [("0997-52-4187", "GB"), ("612 345 678", "US"), ("020 7946 0018", "US")]
)
def test_a_national_number_of_another_country_is_rejected(text: str, country: str) -> None:
    with pytest.raises(InvalidValue):
        phones(text, country, None, lenient=False)


def test_numbers_reserved_for_films_are_numbers() -> None:
    assert phones("07700 900123", "GB", None, lenient=False).value == ["+447700900123"]


@pytest.mark.parametrize("extension", [" x123", ", ext. 123", ";ext=123", " extension 123", "#123"])
def test_an_extension_is_reported(extension: str) -> None:
    value, left_out = phones(f"+1 415-555-0100{extension}", None, None, lenient=False)
    assert value == ["+14155550100"]
    assert "extension 123" in left_out[0]


@pytest.mark.parametrize("between", [" ::: ", "; ", ";", "\n", ", ", " / ", " or ", "|"])
def test_several_numbers_of_a_cell_are_separated(between: str) -> None:
    text = f"+1 415 555 0134{between}+1 415 555 0135"
    assert phones(text, None, None, lenient=False).value == ["+14155550134", "+14155550135"]


def test_what_a_cell_has_twice_is_taken_once() -> None:
    text = "+1 415 555 0134; (415) 555-0134; +1 415 555 0135"
    found = phones(text, "US", None, lenient=False).value
    assert found == ["+14155550134", "+14155550135"]
    assert phone("+1 415 555 0134; 415 555 0134", "US", lenient=False) == ("+14155550134", ())
    assert emails("a@b.example; <a@b.example>", None) == ["a@b.example"]


def test_a_field_with_one_number_takes_the_first_or_none() -> None:
    text = "+1 415 555 0134; +1 415 555 0135"
    with pytest.raises(InvalidValue, match="has 2 numbers"):
        phone(text, None, lenient=False)
    value, left_out = phone(text, None, lenient=True)
    assert (value, left_out) == ("+14155550134", ("the field has one number, so not +14155550135",))


def test_a_lenient_reading_leaves_out_what_is_no_number() -> None:
    value, left_out = phones("ask Bob; +1 415 555 0134", None, None, lenient=True)
    assert (value, left_out) == (["+14155550134"], ("'ask Bob' is not a telephone number",))


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        ("a@b.example", ["a@b.example"]),
        ("a@b.example; c@d.example", ["a@b.example", "c@d.example"]),
        ("a@b.example ::: c@d.example", ["a@b.example", "c@d.example"]),
        ("a@b.example, c@d.example", ["a@b.example", "c@d.example"]),
        ("a@b.example c@d.example", ["a@b.example", "c@d.example"]),
        ("Ann Lee <a@b.example>", ["a@b.example"]),
        ("mailto:a@b.example", ["a@b.example"]),
        ("zo\u00eb@m\u00fcller.example", ["zo\u00eb@xn--mller-kva.example"]),
        ("ann at example", ["ann at example"]),
        ("a@b.example;", ["a@b.example"]),
        (";a@b.example", ["a@b.example"]),
    ],
)
def test_addresses_of_a_cell_are_separated(text: str, addresses: list[str]) -> None:
    assert emails(text, None) == addresses


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("www.example.com", "https://www.example.com"),
        ("http://www.example.com/a?b=c", "http://www.example.com/a?b=c"),
        ("example.com:8080/a", "https://example.com:8080/a"),
        ("m\u00fcller.example/stra\u00dfe", "https://xn--mller-kva.example/stra%C3%9Fe"),
        ("N/A", "N/A"),
        ("ann@example.com", "ann@example.com"),
    ],
)
def test_a_website_gets_a_scheme(text: str, address: str) -> None:
    assert website(text) == address
