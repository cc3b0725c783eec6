"""What `zebros load` offers to fill is what the published API takes: no more and no less."""

import json
from pathlib import Path
from typing import Any

import pytest

from zebros.loading.check import published_schema
from zebros.loading.records import KINDS, Kind, Type

DOCUMENT = json.loads(
    (Path(__file__).parents[2] / "docs" / "openapi.json").read_text(encoding="utf-8")
)


def schema(kind: Kind) -> dict[str, Any]:
    found = published_schema(DOCUMENT, kind.path)
    if found is None and kind.path not in DOCUMENT["paths"]:
        pytest.skip(f"{kind.name} are not published yet")
    assert found is not None
    return found


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_every_field_of_the_api_can_be_loaded_and_no_other(kind: Kind) -> None:
    assert {*kind.fields, *kind.open_fields} == set(schema(kind)["properties"])


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_what_the_api_requires_a_row_must_have(kind: Kind) -> None:
    assert kind.required == set(schema(kind).get("required", []))


def described(shape: dict[str, Any]) -> dict[str, Any]:
    """A property's schema without its null and its reference."""
    options = [one for one in shape.get("anyOf", [shape]) if one.get("type") != "null"]
    reference = options[0].get("$ref", "")
    if reference:
        found: dict[str, Any] = DOCUMENT["components"]["schemas"][reference.rpartition("/")[2]]
        return found
    return options[0]


EXPECTED = {
    Type.TEXT: {"type": "string"},
    Type.REFERENCE: {"type": "string"},
    Type.DATE: {"type": "string", "format": "date"},
    Type.INTEGER: {"type": "integer"},
    Type.BOOLEAN: {"type": "boolean"},
    Type.LIST: {"type": "array"},
    Type.MONEY: {"type": "object"},
}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_text_becomes_the_type_the_api_asks_for(kind: Kind) -> None:
    properties = schema(kind)["properties"]
    for name, type_ in kind.fields.items():
        wanted = described(properties[name])
        assert EXPECTED[type_].items() <= wanted.items(), name
