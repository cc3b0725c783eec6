"""The progress of a load on disk, so that a load that was killed continues and loses no row.

There is one SQLite file per load (file, map, tenant, API). The outcome of a chunk is written in one
transaction after the API has answered. A chunk that was in flight at a kill is sent again, because
upserts by external id can be repeated.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from ulid import ULID

from zebros.errors import BadInput

FORMAT = 5
"""The version of the tables; a journal of another version is not read."""
CHUNK = 100
"""Rows per chunk: the maximum number of items in a batch request."""

_TABLES = """
CREATE TABLE IF NOT EXISTS properties (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS chunks (
    pass INTEGER, chunk INTEGER, created INTEGER, updated INTEGER, unchanged INTEGER,
    skipped INTEGER, PRIMARY KEY (pass, chunk)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS rejects (
    row INTEGER, pass INTEGER, reason TEXT, raw TEXT, loaded INTEGER,
    PRIMARY KEY (row, pass)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS external_ids (external_id TEXT PRIMARY KEY, row INTEGER) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS deferred (row INTEGER PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS taken (pass INTEGER, row INTEGER, PRIMARY KEY (pass, row)) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that is not loaded, or not completely, and why."""

    row: int
    reason: str
    raw: list[str]
    loaded: bool = False
    """Whether the row is loaded without what the reason names."""


@dataclass(slots=True)
class Counts:
    """The numbers of rows by outcome."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: int = 0
    skipped: int = 0
    """Rows that the map leaves out."""

    @property
    def rows(self) -> int:
        """The number of all rows."""
        return self.created + self.updated + self.unchanged + self.rejected + self.skipped

    def add(self, other: "Counts") -> None:
        """Add the numbers of other rows."""
        self.created += other.created
        self.updated += other.updated
        self.unchanged += other.unchanged
        self.rejected += other.rejected
        self.skipped += other.skipped


class Journal:
    """The journal of one load. One thread of one process may use it; others get BadInput."""

    def __init__(self, path: Path | None) -> None:
        """With None as path, the journal is a temporary file."""
        self._path, self._closed = path, False
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(str(path or ""), timeout=0.2, isolation_level=None)
        try:
            self._db.execute("PRAGMA locking_mode=EXCLUSIVE")
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.executescript(_TABLES)
            self._db.execute("INSERT OR IGNORE INTO properties VALUES ('run', ?)", (str(ULID()),))
        except sqlite3.OperationalError as error:
            self._db.close()
            if "locked" in str(error):
                raise BadInput(
                    "This file is being loaded already, by another `zebros load`.",
                    hint="Wait until it has finished, or stop it.",
                ) from error
            raise BadInput(f"The journal {path} cannot be used: {error}.") from error
        except sqlite3.DatabaseError as error:
            self._db.close()
            raise BadInput(
                f"The journal {path} is damaged: {error}.",
                hint="Load with --fresh to start again; rows that were loaded are recognised.",
            ) from error
        self._db.execute("BEGIN")

    def close(self) -> None:
        """Commit what was recorded. A journal may be closed twice."""
        if self._closed:
            return
        if self._db.in_transaction:
            self._db.execute("COMMIT")
        self._close()

    def discard(self) -> None:
        """Delete the journal of a load that is finished."""
        self._close()
        if self._path is not None:
            remove(self._path)

    def _close(self) -> None:
        self._closed = True
        self._db.close()

    @property
    def run(self) -> str:
        """The id of the load, a ULID that stays the same after a kill."""
        return str(self._value("SELECT value FROM properties WHERE name = 'run'"))

    def counts(self) -> Counts:
        """The numbers so far. A row that is loaded without a value is not rejected."""
        with closing(
            self._db.execute(
                "SELECT ifnull(sum(created),0), ifnull(sum(updated),0), "
                "ifnull(sum(unchanged),0), ifnull(sum(skipped),0) FROM chunks WHERE pass <> 2"
            )
        ) as cursor:
            created, updated, unchanged, skipped = cursor.fetchone()
        rejected = self._value("SELECT count(*) FROM rejects WHERE NOT loaded")
        return Counts(created, updated, unchanged, int(str(rejected)), skipped)

    def done(self, pass_: int, chunk: int) -> bool:
        """Whether the outcome of a chunk was recorded."""
        query = "SELECT 1 FROM chunks WHERE pass = ? AND chunk = ?"
        return self._value(query, pass_, chunk) is not None

    def record(
        self, pass_: int, chunk: int, counts: Counts, rejects: list[Reject], deferred: list[int]
    ) -> None:
        """Commit the outcome of a chunk."""
        self._db.executemany(
            "INSERT OR REPLACE INTO rejects VALUES (?, ?, ?, ?, ?)",
            [(one.row, pass_, one.reason, json.dumps(one.raw), one.loaded) for one in rejects],
        )
        self._db.executemany("INSERT OR IGNORE INTO deferred VALUES (?)", [(r,) for r in deferred])
        self._db.execute(
            "INSERT OR REPLACE INTO chunks VALUES (?, ?, ?, ?, ?, ?)",
            (
                pass_,
                chunk,
                counts.created,
                counts.updated,
                counts.unchanged,
                counts.skipped,
            ),
        )
        self._db.execute("COMMIT")
        self._db.execute("BEGIN")

    def first_rows(self, rows: list[tuple[str, int]]) -> dict[str, int]:
        """The first row of the file with each of these external ids.

        Takes pairs of external id and row in the order of the file.
        """
        self._db.executemany("INSERT OR IGNORE INTO external_ids VALUES (?, ?)", rows)
        query = "SELECT row FROM external_ids WHERE external_id = ?"
        return {external_id: int(str(self._value(query, external_id))) for external_id, _ in rows}

    def loaded_row(self, external_id: str) -> int | None:
        """The row with an external id; None when there is none, or when it was rejected."""
        row = self._value(
            "SELECT row FROM external_ids WHERE external_id = ? AND row NOT IN "
            "(SELECT row FROM rejects WHERE NOT loaded)",
            external_id,
        )
        return None if row is None else int(str(row))

    def deferred(self) -> Iterator[int]:
        """Rows that were loaded without a reference to another row of the file, in order."""
        with closing(self._db.execute("SELECT row FROM deferred ORDER BY row")) as cursor:
            yield from (row for (row,) in cursor.fetchall())

    def add_taken(self, pass_: int, rows: Iterable[int]) -> None:
        """Note rows whose code another record has, to be sent again in a later pass.

        The next `record` commits it.
        """
        waiting = [(pass_, row) for row in rows]
        self._db.executemany("INSERT OR IGNORE INTO taken VALUES (?, ?)", waiting)

    def taken(self, pass_: int) -> list[int]:
        """The rows to send in a later pass because another record had their code, in order."""
        query = "SELECT row FROM taken WHERE pass = ? ORDER BY row"
        with closing(self._db.execute(query, (pass_,))) as cursor:
            return [row for (row,) in cursor.fetchall()]

    def remove_rejects(self, rows: Iterable[int]) -> None:
        """Remove the rejects of rows that were sent again. The next `record` commits it."""
        self._db.executemany("DELETE FROM rejects WHERE row = ?", [(row,) for row in rows])

    def rejects(self) -> Iterator[Reject]:
        """Every reject, in the order of the file."""
        with closing(
            self._db.execute("SELECT row, reason, raw, loaded FROM rejects ORDER BY row, pass")
        ) as cursor:
            for row, reason, raw, loaded in cursor:
                yield Reject(row, reason, json.loads(raw), bool(loaded))

    def incomplete(self) -> int:
        """The number of rows that are loaded without a value or a reference."""
        query = "SELECT count(DISTINCT row) FROM rejects WHERE loaded"
        return int(str(self._value(query)))

    def _value(self, query: str, *arguments: object) -> object:
        with closing(self._db.execute(query, arguments)) as cursor:
            row = cursor.fetchone()
        return row[0] if row else None


def remove(path: Path) -> None:
    """Delete a journal with the files that SQLite keeps beside it."""
    for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
        path.with_name(name).unlink(missing_ok=True)
