"""Folding: names are found in any case, with or without accents."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.domain.folding import MAX_KEY_BYTES, fold

texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=60)


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Acme Corporation", "acme corporation"),
        ("  Émile \t ŁÓDŹ  ", "emile lodz"),
        ("Straße", "strasse"),
        ("STRASSE", "strasse"),
        ("İstanbul", "istanbul"),
        ("Ørsted & Æther", "orsted & aether"),
        ("Møller-Mærsk", "moller-maersk"),
        ("ﬁnance", "finance"),
        ("ＡＣＭＥ", "acme"),  # noqa: RUF001 (full-width characters)
        ("Ångström", "angstrom"),
        ("ÅNGSTRÖM", "angstrom"),
        ("Ελλάς", "ελλασ"),
        ("東京", "東京"),
        ("O’Neil", "o'neil"),  # noqa: RUF001 (a curly apostrophe)
        ("O\u00b4Neil", "o'neil"),
        ("Jean\u2011Luc \u2013 Co", "jean-luc - co"),
        ("Ac\u200bme \ufeff\u202eLtd", "acme ltd"),
        ("\u0301", ""),
    ],
)
def test_case_accents_and_stray_spaces_do_not_count(text: str, folded: str) -> None:
    assert fold(text) == folded


@given(texts)
def test_folding_twice_changes_nothing(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@given(texts)
def test_case_does_not_count(text: str) -> None:
    # Unicode's definition of a caseless match; .upper() is not its inverse for every character.
    assert fold(text.casefold()) == fold(text)


@given(texts, st.integers(0, 60))
def test_the_beginning_of_a_name_finds_the_name(text: str, length: int) -> None:
    assert fold(text).startswith(fold(text[:length]))


@pytest.mark.parametrize("character", ["a", "\u1e9e", "\ufdfa", "\U0001d400", "\U00010330"])
def test_a_folded_name_fits_into_an_index_key(character: str) -> None:
    assert 0 < len(fold(character * 200).encode()) <= MAX_KEY_BYTES
    assert fold(character * 200).startswith(fold(character * 40))
