"""JSON merge patch against the test cases of RFC 7396, appendix A."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.domain.clock import utc_now
from kernel.domain.errors import Invalid, Malformed
from kernel.domain.events import Fields, Snapshot
from kernel.domain.ids import new_id
from kernel.domain.merge_patch import merge_patch, patched_fields

APPENDIX_A = """
{"a":"b"}            | {"a":"c"}                     | {"a":"c"}
{"a":"b"}            | {"b":"c"}                     | {"a":"b","b":"c"}
{"a":"b"}            | {"a":null}                    | {}
{"a":"b","b":"c"}    | {"a":null}                    | {"b":"c"}
{"a":["b"]}          | {"a":"c"}                     | {"a":"c"}
{"a":"c"}            | {"a":["b"]}                   | {"a":["b"]}
{"a":{"b":"c"}}      | {"a":{"b":"d","c":null}}      | {"a":{"b":"d"}}
{"a":[{"b":"c"}]}    | {"a":[1]}                     | {"a":[1]}
["a","b"]            | ["c","d"]                     | ["c","d"]
{"a":"b"}            | ["c"]                         | ["c"]
{"a":"foo"}          | null                          | null
{"a":"foo"}          | "bar"                         | "bar"
{"e":null}           | {"a":1}                       | {"e":null,"a":1}
[1,2]                | {"a":"b","c":null}            | {"a":"b"}
{}                   | {"a":{"bb":{"ccc":null}}}     | {"a":{"bb":{}}}
"""


@pytest.mark.parametrize("line", APPENDIX_A.strip().splitlines())
def test_a_patch_has_the_result_of_the_rfc(line: str) -> None:
    original, patch, result = (json.loads(cell) for cell in line.split("|"))
    assert merge_patch(original, patch) == result


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=8,
)


@given(values, values)
def test_neither_the_target_nor_the_patch_is_changed_in_place(target: Any, patch: Any) -> None:
    before = json.dumps([target, patch])
    merge_patch(target, patch)
    assert json.dumps([target, patch]) == before


@given(values, values)
def test_patching_twice_has_the_effect_of_once(target: Any, patch: Any) -> None:
    once = merge_patch(target, patch)
    assert merge_patch(once, patch) == once


@given(values)
def test_an_empty_patch_changes_nothing(target: Any) -> None:
    if isinstance(target, dict):
        assert merge_patch(target, {}) == target


def record() -> Snapshot:
    now = utc_now()
    return Snapshot(
        id=new_id(),
        owner_id="ann",
        tags=["a"],
        custom_fields={"size": 3},
        created_at=now,
        created_by="ann",
        updated_at=now,
        updated_by="ann",
    )


def test_a_record_keeps_fields_that_its_patch_does_not_name() -> None:
    fields = patched_fields(record(), {"custom_fields": {"colour": "red", "size": None}}, Fields)
    assert fields.custom_fields == {"colour": "red"}
    assert (fields.owner_id, fields.tags) == ("ann", ["a"])


@pytest.mark.parametrize("name", ["id", "version", "created_by", "archived_at", "tenant_id"])
def test_a_patch_cannot_name_fields_that_only_the_system_sets(name: str) -> None:
    with pytest.raises(Invalid) as fault:
        patched_fields(record(), {name: "x"}, Fields)
    assert [e.field for e in fault.value.errors] == [name]


def test_a_patch_nested_too_deeply_is_malformed() -> None:
    # Deeper than the recursion limit, which a library may raise to 10,000.
    deep: dict[str, Any] = {}
    for _ in range(20_000):
        deep = {"a": deep}
    with pytest.raises(Malformed, match="nested too deeply"):
        patched_fields(record(), {"custom_fields": deep}, Fields)
