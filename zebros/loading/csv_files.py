"""Detects delimiter and header of a CSV file, and reads its bytes once (see encodings.py)."""

import codecs
import csv
import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from zebros.errors import BadInput
from zebros.loading.encodings import BROKEN, ERRORS, Bytes, choose, mark_of
from zebros.loading.footer import footer_notes, read_footer
from zebros.loading.rejects_file import unescape_header
from zebros.text import count_of

_BLOCK = 1 << 20
_REPLACED = "\ufffd".encode()
_TWICE = (b"\xc3\x83\xc2", "\u00e2\u20ac".encode())
"""How characters and quotes begin whose UTF-8 was read as Windows-1252, and written again."""
_MAGIC = {
    b"PK\x03\x04": "an Excel workbook or a ZIP archive",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"\x1f\x8b": "compressed with gzip",
    b"%PDF": "a PDF",
    b"PAR1": "a Parquet file",
}
_TEXT_STARTS = {
    b"<!doctype": "an HTML page, as some programs write under the name of a spreadsheet",
    b"<html": "an HTML page, as some programs write under the name of a spreadsheet",
    b"<table": "an HTML page, as some programs write under the name of a spreadsheet",
    b"<?xml": "XML",
    b"begin:vcard": "a file of vCards",
    b"[{": "JSON",
    b'{"': "JSON",
}
"""The beginnings of other files of text, in lower case."""
_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
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
    """The encoding for people."""
    delimiter: str
    header: tuple[str, ...]
    skipped_lines: int = 0
    """1 when the file begins with Excel's `sep=;` line."""
    notes: tuple[str, ...] = ()
    """What another program has damaged, which is loaded as it is, and lines that are not rows."""
    footer_lines: int = 0
    """How many lines at the end are not rows."""

    @property
    def last_line(self) -> int | None:
        """The number of the line after which none is a row; None when there is no such line."""
        return self.lines - self.footer_lines if self.footer_lines else None

    @property
    def max_rows(self) -> int:
        """The maximum number of rows; fewer if values contain line breaks or lines are blank."""
        return max(0, self.lines - self.footer_lines - self.skipped_lines - 1)

    @property
    def description(self) -> str:
        """How the file is read: `UTF-8, values separated by commas`."""
        return f"{self.encoding_note}, values separated by {_DELIMITERS[self.delimiter]}"


