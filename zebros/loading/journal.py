"""What a load has done so far, on disk: a killed load goes on where it was, and loses no row.

One SQLite file per load (file + map + tenant + API). A chunk's outcome is written in one
transaction after the API answered; what was in flight at a kill is sent again, which upserting by
external id makes harmless.
"""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from ulid import ULID

from zebros.errors import BadInput

LAYOUT = 2
"""Of what is stored; a journal of another layout is not read."""
CHUNK = 100
"""Rows a chunk covers, and items a batch call takes at most."""

_TABLES = """
CREATE TABLE IF NOT EXISTS events (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS chunks (
    pass INTEGER, chunk INTEGER, created INTEGER, updated INTEGER, unchanged INTEGER,
    PRIMARY KEY (pass, chunk)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS rejects (
    row INTEGER, pass INTEGER, reason TEXT, raw TEXT, PRIMARY KEY (row, pass)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS identities (external TEXT PRIMARY KEY, row INTEGER) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS deferred (row INTEGER PRIMARY KEY) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that did not land (or not wholly), and why."""

    row: int
    reason: str
    raw: list[str]


@dataclass(slots=True)
class Counts:
    """How rows ended."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: int = 0

    @property
    def rows(self) -> int:
        """All of them."""
        return self.created + self.updated + self.unchanged + self.rejected


class Journal:
    """One load's memory. Used by one thread of one process; a second process is turned away."""

    def __init__(self, path: Path | None) -> None:
        self._path, self._closed = path, False
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(str(path or ""), timeout=0.2, isolation_level=None)
        try:
            self._db.execute("PRAGMA locking_mode=EXCLUSIVE")
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.executescript(_TABLES)
            self._db.execute("INSERT OR IGNORE INTO events VALUES ('run', ?)", (str(ULID()),))
        except sqlite3.OperationalError as fault:
            self._db.close()
            if "locked" in str(fault):
                raise BadInput(
                    "This very file is being loaded already, by another `zebros load`.",
                    hint="Wait for it to finish, or stop it.",
                ) from fault
            raise BadInput(f"The journal {path} cannot be used: {fault}.") from fault
        except sqlite3.DatabaseError as fault:
            self._db.close()
            raise BadInput(
                f"The journal {path} is damaged: {fault}.",
                hint="Load with --fresh to begin anew; rows that landed are recognised.",
            ) from fault
        self._db.execute("BEGIN")

    def close(self) -> None:
        """Keep what was recorded; nothing more to do for a journal that is closed or discarded."""
        if self._closed:
            return
        if self._db.in_transaction:
            self._db.execute("COMMIT")
        self._close()

    def discard(self) -> None:
        """Forget the load: it is finished."""
        self._close()
        if self._path is not None:
            remove(self._path)

    def _close(self) -> None:
        self._closed = True
        self._db.close()

    @property
    def run(self) -> str:
        """The load's name, the same after a kill: its Idempotency-Keys begin with it."""
        return str(self._one("SELECT value FROM events WHERE name = 'run'"))

    def counts(self) -> Counts:
        """How the rows so far ended. A row that landed without a reference counts as landed."""
        with closing(
            self._db.execute(
                "SELECT ifnull(sum(created),0), ifnull(sum(updated),0), ifnull(sum(unchanged),0) "
                "FROM chunks WHERE pass = 1"
            )
        ) as found:
            landed = found.fetchone()
        rejected = self._one("SELECT count(*) FROM rejects WHERE pass = 1")
        created, updated, unchanged = landed
        return Counts(created, updated, unchanged, int(str(rejected)))

    def done(self, pass_: int, chunk: int) -> bool:
        """Whether a chunk's outcome is known."""
        return (
            self._one("SELECT 1 FROM chunks WHERE pass = ? AND chunk = ?", pass_, chunk) is not None
        )

    def chunks_done(self) -> int:
        """How many chunks an earlier run finished."""
        return int(str(self._one("SELECT count(*) FROM chunks")))

    def record(
        self,
        pass_: int,
        chunk: int,
        counts: Counts,
        rejects: list[Reject],
        deferred: list[int],
    ) -> None:
        """A chunk's outcome, at once and for good."""
        self._db.executemany(
            "INSERT OR REPLACE INTO rejects VALUES (?, ?, ?, ?)",
            [(one.row, pass_, one.reason, json.dumps(one.raw)) for one in rejects],
        )
        self._db.executemany("INSERT OR IGNORE INTO deferred VALUES (?)", [(r,) for r in deferred])
        self._db.execute(
            "INSERT OR REPLACE INTO chunks VALUES (?, ?, ?, ?, ?)",
            (pass_, chunk, counts.created, counts.updated, counts.unchanged),
        )
        self._db.execute("COMMIT")
        self._db.execute("BEGIN")

    def first_rows(self, rows: list[tuple[str, int]]) -> dict[str, int]:
        """The first row of each of these identities in the file (external id, row), CHUNK at most.

        Rows are to be given in the order of the file.
        """
        self._db.executemany("INSERT OR IGNORE INTO identities VALUES (?, ?)", rows)
        places = ",".join("?" * len(rows))
        with closing(
            self._db.execute(
                f"SELECT external, row FROM identities WHERE external IN ({places})",  # noqa: S608
                [external for external, _ in rows],
            )
        ) as found:
            return dict(found.fetchall())

    def deferred(self) -> Iterator[int]:
        """Rows that landed without a reference to a row of the same file, in order."""
        with closing(self._db.execute("SELECT row FROM deferred ORDER BY row")) as found:
            yield from (row for (row,) in found.fetchall())

    def rejects(self) -> Iterator[Reject]:
        """Every reject, in the order of the file."""
        with closing(
            self._db.execute("SELECT row, reason, raw FROM rejects ORDER BY row")
        ) as found:
            for row, reason, raw in found:
                yield Reject(row, reason, json.loads(raw))

    def rejects_in_all(self) -> int:
        """How many rejects there are."""
        return int(str(self._one("SELECT count(*) FROM rejects")))

    def _one(self, question: str, *given: object) -> object:
        with closing(self._db.execute(question, given)) as found:
            row = found.fetchone()
        return row[0] if row else None


def remove(path: Path) -> None:
    """Take a journal away, with what SQLite keeps beside it."""
    for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
        path.with_name(name).unlink(missing_ok=True)
