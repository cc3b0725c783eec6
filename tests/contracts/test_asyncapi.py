"""docs/asyncapi.json is AsyncAPI 3.0, is self-contained, and describes the published events."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator, ValidationError

from tools import asyncapi, asyncapi_socket
from tools.contexts import events

SPECIFICATION = Path(__file__).parent / "specs" / "asyncapi-3.0.0.json"
EXAMPLES = Path(__file__).resolve().parents[2] / "events" / "examples"
DOCUMENT = json.loads(asyncapi.FILE.read_text(encoding="utf-8"))


def test_the_document_is_asyncapi_3() -> None:
    specification = json.loads(SPECIFICATION.read_text(encoding="utf-8"))
    faults = [
        f"{error.json_path}: {error.message}"
        for error in Draft7Validator(specification).iter_errors(DOCUMENT)
    ]
    assert faults == []


def test_the_document_has_every_event_once_sent_by_its_context() -> None:
    names = {key.replace("/", ".") for key in events()} | asyncapi_socket.MESSAGES.keys()
    assert DOCUMENT["components"]["messages"].keys() == names
    sent = [
        message["$ref"].rpartition("/")[2]
        for operation in DOCUMENT["operations"].values()
        for message in operation["messages"]
    ]
    assert sorted(sent) == sorted(names)


def references(part: Any) -> Iterator[str]:
    """Every reference in the document."""
    if isinstance(part, list):
        for one in part:
            yield from references(one)
    elif isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for one in part.values():
            yield from references(one)


def test_the_document_has_no_external_references() -> None:
    found = set(references(DOCUMENT))
    assert found
    for reference in found:
        assert reference.startswith("#/"), "no other file is served"
        part = DOCUMENT
        for name in reference.removeprefix("#/").split("/"):
            part = part[name]


def test_every_schema_is_used() -> None:
    assert {f"#/components/schemas/{name}" for name in DOCUMENT["components"]["schemas"]} <= set(
        references(DOCUMENT)
    )


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*/*.json")), ids=lambda p: p.stem)
def test_an_example_matches_its_message(path: Path) -> None:
    """AsyncAPI tools read payload schemas as JSON Schema draft 7."""
    event = json.loads(path.read_text(encoding="utf-8"))
    message = DOCUMENT["components"]["messages"][f"{path.parent.name}.{path.stem}"]
    check = Draft7Validator({**message["payload"], "components": DOCUMENT["components"]})
    check.validate(event)
    broken = {**event["data"]["current"], "version": "one"}
    with pytest.raises(ValidationError):
        check.validate({**event, "data": {**event["data"], "current": broken}})
    with pytest.raises(ValidationError):
        check.validate({**event, "type": "SomethingElse"})