def inspect(path: Path, encoding: str | None = None) -> CsvFile:
    """Read a file once as bytes; `encoding` is the one that somebody chose.

    Raises BadInput unless it is text with a header, EncodingUncertain when nobody chose an encoding
    and it is not certain.
    """
    head = _head(path)
    mark = mark_of(head)
    wide = mark in ("utf-16", "utf-32") or b"\0" in head
    scan = _Scan.of(path, wide=wide)
    content = Bytes(path, head, scan.is_utf8, scan.is_ascii, scan.has_escape)
    chosen = choose(content, encoding)
    skipped, delimiter, header = _header(path, chosen.codec)
    # In wide encodings, the number of lines is an estimate.
    footer = [] if wide or len(header) < 2 else read_footer(path, chosen.codec, delimiter)
    return CsvFile(
        path=path,
        size=scan.size,
        sha256=scan.digest.hexdigest(),
        lines=scan.lines,
        encoding=chosen.codec,
        encoding_note=chosen.note,
        delimiter=delimiter,
        header=header,
        skipped_lines=skipped,
        notes=(*scan.notes(), *footer_notes(footer)),
        footer_lines=len(footer),
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
    text = head.removeprefix(codecs.BOM_UTF8).lstrip().lower()
    for magic, description in (_MAGIC | _TEXT_STARTS).items():
        if head.startswith(magic) or (magic in _TEXT_STARTS and text.startswith(magic)):
            raise BadInput(
                f"{path} is {description}, not CSV.", hint="Save or export it as CSV text."
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

    digest: Any = field(default_factory=hashlib.sha256)
    size: int = 0
    lines: int = 0
    is_utf8: bool = True
    is_ascii: bool = True
    has_escape: bool = False
    replaced: int = 0
    encoded_twice: int = 0

    @classmethod
    def of(cls, path: Path, *, wide: bool) -> "_Scan":
        """Scan a file block by block; `wide` is UTF-16 or UTF-32."""
        scan, last = cls(), b""
        decoder = codecs.getincrementaldecoder("utf-8")()
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                scan.digest.update(block)
                scan.size += len(block)
                scan._check_encoding(decoder, block)
                scan.lines += _line_ends(block, wide=wide)
                if last.endswith(b"\r") and block.startswith(b"\n"):
                    scan.lines -= 1  # one line end, counted in both blocks
                last = block
        scan._check_encoding(decoder, b"", final=True)
        if not last.rstrip(b"\0" if wide else b"").endswith((b"\n", b"\r")):
            scan.lines += 1
        return scan

    def _check_encoding(
        self, decoder: codecs.IncrementalDecoder, block: bytes, *, final: bool = False
    ) -> None:
        self.has_escape = self.has_escape or b"\x1b" in block
        if block.isascii() and not decoder.getstate()[0]:
            return
        self.is_ascii = False
        self.replaced += block.count(_REPLACED)
        self.encoded_twice += sum(map(block.count, _TWICE))
        if self.is_utf8:
            try:
                decoder.decode(block, final)
            except UnicodeDecodeError:
                self.is_utf8 = False

    def notes(self) -> Iterator[str]:
        """What was damaged before, of a file of UTF-8."""
        if self.replaced and self.is_utf8:
            places = count_of(self.replaced, "place", "places")
            yield (
                f"U+FFFD stands in {places} for a character that another program could not read; "
                "it is loaded as it is. Export the file again, as UTF-8."
            )
        if self.encoded_twice and self.is_utf8:
            places = count_of(self.encoded_twice, "place", "places")
            yield (
                f"In {places} the text looks as if UTF-8 had been read as another encoding "
                "('Ã©' for 'é'); it is loaded as it is. Export the file again, as UTF-8."
            )


def _line_ends(block: bytes, *, wide: bool = False) -> int:
    """How many lines end in a block: by a line feed, a carriage return or both."""
    feeds, returns = block.count(b"\n"), block.count(b"\r")
    if wide:  # there are zero bytes between them; a file has one kind of line end
        return max(feeds, returns)
    return feeds + (returns - block.count(b"\r\n") if returns else 0)


def _header(path: Path, encoding: str) -> tuple[int, str, tuple[str, ...]]:
    """The lines to skip, the delimiter, and the column names."""
    with path.open(encoding=encoding, errors=ERRORS, newline="") as file:
        sample = file.read(_SAMPLE_CHARS)
    skipped = 0
    first, _, rest = sample.partition("\n")
    separator = first.rstrip("\r").lower()
    if separator.startswith("sep=") and len(separator) == 5:
        skipped, sample = 1, rest
    delimiter = _delimiter(sample)
    try:
        reader = csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter, strict=True)
        header = next(reader, [])
    except csv.Error as error:
        raise BadInput(f"The header of {path} cannot be read: {error}.") from error
    broken = next((name for name in header if BROKEN in name or "\0" in name), None)
    if broken is not None:
        shown = broken.replace(BROKEN, "\ufffd")
        raise BadInput(
            f"The header of {path} has bytes that are not {encoding.removesuffix('-sig')}, in "
            f"{shown!r}.",
            hint="Correct it, or choose another encoding with --encoding.",
        )
    names = unescape_header([name.strip("\ufeff \t\r\n\u00a0") for name in header])
    if not any(names):
        raise BadInput(
            f"{path} begins with an empty line.", hint="Its first row must be the header."
        )
    _check_title(path, sample, names)
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        raise BadInput(
            f"{path} names the column {', '.join(twice)} twice.", hint="Rename one of them."
        )
    return skipped, delimiter, names


def _check_title(path: Path, sample: str, names: tuple[str, ...]) -> None:
    """Raise BadInput when a title or a note stands where the header belongs."""
    if sum(map(bool, names)) != 1 or len(names) == 2:
        return  # two columns, one of which has no name, can be loaded
    for delimiter in _DELIMITERS:
        found = []
        try:
            reader = csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter)
            for row in islice(reader, _SAMPLE_ROWS):
                found.append(sum(not text.isspace() for text in row if text))
        except csv.Error:
            continue
        data = [count for count in found[1:] if count]
        if found[0] == 1 and 2 * sum(count > 1 for count in data) > len(data):
            row_ = 1 + next(n for n, count in enumerate(found) if count > 1)
            title = next(filter(None, names))
            raise BadInput(
                f"{path} begins with {title[:40]!r}, and its rows have more values.",
                hint=f"Its first row must be the header. Is it row {row_}? Remove those before it.",
            )


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
