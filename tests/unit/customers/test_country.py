"""Countries: the officially assigned ISO 3166 alpha-2 codes, and nothing else."""

import pycountry
import pytest
from pydantic import TypeAdapter, ValidationError

from customers.values.countries import CODES, Country

ADAPTER: TypeAdapter[str] = TypeAdapter(Country)


def test_every_assigned_code_is_known_and_no_other() -> None:
    assert {country.alpha_2 for country in pycountry.countries} == CODES


@pytest.mark.parametrize("code", ["us", "USA", "UK", "EU", "XX", "AN", "U", "", "United States"])
def test_an_unassigned_code_is_rejected_by_name(code: str) -> None:
    with pytest.raises(ValidationError, match="ISO 3166 alpha-2"):
        ADAPTER.validate_python(code)


def test_a_lower_case_code_is_rejected_with_a_hint_to_use_capitals() -> None:
    with pytest.raises(ValidationError, match="write it in capitals"):
        ADAPTER.validate_python("de")


def test_the_request_schema_lists_the_codes_and_the_published_schema_stays_open() -> None:
    assert ADAPTER.json_schema(mode="validation")["enum"] == sorted(CODES)
    assert ADAPTER.json_schema(mode="serialization")["pattern"] == "^[A-Z]{2}$"
