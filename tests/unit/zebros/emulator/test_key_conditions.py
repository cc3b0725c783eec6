"""Key conditions: the same items, without parsing the condition for each of them."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as some

from tests.unit.zebros.emulator.conftest import applied
from zebros.emulator import keyconditions

TEXT = some.text(alphabet="ab#é|", max_size=4)
NAMES = {"#k": "sk"}


@given(TEXT, TEXT, TEXT, some.sampled_from(["=", "<", "<=", ">", ">="]))
@settings(max_examples=60, deadline=None)
def test_a_comparison_has_the_unpatched_result(
    emulator: Any, pk: str, sk: str, operand: str, sign: str
) -> None:
    values = {":p": {"S": "p" + pk}, ":s": {"S": operand}}
    same(emulator, f"pk = :p AND #k {sign} :s", values, pk, sk)


@given(TEXT, TEXT, TEXT, TEXT)
@settings(max_examples=60, deadline=None)
def test_a_range_and_a_prefix_have_the_unpatched_result(
    emulator: Any, pk: str, sk: str, low: str, high: str
) -> None:
    low, high = sorted((low, high))
    bounds = {":p": {"S": "p" + pk}, ":a": {"S": low}, ":b": {"S": high}}
    same(emulator, "pk = :p and #k BETWEEN :a AND :b", bounds, pk, sk)
    prefix = {":p": {"S": "p" + pk}, ":a": {"S": low}}
    same(emulator, "pk = :p AND begins_with(#k, :a)", prefix, pk, sk)


def same(emulator: Any, expression: str, values: dict[str, Any], pk: str, sk: str) -> None:
    """Three items, so that the condition parsed for one is used for another."""
    items = ({"pk": {"S": "other"}}, {"pk": {"S": "p" + pk}, "sk": {"S": sk}}, {"pk": {"S": "p"}})
    slot = "KeyConditionExpression"

    def judged() -> list[bool]:
        evaluate = emulator("services.dynamodb")._evaluate_condition
        return [bool(evaluate(expression, item, values, NAMES, slot)) for item in items]

    expected = judged()
    with applied(keyconditions.apply):
        assert judged() == expected


def test_other_conditions_have_the_unpatched_result(emulator: Any) -> None:
    values = {":p": {"S": "p"}, ":n": {"N": "1"}}
    for expression in ("pk = :p AND sk > :p", "pk = :n", "size(pk) > :n", ""):
        same(emulator, expression, values, "", "x")


def read(emulator: Any, monkeypatch: Any, expression: str = "pk = :p") -> tuple[int, int]:
    """The status and the number of parses of a query over 200 items."""
    tables = emulator("services.dynamodb")
    tables._create_table(
        {
            "TableName": "records",
            "KeySchema": [
                {"AttributeName": "pk", "KeyType": "HASH"},
                {"AttributeName": "sk", "KeyType": "RANGE"},
            ],
            "AttributeDefinitions": [
                {"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")
            ],
            "BillingMode": "PAY_PER_REQUEST",
        }
    )
    for number in range(200):
        item = {"pk": {"S": "p"}, "sk": {"S": f"{number:03}"}}
        tables._put_item({"TableName": "records", "Item": item})
    count = 0
    tokenize = tables._tokenize

    def counted(text: str) -> Any:
        nonlocal count
        count += 1
        return tokenize(text)

    monkeypatch.setattr(tables, "_tokenize", counted)
    request = {
        "TableName": "records",
        "KeyConditionExpression": expression,
        "ExpressionAttributeValues": {":p": {"S": "p"}},
    }
    status, _, _ = tables._query(request)
    return status, count


def test_a_query_parses_its_condition_for_every_item_when_unpatched(
    emulator: Any, monkeypatch: Any
) -> None:
    status, count = read(emulator, monkeypatch)
    assert (status, count > 200) == (200, True)


def test_a_query_parses_its_condition_once(emulator: Any, patched: Any, monkeypatch: Any) -> None:
    with patched(keyconditions.apply):
        status, count = read(emulator, monkeypatch)
    assert (status, count < 20) == (200, True)


def test_an_invalid_condition_is_rejected(emulator: Any, patched: Any, monkeypatch: Any) -> None:
    with patched(keyconditions.apply):
        status, _ = read(emulator, monkeypatch, "pk = :p AND (sk = :p")
    assert status == 400


def test_the_syntax_of_a_condition_is_checked_once(
    emulator: Any, patched: Any, monkeypatch: Any
) -> None:
    tables, checked = emulator("services.dynamodb"), []
    check = tables._condition_syntax_error

    def counted(expression: str, slot: str) -> Any:
        checked.append(expression)
        return check(expression, slot)

    monkeypatch.setattr(tables, "_condition_syntax_error", counted)

    def judged() -> list[Any]:
        values = {":v": {"N": "1"}}
        item = {"version": {"N": "1"}}
        found = []
        for expression in ("version = :v", "version = :v", "version = = :v", "version = = :v"):
            try:
                found.append(tables._evaluate_condition(expression, item, values, {}))
            except ValueError as fault:
                found.append(str(fault))
        return found

    expected = judged()
    assert expected[:2] == [True, True]
    assert "Syntax error" in expected[2]
    assert len(checked) == 4, "for every write when unpatched"
    checked.clear()
    with patched(keyconditions.apply):
        assert judged() == expected
    assert checked == ["version = :v", "version = = :v"]
