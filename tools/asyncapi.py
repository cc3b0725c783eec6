"""Generates docs/asyncapi.json (AsyncAPI 3.0): events on the bus, messages of the WebSocket API.

The document includes all schemas, because /v1/asyncapi.json serves it without other files.
`--check` fails on drift.
"""

import inspect
import json
from pathlib import Path
from typing import Any

from kernel.runtime.contexts import contexts
from tools import asyncapi_socket, schemas
from tools.contexts import events
from tools.drift import ROOT, as_json, main

FILE = ROOT / "docs" / "asyncapi.json"
_SCHEMAS = "#/components/schemas"
_FILE_KEYWORDS = ("$schema", "$id", "$defs")
"""Keywords of a separate schema file; an `$id` would change the base of its references."""


def _components() -> dict[str, Any]:
    """Every event schema (`<context>.<Event>.v<N>`) and shared definition (`<context>.<Name>`).

    Raises RuntimeError when two different definitions of a context have the same name.
    """
    components: dict[str, Any] = {}
    for path, text in schemas.render().items():
        name = path.relative_to(schemas.FOLDER).with_suffix("").as_posix().replace("/", ".")
        context = name.split(".")[0]
        schema = json.loads(text)
        parts = {f"{context}.{part}": inner for part, inner in schema.get("$defs", {}).items()}
        own = {keyword: value for keyword, value in schema.items() if keyword not in _FILE_KEYWORDS}
        for key, part in {**parts, name: own}.items():
            moved = _with_references(part, context)
            if components.setdefault(key, moved) != moved:
                raise RuntimeError(f"{key} has two definitions; rename one of the classes")
    return components


def _with_references(schema: Any, context: str) -> Any:
    """A schema whose references point to the definitions in this document."""
    if isinstance(schema, list):
        return [_with_references(part, context) for part in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: part.replace("#/$defs/", f"{_SCHEMAS}/{context}.")
        if name == "$ref"
        else _with_references(part, context)
        for name, part in schema.items()
    }


def _message(name: str, event: Any) -> dict[str, Any]:
    return {
        "name": event.__name__,
        "title": event.__name__,
        "summary": (inspect.getdoc(event) or "").split("\n")[0],
        "contentType": "application/json",
        "payload": {
            "allOf": [
                {"$ref": f"{_SCHEMAS}/envelope.v1"},
                {
                    "properties": {
                        "type": {"const": event.__name__},
                        "source": {"const": event.source()},
                        "dataschema": {"const": event.schema_id()},
                        "data": {"$ref": f"{_SCHEMAS}/{name}"},
                    }
                },
            ]
        },
    }


def render() -> dict[Path, str]:
    """The document's text."""
    names = {key.replace("/", "."): event for key, event in events().items()}
    messages = {name: _message(name, event) for name, event in names.items()}
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    for context in contexts():
        own = [name for name in messages if name.startswith(f"{context}.")]
        channels[context] = {
            "address": f"zebros.{context}",
            "title": f"Events of {context}",
            "description": (
                "EventBridge events with this source. The detail-type is the name of a message, "
                "the detail its payload."
            ),
            "servers": [{"$ref": "#/servers/bus"}],
            "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in own},
        }
        operations[f"publish-{context}"] = {
            "action": "send",
            "channel": {"$ref": f"#/channels/{context}"},
            "messages": [{"$ref": f"#/channels/{context}/messages/{name}"} for name in own],
        }
    document = {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Zebros CRM events",
            "version": "1",
            "description": (
                "All events of the CRM, and the WebSocket API that pushes notifications. "
                "Events are delivered at least once; `sequence` is "
                "contiguous per subject. Replayed events have `replay-name` beside `detail`."
            ),
            "license": {"name": "Apache-2.0"},
        },
        "servers": {
            "live": asyncapi_socket.SERVER,
            "bus": {
                "host": "events.{region}.amazonaws.com",
                "protocol": "eventbridge",
                "description": "The stack's event bus (output BusName).",
                "variables": {"region": {"default": "us-east-1"}},
            },
        },
        "channels": channels | {"live": asyncapi_socket.CHANNEL},
        "operations": operations | asyncapi_socket.OPERATIONS,
        "components": {
            "messages": messages | asyncapi_socket.MESSAGES,
            "schemas": _components(),
            "securitySchemes": asyncapi_socket.SECURITY,
        },
    }
    return {FILE: as_json(document)}


if __name__ == "__main__":
    main(render(), "make contracts")
