"""Reading the rows of a CSV file one by one; the file is never in memory as a whole.

A row that cannot be read becomes a `BadRow`, and reading continues with the next line.
"""

import csv
import re
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple, TextIO

from zebros.loading.csv_files import CsvFile
from zebros.loading.encodings import BROKEN, ERRORS, REPLACED
from zebros.loading.rejects_file import is_rejects_file

_BLOCK = 1 << 14
"""Characters that are read at once; about 200 rows."""
_C1 = re.compile("[\x80-\x9f]")
"""Control characters: what bytes of a Windows encoding are in an ISO encoding."""


@dataclass(slots=True)  # a named tuple takes twice as long to make
class Row:
    """One row; `number` is its row number in a spreadsheet (the header is row 1)."""

    number: int
    values: list[str]


class BadRow(NamedTuple):
    """One row that is rejected, and why."""

    number: int
    raw: list[str]
    """Its values; a line that cannot be split into values is one value."""
    reason: str


class _Rows(NamedTuple):
    """Rows that were split into values, in order."""

    rows: list[list[str]]
    clean: bool
    """Whether none has a NUL, a broken byte or a suspicious character."""


class _Unreadable(NamedTuple):
    """A row that cannot be split into values."""

    line: str
    reason: str


def rows(file: CsvFile, filter_: Callable[[int], bool] | None = None) -> Iterator[Row | BadRow]:
    """Every row that is not blank, in order; only those whose number passes `filter_`."""
    width = len(file.header)
    number = 1
    for part in _parts(file):
        if isinstance(part, _Unreadable):
            number += 1
            if filter_ is None or filter_(number):
                yield BadRow(number, [_printable(part.line)], part.reason)
            continue
        for raw in part.rows:
            number += 1
            if len(raw) > width and not any(map(str.strip, raw[width:])):
                del raw[width:]  # programs add empty values at the end of some rows
            # Most rows begin with a value, which is faster to see than that not all are empty.
            if not (raw and raw[0].strip()) and not any(map(str.strip, raw)):
                continue
            if filter_ is not None and not filter_(number):
                continue
            if len(raw) == width and (part.clean or _is_clean("".join(raw), file)):
                yield Row(number, raw)
            else:
                yield _checked(number, raw, file)


def _parts(file: CsvFile) -> Iterator[_Rows | _Unreadable]:
    """The rows after the header, a block at a time; one by one around a row that is unreadable."""
    with file.path.open(encoding=file.encoding, errors=ERRORS, newline="") as content:
        for _ in range(file.skipped_lines):
            content.readline()
        lines = _Lines(content, before=file.skipped_lines, last=file.last_line)
        reader = csv.reader(lines, delimiter=file.delimiter, strict=True)
        next(reader)
        while block := lines.read_block():
            found, whole = _whole_rows(block, file.delimiter)
            yield _Rows(found, clean=_is_clean("".join(block), file))
            lines.read_again(block[whole:])
            while lines.again:
                lines.start_row()
                try:
                    yield _Rows([next(reader)], clean=False)
                except csv.Error as error:
                    last = lines.number
                    line = lines.skip_first_line()
                    yield _Unreadable(line, _syntax_error(error, lines.number, last))


def _whole_rows(lines: list[str], delimiter: str) -> tuple[list[list[str]], int]:
    """The rows before the first that is unreadable or incomplete, and the number of their lines."""
    try:
        return list(csv.reader(lines, delimiter=delimiter, strict=True)), len(lines)
    except csv.Error:
        found, whole = list[list[str]](), 0
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
        with suppress(csv.Error):
            for raw in reader:
                found.append(raw)
                whole = reader.line_num
        return found, whole


def _is_clean(text: str, file: CsvFile) -> bool:
    """Whether a text has no character that a row of this file cannot have."""
    if "\0" in text or BROKEN in text:
        return False
    suspicious = _suspicion(file)
    return suspicious is None or not suspicious.search(text)


