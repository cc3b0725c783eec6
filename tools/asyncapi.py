"""docs/asyncapi.json (AsyncAPI 3.0) from the fact classes: what the event bus carries.

`--check` fails on drift.
"""

import inspect
from pathlib import Path
from typing import Any

from tools.contexts import CONTEXTS, events
from tools.drift import ROOT, as_json, main

FILE = ROOT / "docs" / "asyncapi.json"


def _message(key: str, event: Any) -> dict[str, Any]:
    context, name = key.split("/")
    return {
        "name": event.__name__,
        "title": event.__name__,
        "summary": (inspect.getdoc(event) or "").split("\n")[0],
        "contentType": "application/json",
        "payload": {
            "schemaFormat": "application/schema+json;version=draft-2020-12",
            "schema": {
                "allOf": [
                    {"$ref": "../events/schemas/envelope.v1.json"},
                    {
                        "properties": {
                            "type": {"const": event.__name__},
                            "source": {"const": event.source()},
                            "dataschema": {"const": event.schema_id()},
                            "data": {"$ref": f"../events/schemas/{context}/{name}.json"},
                        }
                    },
                ]
            },
        },
    }


def render() -> dict[Path, str]:
    """The document's text."""
    messages = {key.replace("/", "."): _message(key, event) for key, event in events().items()}
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    for context in CONTEXTS:
        own = [name for name in messages if name.startswith(f"{context}.")]
        channels[context] = {
            "address": f"zebros.{context}",
            "title": f"Facts of {context}",
            "description": (
                "EventBridge events with this source; the detail-type is the message's name and "
                "the detail the message."
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
            "title": "Zebros CRM facts",
            "version": "1",
            "description": (
                "Everything that happens in the CRM, at least once, contiguous per subject "
                "(`sequence`). Replayed events carry `replay-name` beside `detail`."
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
        "components": {"messages": messages},
    }
    return {FILE: as_json(document)}


if __name__ == "__main__":
    main(render(), "make contracts")
