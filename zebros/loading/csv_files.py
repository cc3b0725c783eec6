"""Detects encoding, delimiter and header of a CSV file, by reading it once as bytes."""

import codecs
import csv
import hashlib
import io
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from zebros.errors import BadInput
from zebros.loading.rejects_file import unescape_header

_BLOCK = 1 << 20
_MAGIC = {
    b"PK\x03\x04": "an Excel workbook or a ZIP archive",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"\x1f\x8b": "compressed with gzip",
    b"%PDF": "a PDF",
    b"PAR1": "a Parquet file",
}
_UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
_C1 = bytes(range(0x80, 0xA0))
"""Control characters in Latin-1; quotes and dashes in Windows-1252."""
_SAMPLE_ROWS = 50
_SAMPLE_CHARS = 1 << 18


@dataclass(frozen=True, slots=True)
class CsvFile:
    """A CSV file and its detected properties."""

    path: Path
    size: int
    sha256: str
    lines: int
    encoding: str
    """The name of a codec."""
    encoding_note: str
    """The encoding for people, with the reason when it is not UTF-8."""
    delimiter: str
    header: tuple[str, ...]
    skipped_lines: int = 0
    """1 when the file begins with Excel's `sep=;` line."""

    @property
    def max_rows(self) -> int:
        """The maximum number of rows; fewer if values contain line breaks or lines are blank."""
        return max(0, self.lines - self.skipped_lines - 1)

    @property
    def description(self) -> str:
        """How the file is read: `UTF-8, values separated by commas`."""
        return f"{self.encoding_note}, values separated by {_DELIMITERS[self.delimiter]}"


def inspect(path: Path) -> CsvFile:
    """Read a file once as bytes. Raises BadInput unless it is text with a header."""
    head = _head(path)
    scan = _Scan.of(path, utf16=head.startswith(_UTF16_MARKS))
    encoding, note = _encoding(head, scan)
    skipped, delimiter, header = _header(path, encoding)
    return CsvFile(
        path=path,
        size=scan.size,
        sha256=scan.digest.hexdigest(),
        lines=scan.lines,
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
        raise BadInput(f"There is no file {path}.", hint=_files_beside(path)) from None
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror or error}.") from error
    if not head:
        raise BadInput(
            f"{path} is empty (0 bytes).", hint="Export it again, with a header row at least."
        )
    for magic, description in _MAGIC.items():
        if head.startswith(magic):
            raise BadInput(
                f"{path} is {description}, not CSV.", hint="Save or export it as CSV text."
            )
    if not head.startswith(_UTF16_MARKS) and b"\0" in head.split(b"\n", 1)[0]:
        raise BadInput(
            f"{path} has NUL bytes in its header: it is not text, or UTF-16 without its mark.",
            hint="Export it as CSV in UTF-8.",
        )
    return head


def _files_beside(path: Path) -> str:
    folder = path.parent
    if not folder.is_dir():
        return f"There is no folder {folder} either."
    names = sorted(one.name for one in islice(folder.glob("*.csv"), 6))
    return f"In {folder} there are: {', '.join(names)}." if names else ""


@dataclass(slots=True)
class _Scan:
    """The result of reading the bytes of a file."""

    utf16: bool
    digest: Any = field(default_factory=hashlib.sha256)
    size: int = 0
    lines: int = 0
    invalid_utf8: tuple[int, int] | None = None
    """(line, byte) of the first byte that is not UTF-8."""
    has_c1: bool = False
    """Whether a byte is in 0x80-0x9F."""

    @classmethod
    def of(cls, path: Path, *, utf16: bool) -> "_Scan":
        """Scan a file block by block."""
        scan, last = cls(utf16), b""
        decoder = codecs.getincrementaldecoder("utf-8")()
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                scan.digest.update(block)
                scan.size += len(block)
                scan._check_encoding(decoder, block)
                scan.lines += _line_ends(block, utf16=utf16)
                if last.endswith(b"\r") and block.startswith(b"\n"):
                    scan.lines -= 1  # one line end, counted in both blocks
                last = block
        scan._check_encoding(decoder, b"", final=True)
        if not last.endswith((b"\n", b"\r", b"\n\0", b"\r\0")):  # the last two: UTF-16
            scan.lines += 1
        return scan

    def _check_encoding(
        self, decoder: codecs.IncrementalDecoder, block: bytes, *, final: bool = False
    ) -> None:
        if self.utf16:
            return
        if self.invalid_utf8 is None:
            try:
                decoder.decode(block, final)
            except UnicodeDecodeError as error:
                at = min(error.start, len(error.object) - 1)
                line = self.lines + _line_ends(error.object[:at]) + 1
                self.invalid_utf8 = (line, error.object[at])
        if self.invalid_utf8 is not None and not self.has_c1:
            self.has_c1 = len(block.translate(None, delete=_C1)) < len(block)


def _line_ends(block: bytes, *, utf16: bool = False) -> int:
    """How many lines end in a block: by a line feed, a carriage return or both."""
    feeds, returns = block.count(b"\n"), block.count(b"\r")
    if utf16:  # there are zero bytes between them; a file has one kind of line end
        return max(feeds, returns)
    return feeds + (returns - block.count(b"\r\n") if returns else 0)


def _encoding(head: bytes, scan: _Scan) -> tuple[str, str]:
    """The codec and its description."""
    if head.startswith(_UTF16_MARKS):
        return "utf-16", "UTF-16"
    if scan.invalid_utf8 is None:
        marked = head.startswith(codecs.BOM_UTF8)
        return "utf-8-sig", "UTF-8 with a byte order mark" if marked else "UTF-8"
    line, byte = scan.invalid_utf8
    reason = f"byte 0x{byte:02X} in line {line} is not UTF-8"
    if scan.has_c1:
        return "cp1252", f"Windows-1252 ({reason})"
    return "latin-1", f"Latin-1 ({reason})"


def _header(path: Path, encoding: str) -> tuple[int, str, tuple[str, ...]]:
    """The lines to skip, the delimiter, and the column names."""
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
    except csv.Error as error:
        raise BadInput(f"The header of {path} cannot be read: {error}.") from error
    names = unescape_header([name.strip() for name in header])
    if not any(names):
        raise BadInput(
            f"{path} begins with an empty line.", hint="Its first row must be the header."
        )
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        raise BadInput(
            f"{path} names the column {', '.join(twice)} twice.", hint="Rename one of them."
        )
    return skipped, delimiter, names


def _delimiter(sample: str) -> str:
    """The delimiter that gives the most regular rows with the most columns; else a comma."""

    def score(delimiter: str) -> tuple[float, int]:
        reader = csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter)
        try:
            widths = [len(row) for row in islice(reader, _SAMPLE_ROWS) if row]
        except csv.Error:
            return (0.0, 0)
        if not widths or widths[0] < 2:
            return (0.0, 0)
        return (widths.count(widths[0]) / len(widths), widths[0])

    best = max(_DELIMITERS, key=score)
    return best if score(best) > (0.0, 0) else ","
