"""Write generated files, or with `--check` say which ones are not what the code generates."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


def as_json(document: Any) -> str:
    """JSON the way every generated file has it: two spaces, sorted keys, a newline at the end."""
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def stale(wanted: Mapping[Path, str]) -> list[str]:
    """The files that are missing or differ, by path within the repository."""
    return [
        str(path.relative_to(ROOT))
        for path, text in wanted.items()
        if not path.is_file() or path.read_text(encoding="utf-8") != text
    ]


def main(wanted: Mapping[Path, str], command: str, leftovers: list[Path] | None = None) -> None:
    """Write `wanted`, or check it when the command line says `--check`."""
    extra = [str(path.relative_to(ROOT)) for path in leftovers or []]
    if "--check" in sys.argv:
        if differing := [*stale(wanted), *extra]:
            sys.exit(f"not up to date, run `{command}`: {', '.join(differing)}")
        return
    for path, text in wanted.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    for path in leftovers or []:
        path.unlink()
