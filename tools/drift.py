"""Writes generated files, or with `--check` reports those that are out of date."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


def as_json(document: Any) -> str:
    """JSON in the format of all generated files: two spaces, sorted keys, a final newline."""
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def outdated(files: Mapping[Path, str]) -> list[str]:
    """The files that are missing or differ, by their path in the repository."""
    return [
        str(path.relative_to(ROOT))
        for path, text in files.items()
        if not path.is_file() or path.read_text(encoding="utf-8") != text
    ]


def main(files: Mapping[Path, str], command: str, leftovers: list[Path] | None = None) -> None:
    """Write the `files` and remove `leftovers`; with `--check`, exit if any differ."""
    extra = [str(path.relative_to(ROOT)) for path in leftovers or []]
    if "--check" in sys.argv:
        if differing := [*outdated(files), *extra]:
            sys.exit(f"not up to date, run `{command}`: {', '.join(differing)}")
        return
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    for path in leftovers or []:
        path.unlink()
