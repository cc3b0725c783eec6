"""Joins: columns of another CSV file, looked up by the text of a column of the loaded file."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from zebros.errors import BadInput
from zebros.loading.csv_files import CsvFile, inspect
from zebros.loading.csv_rows import BadRow, rows
from zebros.loading.encodings import EncodingUncertain
from zebros.loading.map_model import Join

_MAX_ROWS = 200_000


class JoinedFile(NamedTuple):
    """The contents of a joined file."""

    join: Join
    file: CsvFile
    rows: dict[str, list[str]]
    """The texts of each row by its key."""
    empty: list[str]
    """The texts when there is no row with the key."""


def read_join(join: Join, folders: Iterable[Path]) -> JoinedFile:
    """Read the file of a join. Raises BadInput when it cannot be looked up by its key."""
    try:
        file = inspect(_find(join.file, folders), join.encoding)
    except EncodingUncertain as error:
        error.hint = f"Choose the one that reads right: `encoding` in the join of {join.file}."
        raise
    path = file.path
    if join.key not in file.header:
        raise BadInput(
            f"{path} has no column {join.key}, by which the map joins it.",
            hint=f"It has {', '.join(file.header)}.",
        )
    key_at = file.header.index(join.key)
    by_key: dict[str, list[str]] = {}
    for row in rows(file):
        if isinstance(row, BadRow):
            raise BadInput(f"Row {row.number} of {path} cannot be used: {row.reason}.")
        texts = [text.strip() for text in row.values]
        key = texts[key_at]
        if key in by_key:
            raise BadInput(f"{path} has {key!r} twice in {join.key}; it must be unique.")
        by_key[key] = texts
        if len(by_key) > _MAX_ROWS:
            raise BadInput(f"{path} has more than {_MAX_ROWS:,} rows: too many to join.")
    return JoinedFile(join, file, by_key, [""] * len(file.header))


def _find(name: str, folders: Iterable[Path]) -> Path:
    path = next((folder / name for folder in folders if (folder / name).is_file()), None)
    if path is None:
        where = " or ".join(str(folder) for folder in dict.fromkeys(folders))
        raise BadInput(f"The map joins {name}, which is not in {where}.")
    return path
