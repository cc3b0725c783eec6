"""The last event of each record since a time, from the event lake, in a temporary database.

A restore needs them for records that the live table has lost: what they were, and the sequence
after which their next event continues.
"""

import json
import sqlite3
import tempfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from zebros.client.connection import Deployment
from zebros.operations import lake
from zebros.operations.outbox import Envelope
from zebros.operations.rebuilding import READ_AT_ONCE, in_order

_SCHEMA = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
CREATE TABLE last (key TEXT PRIMARY KEY, id TEXT, detail BLOB) WITHOUT ROWID;
"""
_ADD = """
INSERT INTO last VALUES (?, ?, ?)
ON CONFLICT (key) DO UPDATE SET id = excluded.id, detail = excluded.detail
WHERE excluded.id > last.id
"""
"""Of two histories of a record the one with the later ids survives."""


class LaterEvents:
    """The last events by the partition keys of their records."""

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path, isolation_level=None)
        self._database.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the database; its file is not needed any more."""
        self._database.close()

    def add(self, events: list[Envelope], records: Sequence[str], since: datetime) -> None:
        """Add events about records of these types, after a time."""
        rows = []
        for event in events:
            record_type, _, record_id = str(event["subject"]).partition("/")
            after = datetime.fromisoformat(event["time"]) > since
            if record_type in records and after:
                key = f"TENANT#{event['tenantid']}#{record_type.upper()}#{record_id}"
                text = json.dumps(event, ensure_ascii=False).encode()
                rows.append((key, event["id"], zlib.compress(text, 1)))
        self._database.execute("BEGIN")
        self._database.executemany(_ADD, rows)
        self._database.execute("COMMIT")

    def of(self, key: str) -> Envelope | None:
        """The last event of a record."""
        row = self._database.execute("SELECT detail FROM last WHERE key = ?", (key,)).fetchone()
        return None if row is None else json.loads(zlib.decompress(row[0]))

    def tenants(self) -> list[str]:
        """The tenants of these records."""
        sql = "SELECT DISTINCT substr(key, 8, instr(substr(key, 8), '#') - 1) FROM last"
        return sorted(tenant for (tenant,) in self._database.execute(sql).fetchall())

    def keys(self, prefix: str) -> Iterator[str]:
        """The keys of all records that begin so."""
        sql = "SELECT key FROM last WHERE key >= ? AND key < ? ORDER BY key"
        for (key,) in self._database.execute(sql, (prefix, prefix + "\U0010ffff")).fetchall():
            yield key


@contextmanager
def later_events(
    deployment: Deployment,
    tenant: str | None,
    context: str,
    records: Sequence[str],
    since: datetime,
    progress: Callable[[int, int], None],
) -> Iterator[LaterEvents]:
    """Read the lake; the database is deleted when the block ends.

    `progress` gets the number of files read and of all.
    """
    with tempfile.TemporaryDirectory(prefix="zebros-restore-") as folder:
        later = LaterEvents(Path(folder) / "events.sqlite")
        try:
            tenants = lake.tenants(deployment) if tenant is None else [tenant]
            found = [
                file
                for one in tenants
                for file in lake.files(deployment, one, context, since.astimezone(UTC))
            ]

            def read(key: str) -> list[Envelope]:
                return list(lake.read(deployment, key))

            keys = (file.key for file in found)
            for number, events in enumerate(in_order(read, keys, READ_AT_ONCE), 1):
                later.add(events, records, since)
                progress(number, len(found))
            yield later
        finally:
            later.close()
