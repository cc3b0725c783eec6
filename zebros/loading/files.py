"""Reading delimited text as people really export it: any encoding, any delimiter, row by row.

A file is looked through once as bytes (`inspect`), then read as rows (`rows`); it is never in
memory as a whole. What is wrong with the file raises BadInput; what is wrong with one row becomes a
`BadRow`, and reading goes on at the next line.
"""

import codecs
import csv
import hashlib
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from zebros.errors import BadInput
from zebros.loading.lines import Lines
from zebros.loading.rejects import names_as_they_were

_BLOCK = 1 << 20
_MAGIC = {
    b"PK\x03\x04": "an Excel workbook or a ZIP archive",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"\x1f\x8b": "compressed with gzip",
    b"%PDF": "a PDF",
    b"PAR1": "a Parquet file",
}
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
_C1 = bytes(range(0x80, 0xA0))
_SAMPLE_ROWS = 50
_SAMPLE_CHARS = 1 << 18
UNDEFINED = "\ufffd"


@dataclass(frozen=True, slots=True)
class Shape:
    """What a file is, found out without being told."""

    path: Path
    size: int
    sha256: str
    lines: int
    encoding: str
    """A codec's name."""
    encoding_note: str
    """The encoding for people, with the reason when it was guessed."""
    delimiter: str
    header: tuple[str, ...]
    skipped_lines: int = 0
    """1 when the file begins with Excel's `sep=;` line."""

    @property
    def rows_at_most(self) -> int:
        """How many rows there can be; fewer where values have line breaks or lines are blank."""
        return max(0, self.lines - self.skipped_lines - 1)

    @property
    def description(self) -> str:
        """How the file is read: `UTF-8, values separated by commas`."""
        return f"{self.encoding_note}, values separated by {_DELIMITERS[self.delimiter]}"


class Row(NamedTuple):
    """One row; `number` is what a spreadsheet shows beside it (the header is row 1)."""

    number: int
    values: list[str]


class BadRow(NamedTuple):
    """One row that cannot be read, and why."""

    number: int
    raw: list[str]
    """Its values; the line as it stands in the file when it cannot be told into values."""
    reason: str


@dataclass(slots=True)
class _Bytes:
    size: int
    sha256: str
    lines: int
    first_high: tuple[int, int] | None
    """(line, byte) of the first byte that makes the file invalid UTF-8."""
    c1: bool
    """Whether a byte lies in 0x80-0x9F: controls in Latin-1, quotes and dashes in Windows-1252."""


def inspect(path: Path) -> Shape:
    """Look through a whole file once. Raises BadInput when it is no text with a header."""
    head = _head(path)
    found = _look_through(path, utf16=head.startswith(_UTF16))
    encoding, note = _encoding(head, found)
    skipped, delimiter, header = _header(path, encoding)
    return Shape(
        path=path,
        size=found.size,
        sha256=found.sha256,
        lines=found.lines,
        encoding=encoding,
        encoding_note=note,
        delimiter=delimiter,
        header=header,
        skipped_lines=skipped,
    )


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            head = file.read(4096)
    except FileNotFoundError:
        raise BadInput(f"There is no file {path}.", hint=_neighbours(path)) from None
    except OSError as fault:
        raise BadInput(f"{path} cannot be read: {fault.strerror or fault}.") from fault
    if not head:
        raise BadInput(
            f"{path} is empty (0 bytes).",
            hint="Export it again; a header row is the least it needs.",
        )
    for magic, what in _MAGIC.items():
        if head.startswith(magic):
            raise BadInput(f"{path} is {what}, not CSV.", hint="Save or export it as CSV text.")
    if not head.startswith(_UTF16) and b"\0" in head.split(b"\n", 1)[0]:
        raise BadInput(
            f"{path} has NUL bytes in its header: it is not text, or UTF-16 without its mark.",
            hint="Export it as CSV in UTF-8.",
        )
    return head


def _neighbours(path: Path) -> str:
    folder = path.parent
    if not folder.is_dir():
        return f"There is no folder {folder} either."
    there = sorted(one.name for one in islice(folder.glob("*.csv"), 6))
    return f"In {folder} there are: {', '.join(there)}." if there else ""


def _look_through(path: Path, *, utf16: bool) -> _Bytes:
    digest, size, lines, c1 = hashlib.sha256(), 0, 0, False
    first_high: tuple[int, int] | None = None
    decoder = codecs.getincrementaldecoder("utf-8")()
    last = b""
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            size += len(block)
            if first_high is None and not utf16:
                try:
                    decoder.decode(block)
                except UnicodeDecodeError as fault:
                    at = min(fault.start, len(fault.object) - 1)
                    first_high = (lines + _line_ends(fault.object[:at]) + 1, fault.object[at])
            if first_high is not None and not c1:
                c1 = len(block.translate(None, delete=_C1)) < len(block)
            lines += _line_ends(block, utf16=utf16)
            if last.endswith(b"\r") and block.startswith(b"\n"):
                lines -= 1  # one end, counted with both blocks
            last = block
    if first_high is None and not utf16:
        try:
            decoder.decode(b"", final=True)
        except UnicodeDecodeError as fault:
            first_high = (lines + 1, fault.object[fault.start])
    if not last.endswith((b"\n", b"\r", b"\n\0", b"\r\0")):  # the last two: UTF-16
        lines += 1
    return _Bytes(size, digest.hexdigest(), lines, first_high, c1)


