"""Telephone numbers without a country code are of the tenant's country, wherever they come in."""

from typing import Any

import pytest

from tests.component.conftest import ApiClient
from tests.component.customers.conftest import a_contact, an_account


def of(api: ApiClient, country: str) -> ApiClient:
    return api.as_(country=country)


@pytest.mark.parametrize(
    ("country", "written", "stored"),
    [
        ("DE", "030 901820", "+4930901820"),
        ("DE", "(030) 90 18-20", "+4930901820"),
        ("DE", "0044 20 7946 0018", "+442079460018"),
        ("DE", "+44 20 7946 0018", "+442079460018"),
        ("DE", "+49 (0)30 901820", "+4930901820"),
        ("GB", "020 7946 0018", "+442079460018"),
        ("US", "(415) 555-0101", "+14155550101"),
        ("IT", "06 6982", "+39066982"),
    ],
)
def test_a_number_is_of_the_tenants_country(
    api: ApiClient, country: str, written: str, stored: str
) -> None:
    api = of(api, country)
    contact = a_contact(api, phones=[written])
    assert contact.json["phones"] == [stored]
    account = an_account(api, phone=written)
    assert account.json["phone"] == stored
    for created, patch, name in (
        (contact, {"phones": [written]}, "phones"),
        (account, {"phone": written}, "phone"),
    ):
        cleared = api("PATCH", created.location, {name: None}, {"If-Match": '"1"'})
        assert cleared.status == 200
        answer = api("PATCH", created.location, patch, {"If-Match": '"2"'})
        assert answer.json[name] == created.json[name]
    items = [{"last_name": "B", "phones": [written], "external_ids": {"crm": "1"}}]
    (result,) = api("POST", "/contacts/batch", {"items": items}).json["results"]
    assert api("GET", f"/contacts/{result['id']}").json["phones"] == [stored]
    items = [{"name": "B", "phone": written, "external_ids": {"crm": "1"}}]
    (result,) = api("POST", "/accounts/batch", {"items": items}).json["results"]
    assert api("GET", f"/accounts/{result['id']}").json["phone"] == stored


@pytest.mark.parametrize("country", ["", "XX", "de", "Germany", "\x00"])
def test_without_a_known_country_a_number_needs_its_country_code(
    api: ApiClient, country: str
) -> None:
    answer = of(api, country)("POST", "/contacts", {"last_name": "A", "phones": ["030 901820"]})
    (error,) = answer.json["errors"]
    assert (answer.status, error["field"]) == (422, "phones.0")
    assert "write + and the country code" in error["message"]
    assert "the tenant has no country" in error["message"]


@pytest.mark.parametrize(
    "written", ["1234", "12345678", "000000", "030", "9" * 30, "030 901820 ext. 5", "0", "call me"]
)
def test_what_is_no_number_of_the_country_is_refused(api: ApiClient, written: str) -> None:
    answer = of(api, "US")("POST", "/contacts", {"last_name": "A", "phones": [written]})
    (error,) = answer.json["errors"]
    assert (answer.status, error["field"]) == (422, "phones.0")
    assert "US" in error["message"]


def test_the_same_number_in_two_forms_is_one(api: ApiClient) -> None:
    contact = a_contact(of(api, "DE"), phones=["030 901820", "+49 30 901820"])
    assert contact.json["phones"] == ["+4930901820"]


def test_a_stored_number_stays_when_the_country_changes(api: ApiClient) -> None:
    contact = a_contact(of(api, "DE"), phones=["030 901820"])
    patch: dict[str, Any] = {"title": "Buyer"}
    answer = of(api, "US")("PATCH", contact.location, patch, {"If-Match": '"1"'})
    assert answer.json["phones"] == ["+4930901820"]
