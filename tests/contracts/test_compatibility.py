"""A released event stays readable: by subscribers, and by consumers when it is replayed."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tools import release, schemas
from tools.compatibility import incompatibilities

Change = Callable[[dict[str, Any]], None]


def test_the_schemas_are_compatible_with_the_last_release() -> None:
    assert any(release.FOLDER.rglob("*.json")), "the released schemas are missing"
    assert release.incompatible_changes(schemas.render()) == [], (
        "make it a new version of the event"
    )


def event() -> dict[str, Any]:
    """A released schema with every kind of part that the CRM's schemas have."""
    return {
        "$defs": {
            "Money": {
                "type": "object",
                "properties": {
                    "currency": {"type": "string", "pattern": "^[A-Z]{3}$"},
                    "minor_units": {"type": "integer", "maximum": 99},
                },
                "required": ["currency", "minor_units"],
            },
            "Part": {
                "type": "object",
                "properties": {
                    "kind": {"enum": ["a", "b"], "type": "string"},
                    "parts": {"type": "array", "items": {"$ref": "#/$defs/Part"}},
                },
            },
        },
        "type": "object",
        "properties": {
            "amount": {"anyOf": [{"$ref": "#/$defs/Money"}, {"type": "null"}], "default": None},
            "name": {"type": "string", "maxLength": 200, "description": "What it is called."},
            "day": {"type": "string", "format": "date"},
            "origin": {"const": "api"},
            "part": {"$ref": "#/$defs/Part"},
            "tags": {"type": "array", "items": {"type": "string", "maxLength": 40}},
            "totals": {"type": "object", "additionalProperties": {"type": "integer"}},
            "custom": {"type": "object", "patternProperties": {"^[a-z]+$": {"type": "string"}}},
        },
        "required": ["name", "part"],
    }


def put(*path: str, to: Any) -> Change:
    """Set one part of a schema."""

    def change(schema: dict[str, Any]) -> None:
        for name in path[:-1]:
            schema = schema[name]
        schema[path[-1]] = to

    return change


def drop(*path: str) -> Change:
    def change(schema: dict[str, Any]) -> None:
        for name in path[:-1]:
            schema = schema[name]
        del schema[path[-1]]

    return change


FIELDS, MONEY, PART = ("properties",), ("$defs", "Money"), ("$defs", "Part")

