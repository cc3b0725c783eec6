"""A table has the indexes that its records are in and its lists read: each more costs writes."""

import ast
import re
from collections.abc import Iterator

import pytest

from tests.template.reach import Module, module
from tests.template.stack import resources
from tools.contexts import CONTEXTS

TABLES = {
    (context, "table"): f"{context.capitalize()}Table"
    for context in CONTEXTS
    if context != "customers"
} | {("customers", "accounts"): "CustomersTable", ("customers", "contacts"): "ContactsTable"}
"""A table of the template by what its repository calls it."""


def repository(context: str) -> Module:
    found = module(f"{context}.repository")
    assert found is not None
    return found


def texts(code: Module, function: str) -> Iterator[str]:
    """Every text constant of a function and of those of its module that it names."""
    for statement in code.defined.get(function, ()):
        for node in ast.walk(statement):
            match node:
                case ast.Constant(value=str(text)):
                    yield text
                case ast.Name(id=name) if name != function:
                    yield from texts(code, name)


def key_attributes(context: str, table: str) -> set[str]:
    """The index keys that the records of a table have."""
    code = repository(context)
    found: set[str] = set()
    for node in (inner for statement in code.body for inner in ast.walk(statement)):
        match node:
            case ast.Call(
                func=ast.Name(id="Store"),
                args=[ast.Name(id=store), _, _, ast.Name(id=function), _],
            ) if store == table:
                found |= {t for t in texts(code, function) if re.fullmatch(r"gsi\d[ps]k", t)}
    return found


def queried(context: str) -> set[str]:
    """The indexes that the lists of a context read."""
    constants = (
        node.value
        for statement in repository(context).body
        for node in ast.walk(statement)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )
    return {text for text in constants if re.fullmatch(r"gsi\d", text)}


def test_every_table_has_a_repository() -> None:
    assert sorted(TABLES.values()) == sorted(resources("AWS::DynamoDB::GlobalTable"))


@pytest.mark.parametrize(("context", "table"), TABLES)
def test_a_table_has_the_indexes_its_records_are_in(context: str, table: str) -> None:
    found = resources("AWS::DynamoDB::GlobalTable")[TABLES[context, table]]
    keys = key_attributes(context, table)
    assert keys, "records without a list"
    defined = {one["AttributeName"] for one in found["AttributeDefinitions"]}
    assert defined == {"pk", "sk"} | keys
    wanted = {
        index: [
            {"AttributeName": f"{index}pk", "KeyType": "HASH"},
            {"AttributeName": f"{index}sk", "KeyType": "RANGE"},
        ]
        for index in {key[:4] for key in keys}
    }
    assert {i["IndexName"]: i["KeySchema"] for i in found["GlobalSecondaryIndexes"]} == wanted


@pytest.mark.parametrize("context", CONTEXTS)
def test_every_index_is_read_by_a_list(context: str) -> None:
    tables = [table for owner, table in TABLES if owner == context]
    keys = {key for table in tables for key in key_attributes(context, table)}
    assert queried(context) == {key[:4] for key in keys}
