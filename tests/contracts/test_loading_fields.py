"""The fields of `zebros load` are those of the published API."""

import json
from pathlib import Path
from typing import Any

import pytest

from zebros.loading.record_types import RECORD_TYPES, FieldType, RecordType

DOCUMENT = json.loads(
    (Path(__file__).parents[2] / "docs" / "openapi.json").read_text(encoding="utf-8")
)


def published_schema(document: dict[str, Any], path: str) -> dict[str, Any] | None:
    """The schema of one item in an OpenAPI 3.1 document, with the components it refers to.

    OpenAPI 3.1 schemas are JSON Schema 2020-12
    (https://spec.openapis.org/oas/v3.1.1.html#schema-object).
    """
    for suffix in (f"{path}/batch", path):
        for known, operations in document.get("paths", {}).items():
            if not known.endswith(suffix) or "post" not in operations:
                continue
            content = operations["post"].get("requestBody", {}).get("content", {})
            schema = _resolved(content.get("application/json", {}).get("schema", {}), document)
            if suffix.endswith("/batch"):
                items = schema.get("properties", {}).get("items", {})
                schema = _resolved(items.get("items", {}), document)
            if schema.get("properties"):
                return {**schema, "components": document.get("components", {})}
    return None


def _resolved(schema: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    """A schema, with its own `$ref` replaced."""
    for _ in range(10):
        reference = schema.get("$ref", "")
        if not reference.startswith("#/"):
            return schema
        target: Any = document
        for part in reference[2:].split("/"):
            target = target.get(part.replace("~1", "/").replace("~0", "~"), {})
        schema = target
    return schema


def schema(record_type: RecordType) -> dict[str, Any]:
    found = published_schema(DOCUMENT, record_type.path)
    if found is None and record_type.path not in DOCUMENT["paths"]:
        pytest.skip(f"{record_type.name} are not published yet")
    assert found is not None
    return found


@pytest.mark.parametrize("record_type", RECORD_TYPES.values(), ids=RECORD_TYPES)
def test_every_field_of_the_api_can_be_loaded_and_no_other(record_type: RecordType) -> None:
    assert {*record_type.fields, *record_type.named_fields} == set(
        schema(record_type)["properties"]
    )


@pytest.mark.parametrize("record_type", RECORD_TYPES.values(), ids=RECORD_TYPES)
def test_the_fields_that_the_api_requires_are_required(record_type: RecordType) -> None:
    assert record_type.required == set(schema(record_type).get("required", []))


def described(shape: dict[str, Any]) -> dict[str, Any]:
    """A property's schema without its null and its reference."""
    options = [one for one in shape.get("anyOf", [shape]) if one.get("type") != "null"]
    reference = options[0].get("$ref", "")
    if reference:
        found: dict[str, Any] = DOCUMENT["components"]["schemas"][reference.rpartition("/")[2]]
        return found
    return options[0]


EXPECTED = {
    FieldType.TEXT: {"type": "string"},
    FieldType.REFERENCE: {"type": "string"},
    FieldType.DATE: {"type": "string", "format": "date"},
    FieldType.INTEGER: {"type": "integer"},
    FieldType.BOOLEAN: {"type": "boolean"},
    FieldType.COUNTRY: {"type": "string"},
    FieldType.LIST: {"type": "array"},
    FieldType.PHONE: {"type": "string", "maxLength": 40},
    FieldType.WEBSITE: {"type": "string", "format": "uri"},
    FieldType.PHONES: {"type": "array"},
    FieldType.EMAILS: {"type": "array"},
    FieldType.MONEY: {"type": "object"},
}


@pytest.mark.parametrize("record_type", RECORD_TYPES.values(), ids=RECORD_TYPES)
def test_text_is_parsed_to_the_type_of_the_api(record_type: RecordType) -> None:
    properties = schema(record_type)["properties"]
    for name, type_ in record_type.fields.items():
        wanted = described(properties[name])
        assert EXPECTED[type_].items() <= wanted.items(), name
