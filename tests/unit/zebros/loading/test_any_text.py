"""Any text in a cell is a value or a reason, never an error of the program."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zebros.loading import contact_points, values
from zebros.loading.field_readers import external_id
from zebros.loading.invalid_value import InvalidValue

PARSERS: dict[str, Callable[[str], object]] = {
    "money": lambda text: values.minor_units(text, "EUR"),
    "money with a mark": lambda text: values.minor_units(text, "JPY", decimal=","),
    "money with its currency": values.money_with_currency,
    "whole number": values.integer,
    "grouped number": lambda text: values.integer(text, thousands="'"),
    "day": lambda text: values.plain_date(text, ("%d/%m/%Y", "%m/%d/%Y")),
    "phones": lambda text: contact_points.phones(text, "US", None, lenient=True),
    "phone": lambda text: contact_points.phone(text, None, lenient=False),
    "emails": lambda text: contact_points.emails(text, None),
    "website": contact_points.website,
    "external id": external_id,
}
TEXT = st.one_of(
    st.text(max_size=30),
    st.text(st.sampled_from("0123456789.,'+-() eE$\u20ac;:/@x\u0661\u2212"), max_size=20),
)


@pytest.mark.parametrize("name", PARSERS)
@settings(deadline=None)
@given(text=TEXT)
def test_any_text_is_a_value_or_a_reason(name: str, text: str) -> None:
    try:
        PARSERS[name](text)
    except InvalidValue:
        return
