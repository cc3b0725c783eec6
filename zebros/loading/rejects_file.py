"""The rejects file: the rejected rows unchanged, each with its row number and the reason.

It can be corrected and loaded as it is: its first two columns are ignored, and cells that were
escaped for spreadsheets are unescaped.
"""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from zebros.errors import BadInput
from zebros.loading.journal import Reject

REJECT_COLUMNS = ("_row", "_reason")
"""The first columns of a rejects file; ignored when it is loaded."""
_OTHER_FILE = "Name another file: `--rejects FILE`."
_FORMULA_START = frozenset("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
"""First characters that make a spreadsheet evaluate a cell, with their full-width forms
(https://owasp.org/www-community/attacks/CSV_Injection)."""


def is_formula(text: str) -> bool:
    """Whether a spreadsheet would evaluate this text."""
    return text[:1] in _FORMULA_START


def escape_formula(text: str) -> str:
    """The text, prefixed with an apostrophe if a spreadsheet would evaluate it.

    Text that looks escaped gets one more apostrophe, so that `unescape_formula` is exact.
    """
    return f"'{text}" if is_formula(text.lstrip("'")) else text


def unescape_formula(text: str) -> str:
    """The text that was escaped."""
    return text[1:] if text.startswith("'") and is_formula(text.lstrip("'")) else text


def unescape_header(header: Sequence[str]) -> tuple[str, ...]:
    """The column names of a file; those of a rejects file may be escaped."""
    return tuple(map(unescape_formula, header)) if is_rejects_file(header) else tuple(header)


def is_rejects_file(header: Sequence[str]) -> bool:
    """Whether a file with this header is a rejects file."""
    return tuple(header[:2]) == REJECT_COLUMNS


def check_target(path: Path, sources: Iterable[Path]) -> None:
    """Raise BadInput when the rejects file cannot be written, or would replace a source file."""
    if not path.parent.is_dir():
        raise BadInput(
            f"There is no folder {path.parent} to write the rejects into.", hint=_OTHER_FILE
        )
    try:
        for file in sources:
            if any(target.exists() and target.samefile(file) for target in (path, _part(path))):
                raise _unusable(path, f"{file} would be overwritten")
        if path.exists() and not path.is_file():
            raise _unusable(path, "it is not a file")
        _part(path).open("w").close()
        _part(path).unlink()
    except OSError as error:
        raise _unusable(path, str(error.strerror or error)) from error


def _unusable(path: Path, reason: str) -> BadInput:
    return BadInput(f"The rejects cannot be written to {path}: {reason}.", hint=_OTHER_FILE)


def _part(path: Path) -> Path:
    """The temporary name of the file until it is complete."""
    return path.with_name(path.name + ".part")


def write(path: Path, header: Sequence[str], rejects: Iterable[Reject]) -> int:
    """Write the file (UTF-8, commas); returns its number of rows. No rejects: no file."""
    again = is_rejects_file(header)
    part = _part(path)
    count = 0
    with part.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*(() if again else REJECT_COLUMNS), *map(escape_formula, header)])
        for reject in rejects:
            raw = reject.raw
            if (
                again
            ):  # a line that cannot be split into values is one cell, without the first two columns
                own = len(REJECT_COLUMNS)
                raw = [*map(unescape_formula, raw if len(raw) < own else raw[own:])]
            writer.writerow([reject.row, escape_formula(reject.reason), *map(escape_formula, raw)])
            count += 1
    if count:
        part.replace(path)
    else:
        part.unlink()
        path.unlink(missing_ok=True)
    return count
