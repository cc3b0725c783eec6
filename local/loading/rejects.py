"""The rejects file: the rows that did not land, as they came, with their number and the reason.

It can be mended and loaded again as it is: its two own columns are ignored then.
"""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from local.loading.journal import Reject
from local.loading.maps import REJECT_COLUMNS

_RUNS = ("=", "+", "-", "@", "\t", "\r")
"""What makes a spreadsheet run a cell (https://owasp.org/www-community/attacks/CSV_Injection)."""


def inert(text: str) -> str:
    """A value that no spreadsheet takes for a formula; plain numbers stay as they are."""
    if not text.startswith(_RUNS):
        return text
    try:
        float(text)
    except ValueError:
        return f"'{text}"
    return text


def write(path: Path, header: Sequence[str], rejects: Iterable[Reject]) -> int:
    """Write the file (UTF-8, commas) and say how many rows it has; none leaves no file behind."""
    own = REJECT_COLUMNS if tuple(header[:2]) != REJECT_COLUMNS else ()
    part = path.with_name(path.name + ".part")
    count = 0
    with part.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*own, *header])
        for reject in rejects:
            raw = reject.raw if own else reject.raw[2:]
            writer.writerow([reject.row, inert(reject.reason), *map(inert, raw)])
            count += 1
    if count:
        part.replace(path)
    else:
        part.unlink()
        path.unlink(missing_ok=True)
    return count
