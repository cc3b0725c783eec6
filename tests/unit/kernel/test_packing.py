"""Packing of text: unpacking returns the same text, sizes, and released dictionaries."""

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.storage.packing import DICTIONARIES, pack, unpack
from tools.bench.warm import OPPORTUNITY
from tools.dictionary import documents

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(json_values.map(json.dumps) | st.text())
def test_packed_text_is_unpacked_unchanged(text: str) -> None:
    assert unpack(pack(text)) == text


def test_a_long_text_is_unpacked_unchanged() -> None:
    """The text is longer than the compression window, so its end cannot use the dictionary."""
    text = json.dumps([{**OPPORTUNITY, "id": str(number)} for number in range(100)])
    assert unpack(pack(text)) == text


def test_a_packed_opportunity_takes_less_than_a_third_of_its_text() -> None:
    text = json.dumps(OPPORTUNITY, separators=(",", ":"))
    assert len(pack(text)) * 3 < len(text)


@pytest.mark.parametrize(
    "packed", [b"", b"\x00", b"not packed", b"\xff" + pack("{}")[1:], pack('{"name": 1}')[:-3]]
)
def test_data_that_is_not_packed_text_raises_an_error(packed: bytes) -> None:
    with pytest.raises(ValueError, match="not packed text"):
        unpack(packed)


def test_released_dictionaries_are_unchanged() -> None:
    """Stored text needs the dictionary it was packed with; a new dictionary is added at the end."""
    known = ["15149f4a435e4517"]
    assert [hashlib.sha256(data).hexdigest()[:16] for data in DICTIONARIES] == known


def test_every_example_record_takes_less_than_half_of_its_text() -> None:
    """The dictionary is trained from the examples, and must help every type of record."""
    texts = [text for text in documents() if len(text) > 200]
    assert len(texts) > 30
    assert all(len(pack(text)) * 2 < len(text) for text in texts)
