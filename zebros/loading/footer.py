"""Lines below the rows of a report: its title, a copyright, who exported it."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from zebros.loading.encodings import ERRORS
from zebros.text import count_of

_MOST_BYTES, _MOST_LINES = 8192, 20
_EXCERPT = 50


def read_footer(path: Path, encoding: str, delimiter: str) -> list[str]:
    """The lines at the end that are not rows: below a blank line, each with one value.

    A row that is cut off has one value as well, but no blank line before it; it is rejected.
    """
    with path.open("rb") as file:
        size = file.seek(0, io.SEEK_END)
        start = file.seek(max(0, size - _MOST_BYTES))
        end = file.read().decode(encoding, ERRORS)
    lines = io.StringIO(end, newline="").readlines()[1 if start else 0 :]
    below: list[str] = []
    footer: list[str] = []
    for line in reversed(lines[-_MOST_LINES:]):
        if not line.strip():
            footer = [line, *below]
        elif not _is_one_value(line, delimiter):
            break
        below.insert(0, line)
    return footer


def _is_one_value(line: str, delimiter: str) -> bool:
    if line.count('"') % 2:  # it may be the end of a value with line breaks
        return False
    try:
        values = next(csv.reader([line], delimiter=delimiter, strict=True))
    except csv.Error:
        return False
    return len(values) == 1


def footer_notes(footer: list[str]) -> Iterator[str]:
    """What the user is shown about the lines that are not rows."""
    texts = [text for line in footer if (text := line.strip().strip('"'))]
    if texts:
        count = count_of(len(texts), "line", "lines")
        verb = "is no row" if len(texts) == 1 else "are not rows"
        shown = ", ".join(repr(text[:_EXCERPT]) for text in texts)
        yield f"{count} at the end {verb}, and not loaded: {shown}."
