"""Any text in a cell is a value or a reason, never an error of the program."""

import re
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


PLAIN = {
    "money with its currency": st.from_regex(
        r"[+-]?[0-9\u0663]{0,18}(\.[0-9]{0,3})? (USD|JPY|KWD|eur)", fullmatch=True
    ),
    "money": st.from_regex(r"[+-]?[0-9]{0,18}(\.[0-9]{0,3})?", fullmatch=True),
    "whole number": st.from_regex(r"[0-9]{1,18}", fullmatch=True),
    "website": st.text("ab.:-/", max_size=6).map("https://".__add__),
}


def outcome(name: str, text: str) -> object:
    """The value of a text, or the reason why it has none."""
    try:
        return PARSERS[name](text)
    except InvalidValue as error:
        return str(error)


@pytest.mark.parametrize("name", PLAIN)
@settings(deadline=None)
@given(data=st.data())
def test_the_short_way_of_plain_texts_gives_what_the_long_one_does(
    name: str, data: st.DataObject
) -> None:
    text = data.draw(PLAIN[name])
    short = outcome(name, text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(values, "_plain_minor_units", lambda *_: None)
        patch.setattr(values, "_SAFE_DIGITS", 0)
        patch.setattr(contact_points, "_PLAIN_WEBSITE", re.compile("(?!)"))
        assert outcome(name, text) == short


@pytest.mark.parametrize("name", ["money", "whole number", "money with its currency"])
def test_the_reason_for_a_number_of_thousands_of_digits_is_short(name: str) -> None:
    """Python converts at most 4,300 digits."""
    reason = outcome(name, "1" * 5_000 + " EUR" * name.endswith("currency"))
    assert isinstance(reason, str)
    assert len(reason) < 100
