"""Checks of a file's header against the columns that the map uses."""

from difflib import get_close_matches

from zebros.errors import BadInput
from zebros.loading.csv_files import CsvFile
from zebros.loading.csv_rows import BadRow, rows
from zebros.loading.map_model import Map
from zebros.loading.rejects_file import REJECT_COLUMNS


def check_header(map_: Map, file: CsvFile, used: set[str], available: set[str]) -> list[str]:
    """The columns that are not loaded.

    `used` are the columns that the map uses, `available` those of the file and its joins. Raises
    BadInput when a used column is missing, or a column is neither used nor ignored.
    """
    header = [name for name in file.header if name and name not in REJECT_COLUMNS]
    ignored = set(map_.ignore)
    not_loaded = [name for name in header if name not in used]
    unknown = [] if "*" in ignored else [name for name in not_loaded if name not in ignored]
    faults = []
    for name in sorted(used - available):
        close = get_close_matches(name, header, n=1, cutoff=0.75)
        faults.append(f"{name} is missing" + (f" (is it {close[0]}?)" if close else ""))
    faults += [f"{name} is unknown to the map" for name in unknown]
    if faults:
        raise BadInput(
            f"The header of {file.path} does not fit the map: {'; '.join(faults)}.",
            hint="Correct the header or the map; its `ignore` lists columns that are not loaded.",
        )
    if ignored.isdisjoint(("", "*")):
        _check_unnamed_columns(file)
    return not_loaded


def _check_unnamed_columns(file: CsvFile) -> None:
    """Raise BadInput when a column without a name has data; spreadsheets often add empty ones."""
    unnamed = [at for at, name in enumerate(file.header) if not name]
    if not unnamed:
        return
    for row in rows(file):
        if isinstance(row, BadRow):
            continue
        for at in unnamed:
            if text := row.values[at].strip():
                raise BadInput(
                    f"Column {at + 1} of {file.path} has no name, but row {row.number} "
                    f"has {text[:40]!r} in it.",
                    hint='Name it in the header, or ignore it: `ignore = [""]` in the map.',
                )
