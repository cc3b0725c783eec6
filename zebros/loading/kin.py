"""References of a file to its own rows, looked up when all of it was read; kept on disk."""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing

from zebros.loading.journal import Reject
from zebros.loading.mapping import Mapped, Reference

_TABLES = """
CREATE TABLE there (external TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE awaited (row INTEGER, external TEXT, absence TEXT, raw TEXT);
"""


class Kin:
    """The rows that would land, and which of them wait for which other."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None)  # a temporary file, gone afterwards
        self._db.executescript(_TABLES)
        self._db.execute("BEGIN")

    def close(self) -> None:
        """Forget them."""
        self._db.close()

    def add(self, mapped: Mapped, awaited: Sequence[Reference]) -> None:
        """A row that would land, with its references that the CRM does not know."""
        self._db.executemany(
            "INSERT OR IGNORE INTO there VALUES (?)",
            [(f"{system}:{value}",) for system, value in mapped.item["external_ids"].items()],
        )
        self._db.executemany(
            "INSERT INTO awaited VALUES (?, ?, ?, ?)",
            [
                (
                    mapped.number,
                    f"{one.by.removeprefix('external_ids.')}:{one.value}",
                    one.absence if one.missing == "reject" else None,
                    json.dumps(mapped.raw),
                )
                for one in awaited
            ],
        )

    def found(self) -> int:
        """How many references are to rows that would land."""
        with closing(
            self._db.execute("SELECT count(*) FROM awaited JOIN there USING (external)")
        ) as found:
            return int(found.fetchone()[0])

    def orphans(self) -> Iterator[Reject]:
        """The rows that refer to what is nowhere, and must not."""
        with closing(
            self._db.execute(
                "SELECT row, absence, raw FROM awaited WHERE absence IS NOT NULL "
                "AND external NOT IN (SELECT external FROM there) ORDER BY row"
            )
        ) as found:
            for row, absence, raw in found:
                yield Reject(row, f"{absence}; the row would be loaded without it", json.loads(raw))
