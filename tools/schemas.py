"""Generates events/schemas/<context>/<Event>.v<N>.json from the event classes. `--check`.

Each file is the JSON Schema of an event's `data`, which the envelope's `dataschema` names;
envelope.v1.json is the schema of the envelope. The schemas allow additional fields, so subscribers
that validate events accept optional fields of later releases.
"""

from pathlib import Path
from typing import Any

from tools.contexts import events
from tools.drift import ROOT, as_json, main

FOLDER = ROOT / "events" / "schemas"
DRAFT = "https://json-schema.org/draft/2020-12/schema"

ENVELOPE: dict[str, Any] = {
    "$schema": DRAFT,
    "$id": "urn:zebros:schema:envelope.v1",
    "title": "Envelope",
    "description": "CloudEvents 1.0 attributes around an event, as EventBridge `detail`.",
    "type": "object",
    "properties": {
        "specversion": {"const": "1.0"},
        "id": {"type": "string", "description": "Unique per event; the key for deduplication."},
        "source": {"type": "string", "pattern": "^zebros\\.[a-z]+$"},
        "type": {"type": "string", "description": "The event's name, also the detail-type."},
        "subject": {"type": "string", "pattern": "^[a-z_]+/.+$"},
        "time": {"type": "string", "format": "date-time"},
        "datacontenttype": {"const": "application/json"},
        "dataschema": {"type": "string", "pattern": "^urn:zebros:schema:"},
        "tenantid": {"type": "string"},
        "sequence": {
            "type": "string",
            "pattern": "^[1-9][0-9]*$",
            "description": "Contiguous per subject, from 1; a missing number is a missing event.",
        },
        "sequencetype": {"const": "Integer"},
        "correlationid": {"type": "string"},
        "causationid": {"type": "string", "description": "The id of the event that caused it."},
        "actor": {"type": "string", "description": "The user who did it, or `system`."},
        "origin": {"type": "string", "enum": ["api", "import", "system"]},
        "data": {"type": "object"},
    },
    "required": [
        "specversion",
        "id",
        "source",
        "type",
        "subject",
        "time",
        "datacontenttype",
        "dataschema",
        "tenantid",
        "sequence",
        "sequencetype",
        "correlationid",
        "actor",
        "origin",
        "data",
    ],
}


def _opened(schema: Any) -> Any:
    """The schema without `additionalProperties: false`, which the classes generate."""
    if isinstance(schema, list):
        return [_opened(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: _opened(part)
        for name, part in schema.items()
        if (name, part) != ("additionalProperties", False)
    }


def render() -> dict[Path, str]:
    """Every schema file's text."""
    files = {FOLDER / "envelope.v1.json": as_json(ENVELOPE)}
    for key, event in events().items():
        schema = {
            "$schema": DRAFT,
            "$id": event.schema_id(),
            **_opened(event.model_json_schema(mode="serialization")),
        }
        files[FOLDER / f"{key}.json"] = as_json(schema)
    return files


def leftovers() -> list[Path]:
    """Schema files without an event class."""
    return sorted(set(FOLDER.rglob("*.json")) - set(render()))


if __name__ == "__main__":
    main(render(), "make contracts", leftovers())
