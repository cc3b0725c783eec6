"""References to rows of the same file, checked in a dry run after the whole file was read."""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing

from zebros.loading.journal import Reject
from zebros.loading.mapper import MappedRow, Reference

_TABLES = """
CREATE TABLE ready (external_id TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE unresolved (row INTEGER, external_id TEXT, reason TEXT, raw TEXT);
"""


class SelfReferences:
    """The rows that are ready, and their references to records that are not in the CRM."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None)  # a temporary file
        self._db.executescript(_TABLES)
        self._db.execute("BEGIN")

    def close(self) -> None:
        """Delete the temporary file."""
        self._db.close()

    def add(self, row: MappedRow, unresolved: Sequence[Reference]) -> None:
        """Add a row that is ready, with its references that the CRM does not resolve."""
        self._db.executemany(
            "INSERT OR IGNORE INTO ready VALUES (?)",
            [(f"{system}:{value}",) for system, value in row.item["external_ids"].items()],
        )
        self._db.executemany(
            "INSERT INTO unresolved VALUES (?, ?, ?, ?)",
            [
                (
                    row.number,
                    f"{one.by.removeprefix('external_ids.')}:{one.value}",
                    one.not_found if one.missing == "reject" else None,
                    json.dumps(row.raw),
                )
                for one in unresolved
            ],
        )

    def resolved(self) -> int:
        """The number of references to rows that are ready."""
        with closing(
            self._db.execute("SELECT count(*) FROM unresolved JOIN ready USING (external_id)")
        ) as cursor:
            return int(cursor.fetchone()[0])

    def rejects(self) -> Iterator[Reject]:
        """The rows with a required reference to a record that is not in the CRM and not here."""
        with closing(
            self._db.execute(
                "SELECT row, reason, raw FROM unresolved WHERE reason IS NOT NULL "
                "AND external_id NOT IN (SELECT external_id FROM ready) ORDER BY row"
            )
        ) as cursor:
            for row, reason, raw in cursor:
                yield Reject(row, f"{reason}; the row would be loaded without it", json.loads(raw))
