"""Cursors are valid only for the list that returned them."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.domain.errors import Invalid
from kernel.storage import cursor
from kernel.storage.table import Item
from tests.component.conftest import examples

KEY: Item = {"pk": "TENANT#acme#ACCOUNT#1", "sk": "STATE", "gsi1pk": "TENANT#acme#OWNER#ann"}
SCOPE = "account gsi1 OWNER#ann None None True"
OFTEN = examples(100)

keys = st.dictionaries(st.text(max_size=5), st.text(max_size=9) | st.integers(), max_size=4)


def made(key: Item = KEY, tenant: str = "acme", scope: str = SCOPE) -> str:
    encoded = cursor.encode(tenant, scope, key)
    assert encoded is not None
    return encoded


def rejected(tenant: str, scope: str, text: str) -> None:
    with pytest.raises(Invalid) as fault:
        cursor.decode(tenant, scope, text)
    assert [e.field for e in fault.value.errors] == ["cursor"]
    assert text not in fault.value.detail or len(text) < 8, "the problem does not repeat the input"


@OFTEN
@given(keys)
def test_a_cursor_continues_where_the_page_ended(cloud: Any, key: Item) -> None:
    assert cursor.decode("acme", SCOPE, made(key)) == key


def test_the_last_page_and_the_first_have_no_cursor(cloud: Any) -> None:
    assert cursor.encode("acme", SCOPE, None) is None
    assert cursor.decode("acme", SCOPE, None) is None


@OFTEN
@given(st.data(), st.sampled_from("Aa0-_x"))
def test_a_cursor_with_one_changed_character_is_rejected(
    cloud: Any, data: Any, character: str
) -> None:
    text = made()
    position = data.draw(st.integers(0, len(text) - 1))
    changed = text[:position] + character + text[position + 1 :]

    def meant(given: str) -> bytes:
        return base64.urlsafe_b64decode(given + "=" * (-len(given) % 4))

    if meant(changed) == meant(text):  # the last character has unused bits
        assert cursor.decode("acme", SCOPE, changed) == KEY
    else:
        rejected("acme", SCOPE, changed)


@OFTEN
@given(st.integers(0, 200))
def test_a_truncated_cursor_is_rejected(cloud: Any, length: int) -> None:
    text = made()
    rejected("acme", SCOPE, text[: min(length, len(text) - 2)])


@OFTEN
@given(st.text(max_size=60) | st.binary(max_size=60).map(lambda b: base64.b64encode(b).decode()))
def test_text_that_is_not_a_cursor_is_rejected(cloud: Any, text: str) -> None:
    rejected("acme", SCOPE, text)


@pytest.mark.parametrize(
    ("tenant", "scope"),
    [
        ("globex", SCOPE),
        ("acme ", SCOPE),
        ("", SCOPE),
        ("acme", SCOPE.replace("ann", "bob")),
        ("acme", SCOPE.replace("account", "contact")),
        ("acme", SCOPE.replace("gsi1", "gsi2")),
        ("acme", SCOPE.replace("True", "False")),
        ("acme", ""),
    ],
)
def test_a_cursor_of_another_tenant_list_or_filter_is_rejected(
    cloud: Any, tenant: str, scope: str
) -> None:
    rejected(tenant, scope, made())
    assert cursor.decode("acme", SCOPE, made()) == KEY


def test_a_cursor_signed_with_another_secret_is_rejected(
    cloud: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    forged = {**KEY, "pk": "TENANT#globex#ACCOUNT#1"}
    with monkeypatch.context() as patch:
        patch.setattr(cursor, "_secret", lambda: b"guessed")
        text = made(forged)
    rejected("acme", SCOPE, text)


def test_a_forged_key_behind_a_real_signature_is_rejected(cloud: Any) -> None:
    raw = base64.urlsafe_b64decode(made() + "==")
    signature = raw[: cursor._SIGNATURE_BYTES]
    payload = json.dumps({**KEY, "gsi1pk": "TENANT#globex#OWNER#ann"}).encode()
    rejected("acme", SCOPE, base64.urlsafe_b64encode(signature + payload).decode())
