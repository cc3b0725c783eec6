"""Scans: the same pages, without going through the whole table for each of them."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from tests.unit.zebros.emulator.conftest import applied
from zebros.emulator import scans

KEY = some.text(alphabet="ab#é", min_size=1, max_size=3)
KEYS = some.lists(some.tuples(KEY, KEY), max_size=25)


def created(tables: Any, keys: list[tuple[str, str]], name: str = "scanned") -> None:
    tables._delete_table({"TableName": name})
    schema = [
        {"AttributeName": key, "KeyType": kind} for key, kind in (("pk", "HASH"), ("sk", "RANGE"))
    ]
    attributes = [{"AttributeName": key, "AttributeType": "S"} for key in ("pk", "sk")]
    tables._create_table(
        {
            "TableName": name,
            "KeySchema": schema,
            "AttributeDefinitions": attributes,
            "BillingMode": "PAY_PER_REQUEST",
        }
    )
    for pk, sk in keys:
        put(tables, pk, sk, name)


def put(tables: Any, pk: str, sk: str, name: str = "scanned") -> None:
    tables._put_item({"TableName": name, "Item": {"pk": {"S": pk}, "sk": {"S": sk}}})


def pages(tables: Any, **arguments: Any) -> list[list[tuple[str, str]]]:
    found, after = [], None
    while True:
        start: dict[str, Any] = {"ExclusiveStartKey": after} if after else {}
        status, _, body = tables._scan({"TableName": "scanned", **arguments, **start})
        assert status == 200, body
        answer = json.loads(body)
        found.append([(one["pk"]["S"], one["sk"]["S"]) for one in answer["Items"]])
        if (after := answer.get("LastEvaluatedKey")) is None:
            return found


@given(KEYS, some.integers(1, 9), some.booleans())
@settings(max_examples=60, deadline=None)
def test_pages_are_those_of_the_unpatched_emulator(
    emulator: Any, keys: list[tuple[str, str]], limit: int, filtered: bool
) -> None:
    tables = emulator("services.dynamodb")
    condition = {
        "FilterExpression": "begins_with(pk, :a)",
        "ExpressionAttributeValues": {":a": {"S": "a"}},
    }
    arguments = {"Limit": limit, **(condition if filtered else {})}
    created(tables, keys)
    expected = pages(tables, **arguments), pages(tables)
    with applied(scans.apply):
        assert (pages(tables, **arguments), pages(tables)) == expected
    assert pages(tables, **arguments) == expected[0], "the patch is undone"


@given(KEYS, some.lists(some.tuples(some.booleans(), KEY, KEY), max_size=12))
@settings(max_examples=60, deadline=None)
def test_keys_that_come_and_go_between_pages_are_known(
    emulator: Any, keys: list[tuple[str, str]], changes: list[tuple[bool, str, str]]
) -> None:
    tables = emulator("services.dynamodb")
    created(tables, keys)
    with applied(scans.apply):
        pages(tables, Limit=2)
        for added, pk, sk in changes:
            if added:
                put(tables, pk, sk)
            else:
                key = {"pk": {"S": pk}, "sk": {"S": sk}}
                tables._delete_item({"TableName": "scanned", "Key": key})
            found = [one for page in pages(tables, Limit=3) for one in page]
            assert found == sorted(found)
            assert len(found) == tables._tables["scanned"]["ItemCount"]


def test_a_table_that_was_made_again_has_its_own_keys(emulator: Any) -> None:
    tables = emulator("services.dynamodb")
    with applied(scans.apply):
        created(tables, [("a", "1"), ("b", "1")])
        assert pages(tables) == [[("a", "1"), ("b", "1")]]
        created(tables, [("c", "1"), ("d", "1")])
        assert pages(tables) == [[("c", "1"), ("d", "1")]]


def test_a_page_does_not_read_the_items_before_it(
    emulator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = emulator("services.dynamodb")
    created(tables, [(f"{number:04d}", "1") for number in range(500)])
    compared: list[int] = []
    original = tables._apply_exclusive_start_key_scan

    def counted(items: list[Any], *rest: Any) -> Any:
        compared.append(len(items))
        return original(items, *rest)

    monkeypatch.setattr(tables, "_apply_exclusive_start_key_scan", counted)
    with applied(scans.apply):
        assert len(pages(tables, Limit=50)) == 11
    assert max(compared) == 52
