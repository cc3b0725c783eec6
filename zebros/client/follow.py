"""The logs of all parts as one, readable: a line each, with the part or function in front."""

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

_LOOK_S = 0.25
_SHOWN = 200
_HIDDEN = frozenset(
    (
        *("level", "location", "message", "timestamp", "service", "cold_start"),
        *("function_name", "function_memory_size", "function_arn", "function_request_id"),
        *("xray_trace_id", "sampling_rate", "exception_name"),
    )
)

type Show = Callable[[str, str], None]


class Followed:
    """One log file, read from its present end on."""

    def __init__(self, part: str, file: Path) -> None:
        self._part, self._file = part, file
        self._at = file.stat().st_size if file.exists() else 0
        self._rest = ""

    def news(self) -> list[tuple[str, str]]:
        """(part or function, line) for each whole line since the last look."""
        try:
            size = self._file.stat().st_size
            if size < self._at:  # begun anew
                self._at, self._rest = 0, ""
            with self._file.open("rb") as content:
                content.seek(self._at)
                read = content.read()
        except OSError:
            return []
        self._at += len(read)
        *lines, self._rest = (self._rest + read.decode("utf-8", "replace")).split("\n")
        return [told(self._part, line) for line in lines if line.strip()]


def told(part: str, line: str) -> tuple[str, str]:
    """A line as people read it. Functions' lines are `HH:MM:SS <deployed name> <text>`."""
    if part != "functions":
        return part, readable(line)
    _, _, rest = line.partition(" ")
    name, _, text = rest.partition(" ")
    return short(name), readable(text)


def short(name: str) -> str:
    """`OpportunitiesApi` of `zebros-OpportunitiesApi-2F31C`."""
    pieces = name.split("-")
    return "-".join(pieces[1:-1]) if len(pieces) > 2 else name


def readable(text: str) -> str:
    """A structured line as words: level, message, then what else it says."""
    try:
        said = json.loads(text)
    except ValueError:
        return text[: _SHOWN * 2]
    if not isinstance(said, dict) or "message" not in said:
        return text[: _SHOWN * 2]
    more = " ".join(f"{key}={_value(value)}" for key, value in said.items() if key not in _HIDDEN)
    level = f"{said['level']} " if said.get("level") not in (None, "INFO") else ""
    return f"{level}{_value(said['message'])} {more}".rstrip()


def _value(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def follow(files: dict[str, Path], show: Show, until: threading.Event) -> threading.Thread:
    """Show what is appended to these files, in a thread, until told to stop."""
    followed = [Followed(part, file) for part, file in files.items()]

    def run() -> None:
        while not until.is_set():
            for one in followed:
                for part, line in one.news():
                    show(part, line)
            time.sleep(_LOOK_S)

    thread = threading.Thread(target=run, name="follow", daemon=True)
    thread.start()
    return thread
