"""Follows the log files of the local platform's parts, as readable lines."""

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

_INTERVAL_S = 0.25
_MAX_LENGTH = 200
"""The characters of a value that are shown."""
_HIDDEN = frozenset(
    (
        *("level", "location", "message", "timestamp", "service", "cold_start"),
        *("function_name", "function_memory_size", "function_arn", "function_request_id"),
        *("xray_trace_id", "sampling_rate", "exception_name"),
    )
)

type Show = Callable[[str, str], None]


class LogFile:
    """A log file that is read from its current end on."""

    def __init__(self, part: str, file: Path) -> None:
        self._part, self._file = part, file
        self._position = file.stat().st_size if file.exists() else 0
        self._incomplete = ""

    def new_lines(self) -> list[tuple[str, str]]:
        """(part or function, line) for each complete line since the last call."""
        try:
            size = self._file.stat().st_size
            if size < self._position:  # the file was replaced
                self._position, self._incomplete = 0, ""
            with self._file.open("rb") as content:
                content.seek(self._position)
                read = content.read()
        except OSError:
            return []
        self._position += len(read)
        text = self._incomplete + read.decode("utf-8", "replace")
        *lines, self._incomplete = text.split("\n")
        return [parse_line(self._part, line) for line in lines if line.strip()]


def parse_line(part: str, line: str) -> tuple[str, str]:
    """(part or function, readable text). Functions' lines are `HH:MM:SS <name> <text>`."""
    if part != "functions":
        return part, readable(line)
    _, _, rest = line.partition(" ")
    name, _, text = rest.partition(" ")
    return short_name(name), readable(text)


def short_name(name: str) -> str:
    """`OpportunitiesApi` of `zebros-Opportunities-4135044c-a7b-OpportunitiesApi-2F31C`."""
    pieces = name.split("-")
    return pieces[-2] if len(pieces) > 2 else name


def readable(text: str) -> str:
    """A structured line as text: level, message, other fields."""
    try:
        fields = json.loads(text)
    except ValueError:
        return text[: _MAX_LENGTH * 2]
    if not isinstance(fields, dict) or "message" not in fields:
        return text[: _MAX_LENGTH * 2]
    others = " ".join(f"{key}={_value(one)}" for key, one in fields.items() if key not in _HIDDEN)
    level = f"{fields['level']} " if fields.get("level") not in (None, "INFO") else ""
    return f"{level}{_value(fields['message'])} {others}".rstrip()


def _value(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _MAX_LENGTH else text[:_MAX_LENGTH] + "…"


def follow(files: dict[str, Path], show: Show, until: threading.Event) -> threading.Thread:
    """Show new lines of these files in a thread, until the event is set."""
    log_files = [LogFile(part, file) for part, file in files.items()]

    def run() -> None:
        while not until.is_set():
            for file in log_files:
                for part, line in file.new_lines():
                    show(part, line)
            time.sleep(_INTERVAL_S)

    thread = threading.Thread(target=run, name="follow", daemon=True)
    thread.start()
    return thread
