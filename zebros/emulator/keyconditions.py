"""Key conditions compiled once a query.

Stock fault: a Query reads its key condition anew (tokenise, check, evaluate) for every item of
the partition, so that a page of 50 out of 10,000 items takes a tenth of a second.

Mended: conditions on string keys become a function of the item. Any other condition, and the
check that the condition is well-formed at all, is left to the emulator.
"""

import operator
import re
from collections.abc import Callable
from typing import Any

from zebros.emulator.seams import module, replace

type Item = dict[str, dict[str, Any]]
type Test = Callable[[Item], bool]

_NAME = r"(#?[\w.\-]+)"
_CLAUSE = re.compile(
    rf"\s*(?:{_NAME}\s*(=|<=|>=|<|>)\s*(:\w+)"
    rf"|begins_with\s*\(\s*{_NAME}\s*,\s*(:\w+)\s*\)"
    rf"|{_NAME}\s+BETWEEN\s+(:\w+)\s+AND\s+(:\w+))"
    r"\s*(AND\s+|$)",
    re.IGNORECASE,
)
_COMPARE: dict[str, Callable[[str, str], bool]] = {
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def apply() -> None:
    """Evaluate compiled key conditions in place of parsed ones."""
    tables = module("services.dynamodb")
    last: list[Any] = [None, None, None, None]

    def evaluate(
        expression: str,
        item: Item,
        values: dict[str, Any],
        names: dict[str, str],
        slot: str = "ConditionExpression",
    ) -> bool:
        if slot != "KeyConditionExpression":
            return stock(expression, item, values, names, slot)  # type: ignore[no-any-return]
        same = last[0] is expression and last[1] is values and last[2] is names
        if not same:
            test = compiled(expression, values, names or {})
            if test is not None:
                stock(expression, item, values, names, slot)  # raises what must be refused
            last[:] = [expression, values, names, test]
        if last[3] is None:
            return stock(expression, item, values, names, slot)  # type: ignore[no-any-return]
        return last[3](item)  # type: ignore[no-any-return]

    stock = replace(tables, "_evaluate_condition", evaluate)


def compiled(expression: str, values: dict[str, Any], names: dict[str, str]) -> Test | None:
    """A test for items; None for what is no plain conjunction over string keys.

    Python compares str by code point, which is the order of the UTF-8 bytes DynamoDB compares.
    """
    tests: list[Test] = []
    position = 0
    while position < len(expression):
        clause = _CLAUSE.match(expression, position)
        if clause is None:
            return None
        position = clause.end()
        if position == len(expression) and clause.group(9):
            return None  # a trailing AND
        try:
            tests.append(_test(clause, values, names))
        except (KeyError, ValueError):
            return None
    return (lambda item: all(test(item) for test in tests)) if tests else None


def _test(clause: re.Match[str], values: dict[str, Any], names: dict[str, str]) -> Test:
    def key(name: str) -> str:
        return names[name] if name.startswith("#") else name

    def text(reference: str) -> str:
        ((kind, value),) = values[reference].items()
        if kind != "S":
            raise ValueError(kind)
        return str(value)

    compared, sign, operand, begun, prefix, ranged, low, high, _ = clause.groups()
    if compared:
        return _on(key(compared), _bound(_COMPARE[sign], text(operand)))
    if begun:
        start = text(prefix)
        return _on(key(begun), lambda value: value.startswith(start))
    first, final = text(low), text(high)
    return _on(key(ranged), lambda value: first <= value <= final)


def _bound(compare: Callable[[str, str], bool], operand: str) -> Callable[[str], bool]:
    return lambda value: compare(value, operand)


def _on(name: str, holds: Callable[[str], bool]) -> Test:
    def test(item: Item) -> bool:
        value = item.get(name, {}).get("S")
        return value is not None and holds(value)

    return test
