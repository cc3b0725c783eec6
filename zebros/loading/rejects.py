"""The rejects file: the rows that did not land, as they came, with their number and the reason.

It can be mended and loaded again as it is: its two own columns are ignored then, and what was made
harmless for spreadsheets is read as it was.
"""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from reporting.render.cell_format import is_formula
from zebros.errors import BadInput
from zebros.loading.journal import Reject
from zebros.loading.maps import REJECT_COLUMNS

_OWN = len(REJECT_COLUMNS)
_OTHER = "Name another file: `--rejects FILE`."


def harmless(text: str) -> str:
    """A cell that no spreadsheet runs, and of which `as_it_was` tells what it was made from.

    Text that looks as if it had been made harmless already gets one more apostrophe.
    """
    return f"'{text}" if is_formula(text.lstrip("'")) else text


def as_it_was(text: str) -> str:
    """A cell of a rejects file without the apostrophe that made it harmless."""
    return text[1:] if text.startswith("'") and is_formula(text.lstrip("'")) else text


def names_as_they_were(header: Sequence[str]) -> tuple[str, ...]:
    """The names of a file's columns; those of a rejects file may have been made harmless."""
    again = tuple(header[:2]) == REJECT_COLUMNS
    return tuple(as_it_was(name) if again else name for name in header)


def check_target(path: Path, read: Iterable[Path]) -> None:
    """Raise BadInput when the rejects cannot be written, or only over a file that is `read`."""
    if not path.parent.is_dir():
        raise BadInput(f"There is no folder {path.parent} to write the rejects into.", hint=_OTHER)
    try:
        for file in read:
            if any(taken.exists() and taken.samefile(file) for taken in (path, _part(path))):
                raise _no_place(path, f"{file} would be written over")
        if path.exists() and not path.is_file():
            raise _no_place(path, "it is no file")
        _part(path).open("w").close()
        _part(path).unlink()
    except OSError as fault:
        raise _no_place(path, str(fault.strerror or fault)) from fault


def _no_place(path: Path, reason: str) -> BadInput:
    return BadInput(f"The rejects cannot go into {path}: {reason}.", hint=_OTHER)


def _part(path: Path) -> Path:
    """Where the file is written before it takes its place."""
    return path.with_name(path.name + ".part")


def write(path: Path, header: Sequence[str], rejects: Iterable[Reject]) -> int:
    """Write the file (UTF-8, commas) and say how many rows it has; none leaves no file behind."""
    own = REJECT_COLUMNS if tuple(header[:2]) != REJECT_COLUMNS else ()
    part = _part(path)
    count = 0
    with part.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*own, *map(harmless, header)])
        for reject in rejects:
            raw = reject.raw
            if not own:  # a line that could not be told into values is one cell, without ours
                raw = [*map(as_it_was, raw if len(raw) < _OWN else raw[_OWN:])]
            writer.writerow([reject.row, harmless(reject.reason), *map(harmless, raw)])
            count += 1
    if count:
        part.replace(path)
    else:
        part.unlink()
        path.unlink(missing_ok=True)
    return count