class _Lines:
    """The lines of a file; those of an unreadable row can be read again, without its first one.

    They are kept in memory for one row. csv.field_size_limit() limits their number.
    """

    def __init__(self, content: TextIO, before: int, last: int | None) -> None:
        """`before` is the number of lines that were skipped; lines after `last` are not rows."""
        self._content, self._last = content, last
        self._row: list[str] = []
        self.again = deque[str]()
        """Lines that are read before the others of the file."""
        self.number = before
        """The number of the line read last; the first line of a file is 1."""

    def read_block(self) -> list[str]:
        """Some lines; none at the end of the file."""
        block = self._content.readlines(_BLOCK)
        if self._last is not None:
            del block[max(0, self._last - self.number) :]
        self.number += len(block)
        return block

    def read_again(self, lines: list[str]) -> None:
        """Read the lines that were read last again."""
        self.again.extendleft(reversed(lines))
        self.number -= len(lines)

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        if self._last is not None and self.number >= self._last:
            raise StopIteration
        line = self.again.popleft() if self.again else next(self._content)
        self._row.append(line)
        self.number += 1
        return line

    def start_row(self) -> None:
        """Forget the lines of the row before."""
        self._row.clear()

    def skip_first_line(self) -> str:
        """The row's first line; its other lines are read again."""
        first, *others = self._row
        self.read_again(others)
        return first.rstrip("\r\n")


def _suspicion(file: CsvFile) -> re.Pattern[str] | None:
    """The characters that show that text was read wrongly, here or by another program."""
    if is_rejects_file(file.header):  # in which U+FFFD stands for broken bytes
        return re.compile(REPLACED)
    return _C1 if file.encoding.startswith("iso8859") else None


def _printable(text: str) -> str:
    """A text as the rejects file can contain it."""
    return text.replace("\0", "").replace(BROKEN, REPLACED)


def _checked(number: int, raw: list[str], file: CsvFile) -> BadRow:
    """Why a row is rejected that is not as wide as the header, or has wrong characters."""
    width, clean = len(file.header), [_printable(value) for value in raw]
    if len(raw) != width:
        values = f"{len(raw)} value{'s' * (len(raw) != 1)}"
        return BadRow(number, clean, f"it has {values}, the header has {width}")
    for name, value, shown in zip(file.header, raw, clean, strict=True):
        where = f"{name}: " if name else ""
        if BROKEN in value:
            codec = "UTF-8" if file.encoding == "utf-8-sig" else file.encoding
            excerpt = _around(shown, REPLACED)
            return BadRow(number, clean, f"{where}it has a byte that is not {codec}: {excerpt}")
        if "\0" in value:
            return BadRow(number, clean, f"{where}it has a NUL byte: damaged text")
        if _C1.search(value) and file.encoding.startswith("iso8859"):
            reason = f"it has a control character: is it {file.encoding}, or a Windows encoding?"
            return BadRow(number, clean, where + reason)
    damaged = next(value for value in clean if REPLACED in value)
    reason = f"it has U+FFFD in place of a broken byte: {_around(damaged, REPLACED)}"
    return BadRow(number, clean, reason)


def _around(text: str, part: str) -> str:
    """A few characters of a text around a part of it."""
    at = text.index(part)
    first, last = max(0, at - 8), at + 8
    return f"'{'…' * (first > 0)}{text[first:last]}{'…' * (last < len(text))}'"


def _syntax_error(error: csv.Error, first: int, last: int) -> str:
    """Why the row that begins in line `first` was rejected, when line `last` had been read."""
    message = str(error)
    limit = f"longer than {csv.field_size_limit():,} characters"
    if "field larger than" in message and last == first:
        return f"a value in line {first} is {limit}"
    if "field larger than" in message or "unexpected end of data" in message:
        alternative = f", or its value is {limit}" if "field larger than" in message else ""
        return (
            f"a quote opened in line {first} is never closed{alternative}; "
            "the lines after it were read as rows"
        )
    if "expected after" in message and last > first:
        return (
            f"a quote opened in line {first} is not closed before another one in line {last}; "
            "within quotes it must be doubled"
        )
    if "expected after" in message:
        return f"a quote is inside a value in line {first}; within quotes it must be doubled"
    return f"line {first} cannot be read: {message}"
