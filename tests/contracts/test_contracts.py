"""The published contracts: generated files match the code, real events match the files."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, ValidationError
from openapi_spec_validator import validate
from referencing import Registry, Resource

from tools import asyncapi, openapi, schemas
from tools import examples as examples_tool
from tools.contexts import apis, events
from tools.drift import outdated

ROOT = Path(__file__).resolve().parents[2]


def test_schema_files_match_the_event_classes() -> None:
    assert outdated(schemas.render()) == [], "run `make contracts`"
    assert schemas.leftovers() == []


def test_the_openapi_document_matches_the_routes() -> None:
    assert outdated(openapi.render()) == [], "run `make contracts`"


def test_the_asyncapi_document_matches_the_event_classes() -> None:
    assert outdated(asyncapi.render()) == [], "run `make contracts`"


def test_the_openapi_document_is_valid() -> None:
    validate(json.loads(openapi.FILE.read_text(encoding="utf-8")))


CHANGES_NOTHING = {"/imports/uploads"}
"""A POST that only signs a link, which is stored nowhere."""


def test_every_operation_has_a_summary_and_lists_its_problems() -> None:
    document = json.loads(openapi.FILE.read_text(encoding="utf-8"))
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            where = f"{method} {path}"
            assert operation["summary"], where
            assert "401" in operation["responses"], where
            if method == "post":
                names = {p["name"] for p in operation["parameters"]}
                assert ("Idempotency-Key" in names) is (path not in CHANGES_NOTHING), where
            if method == "patch":
                assert {"412", "428"} <= operation["responses"].keys(), where


def test_responses_of_api_gateway_are_documented_for_every_operation() -> None:
    document = json.loads(openapi.FILE.read_text(encoding="utf-8"))
    problems = document["components"]["responses"]
    for problem in problems.values():
        assert list(problem["content"]) == ["application/problem+json"]
        assert "X-Correlation-Id" in problem["headers"]
    assert "Retry-After" in problems["Problem429"]["headers"]
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            answers = operation["responses"]
            expected = {"400", "401", "403", "429", "500", "503"}
            if method != "get":
                expected |= {"413", "415"}
            assert expected <= answers.keys(), f"{method} {path}"
            for status, answer in answers.items():
                if status >= "400":
                    assert answer == {"$ref": f"#/components/responses/Problem{status}"}
                else:
                    assert "X-Correlation-Id" in answer["headers"]


def test_operation_ids_are_unique() -> None:
    names = [route.function.__name__ for api in apis() for route in api.routes]
    assert len(set(names)) == len(names)


def objects(schema: Any) -> list[dict[str, Any]]:
    """Every object within a schema."""
    if isinstance(schema, list):
        return [found for part in schema for found in objects(part)]
    if not isinstance(schema, dict):
        return []
    return [schema, *(found for part in schema.values() for found in objects(part))]


@pytest.mark.parametrize("path", schemas.render(), ids=lambda p: p.stem)
def test_a_published_schema_allows_a_field_that_a_later_release_adds(path: Path) -> None:
    schema = json.loads(path.read_text(encoding="utf-8"))
    assert not [part for part in objects(schema) if part.get("additionalProperties") is False]


def registry() -> Registry[Any]:
    """All published schemas by `$id`."""
    found = Registry[Any]()
    for path in schemas.FOLDER.rglob("*.json"):
        resource = Resource.from_contents(json.loads(path.read_text(encoding="utf-8")))
        found = resource @ found
    return found


def examples() -> list[Path]:
    return sorted((ROOT / "events" / "examples").glob("*/*.json"))


@pytest.mark.parametrize("path", examples(), ids=lambda p: p.stem)
def test_an_example_is_a_valid_event(path: Path) -> None:
    envelope = json.loads(path.read_text(encoding="utf-8"))
    known = registry()
    Draft202012Validator(known.contents("urn:zebros:schema:envelope.v1")).validate(envelope)
    schema = known.contents(envelope["dataschema"])
    Draft202012Validator(schema, registry=known).validate(envelope["data"])
    broken = {**envelope["data"], "current": {**envelope["data"]["current"], "version": "one"}}
    with pytest.raises(ValidationError):
        Draft202012Validator(schema, registry=known).validate(broken)


@pytest.mark.parametrize("instant", ["2026-01-31T09:30:00.120Z", "2026-01-31T09:30:00Z"])
def test_an_example_is_the_same_whenever_it_is_made(instant: str) -> None:
    """An instant on a whole second is written without a fraction."""
    assert examples_tool.with_fixed_ids(f'"{instant}"') == '"2026-06-30T09:00:00.000Z"'


def test_every_event_has_an_example() -> None:
    shown = {f"{path.parent.name}/{path.stem}" for path in examples()}
    assert shown == set(events())