def _line_ends(block: bytes, *, utf16: bool = False) -> int:
    """How many lines end in a block: by a line feed, a carriage return or both."""
    feeds, returns = block.count(b"\n"), block.count(b"\r")
    if utf16:  # zeros stand between them; a file has one kind of end
        return max(feeds, returns)
    return feeds + (returns - block.count(b"\r\n") if returns else 0)


def _encoding(head: bytes, found: _Bytes) -> tuple[str, str]:
    if head.startswith(_UTF16):
        return "utf-16", "UTF-16"
    if found.first_high is None:
        marked = head.startswith(codecs.BOM_UTF8)
        return "utf-8-sig", "UTF-8 with a byte order mark" if marked else "UTF-8"
    line, byte = found.first_high
    why = f"byte 0x{byte:02X} in line {line} is not UTF-8"
    if found.c1:
        return "cp1252", f"Windows-1252 ({why})"
    return "latin-1", f"Latin-1 ({why})"


def _header(path: Path, encoding: str) -> tuple[int, str, tuple[str, ...]]:
    """How many lines to skip, the delimiter, and the header's names."""
    with path.open(encoding=encoding, errors="replace", newline="") as file:
        sample = file.read(_SAMPLE_CHARS)
    skipped = 0
    first, _, rest = sample.partition("\n")
    if first.strip().lower().startswith("sep=") and len(first.strip()) == 5:
        skipped, sample = 1, rest
    delimiter = _delimiter(sample)
    try:
        reader = csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter, strict=True)
        header = next(reader, [])
    except csv.Error as fault:
        raise BadInput(f"The header of {path} cannot be read: {fault}.") from fault
    names = names_as_they_were([name.strip() for name in header])
    if not any(names):
        raise BadInput(
            f"{path} begins with an empty line.", hint="Its first row must be the header."
        )
    doubles = sorted({name for name in names if name and names.count(name) > 1})
    if doubles:
        raise BadInput(
            f"{path} names the column {', '.join(doubles)} twice.", hint="Rename one of them."
        )
    return skipped, delimiter, names


def _delimiter(sample: str) -> str:
    """The delimiter that gives the most columns, most evenly; a comma when nothing does."""

    def score(delimiter: str) -> tuple[float, int]:
        reader = csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter)
        try:
            widths = [len(row) for row in islice(reader, _SAMPLE_ROWS) if row]
        except csv.Error:
            return (0.0, 0)
        if not widths or widths[0] < 2:
            return (0.0, 0)
        even = sum(width == widths[0] for width in widths) / len(widths)
        return (even, widths[0])

    best = max(_DELIMITERS, key=score)
    return best if score(best) > (0.0, 0) else ","


def rows(shape: Shape, wanted: Callable[[int], bool] = lambda _: True) -> Iterator[Row | BadRow]:
    """Every row that is not blank, in order; those not `wanted` (by number) are passed over."""
    width = len(shape.header)
    # What Windows-1252 leaves undefined becomes U+FFFD, which the row is then rejected for.
    with shape.path.open(encoding=shape.encoding, errors="replace", newline="") as file:
        for _ in range(shape.skipped_lines):
            file.readline()
        lines = Lines(file, before=shape.skipped_lines)
        reader = csv.reader(lines, delimiter=shape.delimiter, strict=True)
        next(reader)
        number = 1
        while True:
            number += 1
            lines.begin_row()
            try:
                raw = next(reader)
            except StopIteration:
                return
            except csv.Error as fault:
                last = lines.last
                line = lines.give_up_row()
                if wanted(number):
                    reason = _unreadable(fault, lines.last, last)
                    yield BadRow(number, [line.replace("\0", "")], reason)
                continue
            # One look at the whole row tells what hardly any row has: nothing, NULs, bad bytes.
            text = "".join(raw)
            if not text or text.isspace() or not wanted(number):
                continue
            if len(raw) == width and "\0" not in text and UNDEFINED not in text:
                yield Row(number, raw)
            else:
                yield _doubtful(number, raw, shape)


def _doubtful(number: int, raw: list[str], shape: Shape) -> Row | BadRow:
    """A row with something wrong with it, unless U+FFFD is what its author wrote."""
    width = len(shape.header)
    if len(raw) != width:
        return BadRow(
            number,
            raw,
            f"it has {len(raw)} value{'s' * (len(raw) != 1)}, the header names {width}",
        )
    if any("\0" in value for value in raw):
        return BadRow(
            number, [value.replace("\0", "") for value in raw], "it has a NUL byte: damaged text"
        )
    if shape.encoding != "utf-8-sig" and any(UNDEFINED in value for value in raw):
        return BadRow(number, raw, "it has a byte that its encoding does not define")
    return Row(number, raw)


def _unreadable(fault: csv.Error, first: int, last: int) -> str:
    """Why a row's first line was given up, after the reader had gone on to the `last`."""
    said = str(fault)
    longer = f"longer than {csv.field_size_limit():,} characters"
    if "field larger than" in said and last == first:
        return f"a value in line {first} is {longer}"
    if "field larger than" in said or "unexpected end of data" in said:
        either = f", or its value is {longer}" if "field larger than" in said else ""
        return (
            f"a quote opened in line {first} is never closed{either}; "
            "what is behind it was read anew"
        )
    if "expected after" in said and last > first:
        return (
            f"a quote opened in line {first} is not closed before another one in line {last}; "
            "within quotes it must be doubled"
        )
    if "expected after" in said:
        return f"a quote stands inside a value in line {first}; within quotes it must be doubled"
    return f"line {first} cannot be read: {said}"
