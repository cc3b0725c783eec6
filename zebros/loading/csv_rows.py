"""Reading the rows of a CSV file one by one; the file is never in memory as a whole.

A row that cannot be read becomes a `BadRow`, and reading continues with the next line.
"""

import csv
from collections import deque
from collections.abc import Callable, Iterator
from typing import NamedTuple

from zebros.loading.csv_files import CsvFile

UNDEFINED = "\ufffd"
"""The replacement for bytes that the encoding does not define."""


class Row(NamedTuple):
    """One row; `number` is its row number in a spreadsheet (the header is row 1)."""

    number: int
    values: list[str]


class BadRow(NamedTuple):
    """One row that is rejected, and why."""

    number: int
    raw: list[str]
    """Its values; a line that cannot be split into values is one value."""
    reason: str


def rows(file: CsvFile, filter_: Callable[[int], bool] = lambda _: True) -> Iterator[Row | BadRow]:
    """Every row that is not blank, in order; only those whose number passes `filter_`."""
    width = len(file.header)
    # Bytes that Windows-1252 does not define become U+FFFD, and the row is rejected.
    with file.path.open(encoding=file.encoding, errors="replace", newline="") as content:
        for _ in range(file.skipped_lines):
            content.readline()
        lines = _Lines(content, before=file.skipped_lines)
        reader = csv.reader(lines, delimiter=file.delimiter, strict=True)
        next(reader)
        number = 1
        while True:
            number += 1
            lines.start_row()
            try:
                raw = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                last = lines.number
                line = lines.skip_first_line()
                if filter_(number):
                    reason = _syntax_error(error, lines.number, last)
                    yield BadRow(number, [line.replace("\0", "")], reason)
                continue
            # One check of the whole row finds the few that are blank or contain NULs or bad bytes.
            text = "".join(raw)
            if not text or text.isspace() or not filter_(number):
                continue
            if len(raw) == width and "\0" not in text and UNDEFINED not in text:
                yield Row(number, raw)
            else:
                yield _checked(number, raw, file)


class _Lines:
    """The lines of a file; those of an unreadable row can be read again, without its first one.

    They are kept in memory for one row. csv.field_size_limit() limits their number.
    """

    def __init__(self, lines: Iterator[str], before: int) -> None:
        """`before` is the number of lines that were skipped."""
        self._lines, self._again = lines, deque[str]()
        self._row: list[str] = []
        self.number = before
        """The number of the line read last; the first line of a file is 1."""

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._lines)
        self._row.append(line)
        self.number += 1
        return line

    def start_row(self) -> None:
        """Forget the lines of the row before."""
        self._row.clear()

    def skip_first_line(self) -> str:
        """The row's first line; its other lines are read again."""
        first, *others = self._row
        self._again.extendleft(reversed(others))
        self.number -= len(others)
        return first.rstrip("\r\n")


def _checked(number: int, raw: list[str], file: CsvFile) -> Row | BadRow:
    """Check a suspicious row; in a UTF-8 file U+FFFD may be part of the text."""
    width = len(file.header)
    if len(raw) != width:
        values = f"{len(raw)} value{'s' * (len(raw) != 1)}"
        return BadRow(number, raw, f"it has {values}, the header has {width}")
    if any("\0" in value for value in raw):
        without = [value.replace("\0", "") for value in raw]
        return BadRow(number, without, "it has a NUL byte: damaged text")
    if file.encoding != "utf-8-sig" and any(UNDEFINED in value for value in raw):
        return BadRow(number, raw, "it has a byte that its encoding does not define")
    return Row(number, raw)


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
