"""events/released/: the schemas of the last release, which everything later is compared with.

`python -m tools.release` copies events/schemas/ there, and refuses when that would break a promise
(tools/compatibility.py). It is run when the events go out to subscribers, never by `make
contracts`: until then a new field may still be renamed.
"""

import json
import sys
from pathlib import Path

from tools import schemas
from tools.compatibility import faults
from tools.drift import ROOT

FOLDER = ROOT / "events" / "released"


def broken_promises(now: dict[Path, str], released: Path = FOLDER) -> list[str]:
    """What subscribers of the last release could not read any more, and what replays could not."""
    found = []
    for path in sorted(released.rglob("*.json")):
        name = str(path.relative_to(released))
        text = now.get(schemas.FOLDER / name)
        if text is None:
            found.append(f"{name}: the schema was released and is gone")
            continue
        before = json.loads(path.read_text(encoding="utf-8"))
        found += [f"{name}: {fault}" for fault in faults(before, json.loads(text))]
    return found


def release(now: dict[Path, str], released: Path = FOLDER) -> None:
    """Make today's schemas the ones that later ones are compared with."""
    if broken := broken_promises(now, released):
        sys.exit("\n".join(["not released; make it a new version of the event:", *broken]))
    for path, text in now.items():
        copy = released / path.relative_to(schemas.FOLDER)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    release(schemas.render())
