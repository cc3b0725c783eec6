"""Currencies that ISO 4217 has withdrawn: amounts keep their digits, new ones are refused."""

import pytest
from pydantic import TypeAdapter, ValidationError

from kernel.domain.errors import Invalid
from kernel.domain.merge_patch import patched_fields
from kernel.domain.money import EXPONENTS, STORED, WITHDRAWN, KnownCurrency, Money, major
from opportunities.events.opportunities import OpportunityFields
from opportunities.model.opportunities import Opportunity
from zebros import money

OLD = {"minor_units": 123456, "currency": "HRK"}


def test_a_withdrawn_currency_is_no_active_one() -> None:
    assert not WITHDRAWN.keys() & EXPONENTS.keys()
    assert {"HRK", "BGN", "BYR"} <= WITHDRAWN.keys()


@pytest.mark.parametrize(("currency", "text"), [("HRK", "1234.56"), ("BYR", "123456")])
def test_an_amount_keeps_the_digits_of_its_currency(currency: str, text: str) -> None:
    assert str(major(123456, currency)) == text
    assert str(money.major(123456, currency)) == text, "in the command line, too"


def test_a_stored_amount_may_have_a_withdrawn_currency_and_a_new_one_may_not() -> None:
    assert Money.model_validate(OLD, context=STORED).currency == "HRK"
    with pytest.raises(ValidationError, match="'DEM' is not an active"):
        Money.model_validate(OLD | {"currency": "DEM"}, context=STORED)
    with pytest.raises(ValidationError, match="'HRK' is not an active"):
        Money.model_validate(OLD)


def test_what_is_asked_for_may_be_a_withdrawn_currency() -> None:
    known: TypeAdapter[str] = TypeAdapter(KnownCurrency)
    assert known.validate_python("HRK") == "HRK"
    assert known.validate_python("EUR") == "EUR"
    with pytest.raises(ValidationError, match="ISO 4217"):
        known.validate_python("XXX")
    assert set(known.json_schema()["enum"]) == EXPONENTS.keys() | WITHDRAWN.keys()


def record(currency: str) -> Opportunity:
    amount = Money.model_validate(OLD | {"currency": currency}, context=STORED)
    return Opportunity.model_construct(name="Deal", amount=amount)


def test_a_patch_of_another_field_leaves_the_amount_as_it_is() -> None:
    patched = patched_fields(record("HRK"), {"name": "New"}, OpportunityFields)
    assert (patched.name, patched.amount) == ("New", record("HRK").amount)


def test_a_patch_may_correct_an_amount_but_not_choose_a_withdrawn_currency() -> None:
    corrected = patched_fields(record("HRK"), {"amount": {"minor_units": 5}}, OpportunityFields)
    assert corrected.amount == Money.model_validate(OLD | {"minor_units": 5}, context=STORED)
    with pytest.raises(Invalid, match=r"amount\.currency 'HRK' is not an active"):
        patched_fields(record("EUR"), {"amount": {"currency": "HRK"}}, OpportunityFields)
