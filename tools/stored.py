"""Writes tests/fixtures/stored/<release>/: records and events as a release stores them.

`python -m tools.release` calls it. Later releases read these files in their tests
(tests/component/stored/test_releases.py); a file of a release is never changed. The records and
events are those of events/examples/.
"""

import base64
import importlib
import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kernel.runtime.contexts import contexts, record_types
from kernel.storage.records import RecordStore
from tools import examples
from tools.drift import ROOT, as_json

FOLDER = ROOT / "tests" / "fixtures" / "stored"


def version() -> str:
    """The version of this release."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return str(project["version"])


def stores() -> dict[str, RecordStore[Any]]:
    """The store of every record type by its name; needs the environment of functions."""
    found = {}
    for context in contexts():
        for store in importlib.import_module(f"{context}.bootstrap").stores():
            found[store.record_type] = store
    return found


def forms() -> dict[str, int]:
    """The number of the form in which this release stores each record type."""
    with examples.environment():
        return {name: store.documents.number for name, store in stores().items()}


def render() -> dict[str, str]:
    """The text of each file by its name in the folder of the release."""
    events = list(_events())
    with examples.cloud():
        items = {}
        for name, store in stores().items():
            of_type = [event for event in events if event["subject"].startswith(f"{name}/")]
            items[name] = [_stored(store, event) for event in of_type]
    missing = record_types().keys() - {name for name, stored in items.items() if stored}
    if missing:
        raise RuntimeError(f"no example of an event has a record of type {', '.join(missing)}")
    files = {f"records/{name}.json": as_json(stored) for name, stored in items.items()}
    return {**files, "events.json": as_json(events)}


def _events() -> Iterator[dict[str, Any]]:
    for file in sorted(examples.FOLDER.rglob("*.json")):
        event = json.loads(file.read_text(encoding="utf-8"))
        if not file.name.startswith("StreamGapDetected."):
            yield event


def _stored(store: RecordStore[Any], event: dict[str, Any]) -> dict[str, Any]:
    """The item of the record that an event is about; its document is base64 text."""
    state = {"tenant_id": event["tenantid"], "sequence": int(event["sequence"])}
    text = json.dumps({**event["data"]["current"], **state})
    record = store.documents.model.model_validate_json(text)
    item = store.item(record, store.documents.encode(None, record))
    return {**item, "doc": base64.b64encode(item["doc"]).decode()}


def write(folder: Path) -> None:
    """Write the files of this release."""
    for name, text in render().items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
