"""A table has exactly the indexes of its records and lists, because every index costs writes."""

import ast
import re
from collections.abc import Iterator

import pytest

from kernel.runtime.contexts import contexts
from tests.template.reach import Module, module
from tests.template.stack import ROOT, resources

RECORD_TYPES = [
    (context.name, one.name) for context in contexts().values() for one in context.record_types
]
TABLES = sorted({one.table for context in contexts().values() for one in context.record_types})


def repositories(context: str) -> list[Module]:
    """The modules of a context's repository, be it one module or a package, and of its bases."""
    folder = ROOT / "services" / context / "repository"
    names = [f".{path.stem}" for path in sorted(folder.glob("*.py"))] or [""]
    found = [module(f"{context}.repository{name}".removesuffix(".__init__")) for name in names]
    own = [one for one in found if one is not None]
    bases = {source for one in own for source, _ in one.imported.values()}
    shared = [
        module(name) for name in sorted(bases) if re.fullmatch(r"kernel\..*\.repository", name)
    ]
    return own + [one for one in shared if one is not None]


def texts(code: Module, node: ast.AST) -> Iterator[str]:
    """Every text constant of a piece of code and of the functions that it names."""
    for inner in ast.walk(node):
        match inner:
            case ast.Constant(value=str(text)):
                yield text
            case ast.Name(id=name) if name in code.defined:
                for statement in code.defined[name]:
                    if statement is not node and isinstance(statement, ast.FunctionDef):
                        yield from texts(code, statement)
            case ast.Name(id=name) if name in code.imported:
                source, original = code.imported[name]
                if ".repository" in source and (other := module(source)) is not None:
                    for statement in other.defined[original]:
                        yield from texts(other, statement)


def key_attributes(context: str, record_type: str) -> set[str]:
    """The index keys that the records of a type have."""
    for code in repositories(context):
        for node in (inner for statement in code.body for inner in ast.walk(statement)):
            match node:
                case ast.Call(args=[_, _, ast.Constant(value=name), index, *_]) if (
                    name == record_type
                ):
                    return {t for t in texts(code, index) if re.fullmatch(r"gsi\d[ps]k", t)}
    raise AssertionError(f"no repository of {record_type}")


def queried(context: str) -> set[str]:
    """The indexes that the lists of a context read."""
    constants = (
        node.value
        for code in repositories(context)
        for statement in code.body
        for node in ast.walk(statement)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )
    return {text for text in constants if re.fullmatch(r"gsi\d", text)}


def test_every_table_has_a_record_type() -> None:
    """But the edge's, which has the registry of tenants."""
    assert sorted(resources("AWS::DynamoDB::GlobalTable")) == sorted([*TABLES, "EdgeTable"])


@pytest.mark.parametrize("table", TABLES)
def test_a_table_has_the_indexes_its_records_are_in(table: str) -> None:
    found = resources("AWS::DynamoDB::GlobalTable")[table]
    of_types = [
        key_attributes(context.name, one.name)
        for context in contexts().values()
        for one in context.record_types
        if one.table == table
    ]
    assert all(of_types), "records without a list"
    keys = set[str]().union(*of_types)
    defined = {one["AttributeName"] for one in found["AttributeDefinitions"]}
    assert defined == {"pk", "sk"} | keys
    wanted = {
        index: [
            {"AttributeName": f"{index}pk", "KeyType": "HASH"},
            {"AttributeName": f"{index}sk", "KeyType": "RANGE"},
        ]
        for index in {key[:4] for key in keys}
    }
    assert found["KeySchema"] == [
        {"AttributeName": "pk", "KeyType": "HASH"},
        {"AttributeName": "sk", "KeyType": "RANGE"},
    ]
    assert {i["IndexName"]: i["KeySchema"] for i in found["GlobalSecondaryIndexes"]} == wanted


@pytest.mark.parametrize("context", contexts())
def test_every_index_is_read_by_a_list(context: str) -> None:
    of_types = [key_attributes(owner, one) for owner, one in RECORD_TYPES if owner == context]
    assert queried(context) == {key[:4] for keys in of_types for key in keys}
