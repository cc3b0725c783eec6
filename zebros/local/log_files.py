"""Follows the log files of the local platform's parts, as readable lines."""

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
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
    """A log file that is read from its current end on; `names` are logical ids of functions."""

    def __init__(self, part: str, file: Path, names: Mapping[str, str] | None = None) -> None:
        self._part, self._file, self._names = part, file, names or {}
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
        return [self._parse(line) for line in lines if line.strip()]

    def _parse(self, line: str) -> tuple[str, str]:
        """A line of a function is `HH:MM:SS <physical name> <text>`."""
        if self._part != "functions":
            return self._part, readable(line)
        _, _, rest = line.partition(" ")
        name, _, text = rest.partition(" ")
        return self._names.get(name, name), readable(text)


def readable(text: str) -> str:
    """A structured line as text: level, message, other fields."""
    try:
        fields = json.loads(text)
    except ValueError:
        return text[: _MAX_LENGTH * 2]
    if not isinstance(fields, dict) or "message" not in fields:
        return text[: _MAX_LENGTH * 2]
    hidden = _HIDDEN | _metrics(fields.get("_aws"))
    others = " ".join(f"{key}={_value(one)}" for key, one in fields.items() if key not in hidden)
    level = f"{fields['level']} " if fields.get("level") not in (None, "INFO") else ""
    return f"{level}{_value(fields['message'])} {others}".rstrip()


def _metrics(metadata: Any) -> frozenset[str]:
    """The fields of a line that belong to its metrics (Embedded Metric Format)."""
    if not isinstance(metadata, dict):
        return frozenset()
    names = {"_aws"}
    for definition in metadata["CloudWatchMetrics"]:
        names |= {name for several in definition["Dimensions"] for name in several}
        names |= {metric["Name"] for metric in definition["Metrics"]}
    return frozenset(names)


def _value(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _MAX_LENGTH else text[:_MAX_LENGTH] + "…"


def follow(log_files: Sequence[LogFile], show: Show, until: threading.Event) -> threading.Thread:
    """Show new lines of these files in a thread, until the event is set."""

    def run() -> None:
        while not until.is_set():
            for file in log_files:
                for part, line in file.new_lines():
                    show(part, line)
            time.sleep(_INTERVAL_S)

    thread = threading.Thread(target=run, name="follow", daemon=True)
    thread.start()
    return thread
