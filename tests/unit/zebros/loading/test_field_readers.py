"""A value is read with the country or the currency of its own row, in any case."""

from typing import Any

import pycountry
import pytest

from zebros.loading.field_readers import reader
from zebros.loading.invalid_value import InvalidValue
from zebros.loading.map_model import Source
from zebros.loading.record_types import RECORD_TYPES


def read(record: str, field: str, source: dict[str, Any], *cells: str) -> Any:
    """The value of a row with the columns `text` and `of`, in a map for the country GB."""
    position = ("text", "of").index
    fields = Source.model_validate({"column": "text", **source})
    return reader(field, fields, RECORD_TYPES[record], position, "GB")(cells)


@pytest.mark.parametrize("country", ["DE", "de", "DEU"])
def test_a_number_is_one_of_the_country_of_its_row(country: str) -> None:
    found = read("contacts", "phones", {"country_column": "of"}, "030 901820", country)
    assert found.value == ["+4930901820"]


def test_a_number_in_a_row_without_a_country_is_one_of_the_map() -> None:
    found = read("contacts", "phones", {"country_column": "of"}, "020 7946 0018", "")
    assert found.value == ["+442079460018"]


def test_a_country_that_there_is_not_is_rejected() -> None:
    with pytest.raises(InvalidValue, match="'Mars' is not an ISO 3166 country code"):
        read("contacts", "phones", {"country_column": "of"}, "030 901820", "Mars")


@pytest.mark.parametrize("currency", ["EUR", "eur"])
def test_an_amount_is_in_the_currency_of_its_row(currency: str) -> None:
    found = read("accounts", "annual_revenue", {"currency_column": "of"}, "12.50", currency)
    assert found == {"minor_units": 1250, "currency": "EUR"}


def test_an_amount_in_a_row_without_a_currency_is_rejected() -> None:
    with pytest.raises(InvalidValue, match="of names no currency"):
        read("accounts", "annual_revenue", {"currency_column": "of"}, "12.50", "")


@pytest.mark.parametrize("text", ["1E5", "12e3", "5.1E+2x"])
def test_an_id_with_an_e_is_an_id(text: str) -> None:
    assert read("accounts", "external_ids.crm", {}, text) == text


def test_an_id_that_a_spreadsheet_has_rounded_is_rejected() -> None:
    with pytest.raises(InvalidValue, match="was rounded by a spreadsheet"):
        read("accounts", "external_ids.crm", {}, "1.23457E+15")


def test_a_default_that_no_row_can_have_is_refused_with_the_map() -> None:
    with pytest.raises(InvalidValue, match="'many' is not a whole number"):
        read("accounts", "employees", {"default": "many"}, "12", "")


@pytest.mark.parametrize("text", ["many", "N/A"])
def test_a_word_is_not_a_whole_number(text: str) -> None:
    with pytest.raises(InvalidValue, match=f"^'{text}' is not a whole number$"):
        read("accounts", "employees", {}, text, "")


def test_every_alpha_3_code_of_a_country_is_its_alpha_2_code() -> None:
    for country in pycountry.countries:
        assert read("accounts", "country", {}, country.alpha_3) == country.alpha_2


@pytest.mark.parametrize(("text", "country"), [("deu", "DE"), ("de", "de"), ("Mars", "Mars")])
def test_other_texts_of_a_country_are_for_the_api_to_judge(text: str, country: str) -> None:
    assert read("accounts", "country", {}, text) == country
