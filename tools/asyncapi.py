"""docs/asyncapi.json (AsyncAPI 3.0) from the event classes: what the event bus carries.

The document stands alone: it is served at /v1/asyncapi.json, where no file lies beside it, so the
schemas are in it. `--check` fails on drift.
"""

import inspect
import json
from pathlib import Path
from typing import Any

from kernel.runtime.contexts import contexts
from tools import schemas
from tools.contexts import events
from tools.drift import ROOT, as_json, main

FILE = ROOT / "docs" / "asyncapi.json"
_SCHEMAS = "#/components/schemas"
_OF_A_FILE = ("$schema", "$id", "$defs")
"""Keywords of a schema that is a document of its own; an `$id` would turn its references away."""


def _components() -> dict[str, Any]:
    """Every published schema (`<context>.<Event>.v<N>`), and what they share (`<context>.<Name>`).

    Raises RuntimeError when two schemas of a context mean different things by one name.
    """
    found: dict[str, Any] = {}
    for path, text in schemas.render().items():
        name = path.relative_to(schemas.FOLDER).with_suffix("").as_posix().replace("/", ".")
        context = name.split(".")[0]
        schema = json.loads(text)
        parts = {f"{context}.{part}": inner for part, inner in schema.get("$defs", {}).items()}
        own = {keyword: value for keyword, value in schema.items() if keyword not in _OF_A_FILE}
        for key, part in {**parts, name: own}.items():
            moved = _moved(part, context)
            if found.setdefault(key, moved) != moved:
                raise RuntimeError(f"there are two kinds of {key}; rename one of the classes")
    return found


def _moved(schema: Any, context: str) -> Any:
    """A schema whose references lead to where the definitions are in this document."""
    if isinstance(schema, list):
        return [_moved(part, context) for part in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: part.replace("#/$defs/", f"{_SCHEMAS}/{context}.")
        if name == "$ref"
        else _moved(part, context)
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
                "All events of the CRM. They are delivered at least once; `sequence` is "
                "contiguous per subject. Replayed events have `replay-name` beside `detail`."
            ),
            "license": {"name": "Apache-2.0"},
        },
        "servers": {
            "bus": {
                "host": "events.{region}.amazonaws.com",
                "protocol": "eventbridge",
                "description": "The stack's event bus (output BusName).",
                "variables": {"region": {"default": "us-east-1"}},
            }
        },
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages, "schemas": _components()},
    }
    return {FILE: as_json(document)}


if __name__ == "__main__":
    main(render(), "make contracts")
