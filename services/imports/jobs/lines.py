"""The lines of an uploaded file: one JSON object each (JSON Lines), optionally gzipped.

A line that is wrong is rejected by itself. A file that cannot be read as a whole is found out
before anything of it is imported.
"""

import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple

from kernel.domain.errors import CrmError, Malformed, TooLarge
from kernel.web.batch import external_ids_of

MAX_LINE_BYTES = 100_000
MAX_RECORDS = 1_000_000
_MAX_LINES = 2 * MAX_RECORDS
"""Blank lines included."""
MAX_UNPACKED_BYTES = 8 * 1024**3
"""The largest file after gzip; it would be 8 KB for each of the most records."""
_SHOWN_CHARACTERS = 1_000
"""How much of a line that is no JSON object is shown among the rejected ones."""
_TRIED = 100
"""If none of so many lines is a JSON object, the file is not JSON Lines."""
_TICK_LINES = 1_000
_GZIP = b"\x1f\x8b"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_LINE_END = b"\r\n"
_LONGEST = MAX_LINE_BYTES + len(_LINE_END)
OWN_SYSTEM = "import"
"""The system of the external ids that imports give to records without an identity."""


class UnreadableFile(Exception):
    """A file cannot be read as a whole; the message completes "cannot be read:"."""


class RawLine(NamedTuple):
    """A line of a file that is not blank."""

    number: int
    """Counted from 1, blank lines included."""
    content: bytes
    """Without its end; only the beginning of one that is too long."""
    too_long: bool


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a file: a record that can be sent, or a problem."""

    number: int
    text: str
    """The record as JSON; of a line with a problem what is shown of it, as JSON."""
    names: frozenset[tuple[str, str]] = frozenset()
    """External ids and addresses: lines that share one of them may be about the same record."""
    problem: CrmError | None = None


def count_records(path: Path, tick: Callable[[], None]) -> int:
    """The number of lines with a record; `tick` is called on the way. Raises UnreadableFile."""
    count, objects = 0, 0
    for line in raw_lines(path):
        count += 1
        if count > MAX_RECORDS:
            raise UnreadableFile(f"it has more than {MAX_RECORDS:,} records; divide it")
        if count <= _TRIED and not line.too_long and _object_in(line.content) is not None:
            objects += 1
        if count == _TRIED and not objects:
            break
        if count % _TICK_LINES == 0:
            tick()
    if count and not objects:
        raise UnreadableFile("none of its first lines is a JSON object; it is not JSON Lines")
    return count


def raw_lines(path: Path) -> Iterator[RawLine]:
    """The lines of a file that are not blank. Raises UnreadableFile."""
    with _opened(path) as file:
        number = read = 0
        while content := file.readline(_LONGEST):
            number += 1
            read += len(content)
            too_long = False
            rest = content
            while len(rest) == _LONGEST and not rest.endswith(b"\n"):
                too_long = True
                rest = file.readline(_LONGEST)
                read += len(rest)
            if number > _MAX_LINES:
                raise UnreadableFile(f"it has more than {_MAX_LINES:,} lines, most of them blank")
            if read > MAX_UNPACKED_BYTES:
                raise UnreadableFile(f"it has more than {MAX_UNPACKED_BYTES:,} bytes; divide it")
            if number == 1:
                content = content.removeprefix(_BYTE_ORDER_MARK)
            content = content.strip()
            if content:
                yield RawLine(number, content, too_long or len(content) > MAX_LINE_BYTES)


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """A file, decompressed. Raises UnreadableFile when that fails."""
    with path.open("rb") as plain:
        compressed = plain.read(len(_GZIP)) == _GZIP
        plain.seek(0)
        if not compressed:
            yield plain
            return
        try:
            with gzip.GzipFile(fileobj=plain, mode="rb") as file:
                yield file  # type: ignore[misc]  # a GzipFile reads as an IO[bytes] does
        except (gzip.BadGzipFile, EOFError, zlib.error) as fault:
            raise UnreadableFile("it is damaged: gzip cannot decompress it") from fault


class LineReader:
    """Reads lines as records of one collection; `upload_id` names the file."""

    def __init__(self, upload_id: str, *, by_email: bool) -> None:
        self._upload_id, self._by_email = upload_id, by_email

    def line(self, raw: RawLine) -> Line:
        """A line of the file as a record, or with its problem."""
        if raw.too_long:
            return _wrong(raw, TooLarge(f"A line may have {MAX_LINE_BYTES:,} bytes."))
        try:
            text = raw.content.decode()
        except UnicodeDecodeError:
            return _wrong(raw, Malformed("The line is not UTF-8 text."))
        record = _object_in(raw.content)
        if record is None:
            return _wrong(raw, Malformed("The line is not a JSON object."))
        names = frozenset(self._names(record))
        if names:
            return Line(raw.number, text, names)
        # Without an identity a record would be created again whenever its line is sent again: by
        # another worker, or when the same file is imported once more.
        own_id = f"{self._upload_id}-{raw.number}"
        return Line(raw.number, _with_external_id(text, record, own_id))

    def _names(self, record: dict[str, Any]) -> list[tuple[str, str]]:
        """What identifies a record that is not validated yet, as its batch use case sees it."""
        emails = record.get("emails") if self._by_email else None
        found = emails if isinstance(emails, list) else []
        # No system has an empty name.
        return external_ids_of(record) + [("", str(one).strip().lower()) for one in found]


def _object_in(content: bytes) -> dict[str, Any] | None:
    """The JSON object of a line, or None when it is none."""
    try:
        value = json.loads(content.decode(), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _no_constant(name: str) -> None:
    """Python reads NaN and Infinity, which are not JSON."""
    raise ValueError(name)


def _with_external_id(text: str, record: dict[str, Any], own_id: str) -> str:
    """The record with an external id of this file; as it is when it cannot have one."""
    given = record.get("external_ids", {})
    if given not in ({}, None):  # wrong, and rejected by its context
        return text
    external_ids = {OWN_SYSTEM: own_id}
    try:
        return json.dumps(
            {**record, "external_ids": external_ids}, ensure_ascii=False, allow_nan=False
        )
    except ValueError:  # a number that is too large, and rejected by its context
        return text


def _wrong(raw: RawLine, problem: CrmError) -> Line:
    shown = raw.content.decode(errors="replace")[:_SHOWN_CHARACTERS]
    return Line(raw.number, json.dumps(shown, ensure_ascii=False), problem=problem)
