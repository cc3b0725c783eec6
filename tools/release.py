"""Keeps what a release has published and stored, with which later releases are tested.

`python -m tools.release` copies events/schemas/ to events/released/, and rejects incompatible
changes (tools/compatibility.py). It also writes records and events as this release stores them
(tools/stored.py). Run it when a version is released; `make contracts` does not, because a new field
may be renamed before its release.
"""

import json
import sys
from pathlib import Path

from tools import schemas, stored
from tools.compatibility import incompatibilities
from tools.drift import ROOT

FOLDER = ROOT / "events" / "released"


def incompatible_changes(now: dict[Path, str], released: Path = FOLDER) -> list[str]:
    """The incompatible changes since the last release."""
    changes = []
    for path in sorted(released.rglob("*.json")):
        name = str(path.relative_to(released))
        text = now.get(schemas.FOLDER / name)
        if text is None:
            changes.append(f"{name}: the released schema does not exist any more")
            continue
        before = json.loads(path.read_text(encoding="utf-8"))
        changes += [f"{name}: {fault}" for fault in incompatibilities(before, json.loads(text))]
    return changes


def release(now: dict[Path, str], released: Path = FOLDER) -> None:
    """Release the current schemas."""
    if broken := incompatible_changes(now, released):
        sys.exit("\n".join(["not released; make it a new version of the event:", *broken]))
    for path, text in now.items():
        copy = released / path.relative_to(schemas.FOLDER)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    release(schemas.render())
    stored.write(stored.FOLDER / stored.version())