INCOMPATIBLE: dict[str, tuple[Change, str]] = {
    "a field is gone": (drop(*FIELDS, "day"), "data.day: is gone"),
    "a required field is gone": (drop(*FIELDS, "name"), "data.name: is gone"),
    "a field within a choice is gone": (
        drop(*MONEY, "properties", "minor_units"),
        "data.amount.minor_units: is gone",
    ),
    "a field within a reference is gone": (
        drop(*PART, "properties", "kind"),
        "data.part.kind: is gone",
    ),
    "a field has another type": (
        put(*FIELDS, "name", "type", to="integer"),
        "data.name: type was 'string', is 'integer'",
    ),
    "a field within a list has another type": (
        put(*FIELDS, "tags", "items", "type", to="integer"),
        "data.tags[]: type was 'string', is 'integer'",
    ),
    "a value of a map has another type": (
        put(*FIELDS, "totals", "additionalProperties", "type", to="string"),
        "data.totals.*: type was 'integer', is 'string'",
    ),
    "a value under a pattern has another type": (
        put(*FIELDS, "custom", "patternProperties", "^[a-z]+$", "type", to="integer"),
        "data.custom./^[a-z]+$/: type was 'string', is 'integer'",
    ),
    "a pattern of field names is another": (
        put(*FIELDS, "custom", "patternProperties", to={"^[a-z]$": {"type": "string"}}),
        "data.custom: field names were ['^[a-z]+$'], are ['^[a-z]$']",
    ),
    "a reference names something else": (
        put(*FIELDS, "part", "$ref", to="#/$defs/Money"),
        "data.part.kind: is gone",
    ),
    "a text has another format": (
        put(*FIELDS, "day", "format", to="date-time"),
        "data.day: format was 'date', is 'date-time'",
    ),
    "a field may be null": (
        put(*FIELDS, "day", to={"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}]}),
        "data.day: was one of [], is one of [{'type': 'string', 'format': 'date'}, "
        "{'type': 'null'}]",
    ),
    "a field may no longer be null": (
        put(*FIELDS, "amount", "anyOf", to=[{"$ref": "#/$defs/Money"}]),
        "data.amount: was one of [{'$ref': '#/$defs/Money'}, {'type': 'null'}], "
        "is one of [{'$ref': '#/$defs/Money'}]",
    ),
    "a field is newly required": (
        put("required", to=["name", "part", "day"]),
        "data.day: is newly required",
    ),
    "a new field is required": (
        put("required", to=["name", "part", "colour"]),
        "data.colour: is newly required",
    ),
    "a required field is optional": (
        put("required", to=["name"]),
        "data.part: was required, is optional",
    ),
    "an enum has a value less, which replayed events have": (
        put(*PART, "properties", "kind", "enum", to=["a"]),
        "data.part.kind: enum was ['a', 'b'], is ['a']",
    ),
    "an enum has a value more, which no subscriber knows": (
        put(*PART, "properties", "kind", "enum", to=["a", "b", "c"]),
        "data.part.kind: enum was ['a', 'b'], is ['a', 'b', 'c']",
    ),
    "a constant is another": (
        put(*FIELDS, "origin", "const", to="import"),
        "data.origin: const was 'api', is 'import'",
    ),
    "a text must be shorter": (
        put(*FIELDS, "name", "maxLength", to=20),
        "data.name: maxLength was 200, is 20",
    ),
    "a text may be longer": (
        drop(*FIELDS, "name", "maxLength"),
        "data.name: maxLength was 200, is absent",
    ),
    "a text has another pattern": (
        put(*MONEY, "properties", "currency", "pattern", to="^USD$"),
        "data.amount.currency: pattern was '^[A-Z]{3}$', is '^USD$'",
    ),
    "a limit is new": (
        put(*MONEY, "properties", "minor_units", "minimum", to=0),
        "data.amount.minor_units: minimum was absent, is 0",
    ),
    "an omitted field means something else": (
        put(*FIELDS, "amount", "default", to=0),
        "data.amount: default was None, is 0",
    ),
    "other fields are forbidden": (
        put("additionalProperties", to=False),
        "data.*: was True, is False",
    ),
}


@pytest.mark.parametrize("name", INCOMPATIBLE)
def test_an_incompatible_change_is_rejected(name: str) -> None:
    change, fault = INCOMPATIBLE[name]
    now = event()
    change(now)
    assert fault in incompatibilities(event(), now)


BELOW_A_REFERENCE: dict[str, tuple[Any, str]] = {
    "oneOf": ([{"$ref": "#/$defs/Money"}, {"type": "null"}], "data.price.minor_units: is gone"),
    "allOf": ([{"$ref": "#/$defs/Money"}], "data.price.minor_units: is gone"),
    "not": (
        {"$ref": "#/$defs/Money"},
        "data.price: not has a reference, which is not followed here",
    ),
    "prefixItems": (
        [{"type": "object", "properties": {"a": {"$ref": "#/$defs/Money"}}}],
        "data.price: prefixItems has a reference, which is not followed here",
    ),
}


@pytest.mark.parametrize("keyword", BELOW_A_REFERENCE)
def test_a_change_below_a_reference_is_detected_or_rejected(keyword: str) -> None:
    part, fault = BELOW_A_REFERENCE[keyword]
    released, now = event(), event()
    for schema in (released, now):
        put(*FIELDS, "price", to={keyword: part})(schema)
    drop(*MONEY, "properties", "minor_units")(now)
    put(*MONEY, "required", to=["currency"])(now)
    assert fault in incompatibilities(released, now)


@pytest.mark.parametrize("keyword", ["oneOf", "allOf"])
def test_another_order_is_compatible(keyword: str) -> None:
    released, now = event(), event()
    parts = [{"$ref": "#/$defs/Money"}, {"$ref": "#/$defs/Part"}]
    put(*FIELDS, "price", to={keyword: parts})(released)
    put(*FIELDS, "price", to={keyword: parts[::-1]})(now)
    assert incompatibilities(released, now) == []
    del now["properties"]["price"][keyword][0]
    assert any("data.price: was" in fault for fault in incompatibilities(released, now))


COMPATIBLE: dict[str, Change] = {
    "nothing": lambda schema: None,
    "a new optional field": put(*FIELDS, "colour", to={"type": "string"}),
    "a new optional field of a part": put(*PART, "properties", "colour", to={"type": "string"}),
    "a new definition": put("$defs", "Colour", to={"type": "string"}),
    "other texts": put(*FIELDS, "name", "description", to="How people call it."),
    "another order of choices": put(
        *FIELDS, "amount", "anyOf", to=[{"type": "null"}, {"$ref": "#/$defs/Money"}]
    ),
    "another order of values": put(*PART, "properties", "kind", "enum", to=["b", "a"]),
    "another order of required fields": put("required", to=["part", "name"]),
    "a definition written out": put(*FIELDS, "part", to=event()["$defs"]["Part"]),
}


@pytest.mark.parametrize("name", COMPATIBLE)
def test_a_compatible_change_is_allowed(name: str) -> None:
    now = event()
    COMPATIBLE[name](now)
    assert incompatibilities(event(), now) == []


def written(folder: Path) -> dict[Path, str]:
    """The current schemas, written as a release."""
    now = schemas.render()
    release.release(now, folder)
    return now


def test_a_release_can_be_followed_by_the_same_one(tmp_path: Path) -> None:
    now = written(tmp_path)
    assert release.incompatible_changes(now, tmp_path) == []
    release.release(now, tmp_path)


def test_a_new_event_is_allowed(tmp_path: Path) -> None:
    now = written(tmp_path)
    new = schemas.FOLDER / "customers" / "AccountMerged.v1.json"
    assert release.incompatible_changes({**now, new: "{}"}, tmp_path) == []


def test_a_released_schema_cannot_be_removed(tmp_path: Path) -> None:
    now = written(tmp_path)
    del now[schemas.FOLDER / "opportunities" / "OpportunityWon.v1.json"]
    (fault,) = release.incompatible_changes(now, tmp_path)
    assert (
        fault == "opportunities/OpportunityWon.v1.json: the released schema does not exist any more"
    )


def test_an_incompatible_release_writes_nothing(tmp_path: Path) -> None:
    now = written(tmp_path)
    won = schemas.FOLDER / "opportunities" / "OpportunityWon.v1.json"
    schema = json.loads(now[won])
    del schema["$defs"]["OpportunityState"]["properties"]["region"]
    before = (tmp_path / "opportunities" / "OpportunityWon.v1.json").read_text(encoding="utf-8")
    with pytest.raises(SystemExit, match=r"OpportunityWon.v1.json: data.current.region: is gone"):
        release.release({**now, won: json.dumps(schema)}, tmp_path)
    kept = (tmp_path / "opportunities" / "OpportunityWon.v1.json").read_text(encoding="utf-8")
    assert kept == before
