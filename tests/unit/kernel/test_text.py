"""Names and texts: what is normalised, removed and refused."""

import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from kernel.domain.events import CustomValue, ExternalId, Tag
from kernel.domain.text import STORED, Name, Text

NAME, TEXT, ID = TypeAdapter(Name), TypeAdapter(Text), TypeAdapter(ExternalId)
texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=60)


@pytest.mark.parametrize(
    ("given_", "stored"),
    [
        ("  Acme Ltd \n", "Acme Ltd"),
        ("Cafe\u0301", "Café"),
        ("Ac\u200bme", "Acme"),
        ("\ufeffAcme", "Acme"),
        ("Ac\u00adme", "Acme"),
        ("Acme\u200f", "Acme"),
        ("\u200d\u200cAcme", "Acme"),
        ("می\u200cخواهم", "می\u200cخواهم"),  # noqa: RUF001 (Persian)
        ("क्\u200dष", "क्\u200dष"),
        ("👩\u200d💻 Labs", "👩\u200d💻 Labs"),
        ("I ❤\ufe0f Pizza", "I ❤\ufe0f Pizza"),
        ("O’Neil & Søns – 東京", "O’Neil & Søns – 東京"),  # noqa: RUF001 (a curly apostrophe)
        ("a\u3000b", "a\u3000b"),
    ],
)
def test_a_name_has_one_form(given_: str, stored: str) -> None:
    assert NAME.validate_python(given_) == stored


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("\x00", r"control character \(U\+0000\) at position 1"),
        ("Ac\x00me", r"control character \(U\+0000\) at position 3"),
        ("Ac\x7fme", r"control character \(U\+007F\)"),
        ("Ac\tme", r"control character \(U\+0009\)"),
        ("Acme\nLtd", "line break at position 5; write it in one line"),
        ("Acme\r\nLtd", "line break"),
        ("Acme\u2028Ltd", "line break"),
        ("Acme\u202egnp.exe", r"U\+202E at position 5, which changes the direction"),
        ("\u2066Acme", r"U\+2066 at position 1, which changes the direction"),
        ("\x1f", "at least one visible character"),
        (" \x1c ", "at least one visible character"),
        ("\u200b\u200b", "at least one visible character"),
        ("\u3164", "at least one visible character"),
        ("\u2800", "at least one visible character"),
        ("\u0301", "at least one visible character"),
        ("Ac\uffffme", r"U\+FFFF at position 3, which is no character"),
        ("   ", "at least 1 character"),
        ("x" * 201, "at most 200 characters"),
    ],
)
def test_a_name_that_cannot_be_read_is_refused_with_the_reason(name: str, reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        NAME.validate_python(name)


@given(texts)
def test_a_name_is_normal_visible_and_stays_as_it_is(text: str) -> None:
    try:
        name = NAME.validate_python(text)
    except ValidationError:
        return
    assert NAME.validate_python(name) == name
    assert unicodedata.is_normalized("NFC", name)
    assert not any(unicodedata.category(c) in ("Cc", "Zl", "Zp") for c in name)
    assert any(unicodedata.category(c)[0] not in "CMZ" for c in name)


def test_a_text_keeps_its_lines_and_has_no_other_controls() -> None:
    assert TEXT.validate_python("a\r\nb\rc\td\n") == "a\nb\nc\td\n"
    assert TEXT.validate_python("Cafe\u0301") == "Café"
    for wrong in ("a\x00", "a\x1bb", "a\u202eb"):
        with pytest.raises(ValidationError, match=r"control character|direction"):
            TEXT.validate_python(wrong)


@pytest.mark.parametrize("wrong", ["1\x002", "1\u200b2", "\ufeff12", "12\u202e"])
def test_an_external_id_is_never_changed_only_refused(wrong: str) -> None:
    with pytest.raises(ValidationError, match=r"remove it|one line"):
        ID.validate_python(wrong)
    decomposed = "Cafe\u0301-1"
    assert ID.validate_python(decomposed) == decomposed, "another system's id stays as it is"


def test_a_tag_is_a_name() -> None:
    with pytest.raises(ValidationError, match="control character"):
        TypeAdapter(Tag).validate_python("a\x00b")


def test_a_custom_field_stores_what_another_system_sends() -> None:
    custom = TypeAdapter[object](CustomValue)
    assert custom.validate_python("a\x00b") == "a\x00b"


@pytest.mark.parametrize("kind", [Name, Text, ExternalId, Tag])
def test_a_stored_value_is_read_as_it_is(kind: Any) -> None:
    adapter = TypeAdapter(kind)
    assert adapter.validate_python("a\x00\nb\u202e", context=STORED) == "a\x00\nb\u202e"


def test_the_schema_of_a_name_is_unchanged() -> None:
    assert NAME.json_schema() == {"type": "string", "minLength": 1, "maxLength": 200}
    assert TEXT.json_schema() == {"type": "string", "maxLength": 2000}
