"""The histories of subjects, from the events of the lake, sorted on disk.

A lake file has events of many records in the order in which they arrived, and an event can be in
two files. SQLite groups them by subject and drops the copies, so that memory does not grow with the
lake. After a restore of a table a subject has a lost history besides the surviving one
(docs/architecture.md, "Histories").
"""

import json
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from zebros.operations.outbox import Envelope

_MILLISECOND_CHARACTERS = 10
"""The first characters of a ULID are its time."""
_SCHEMA = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
CREATE TABLE event (subject TEXT, id TEXT, sequence INTEGER, size INTEGER, detail BLOB);
CREATE UNIQUE INDEX by_subject ON event (subject, id);
CREATE TABLE entry (pk TEXT, sk TEXT, PRIMARY KEY (pk, sk)) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event of the lake."""

    id: str
    sequence: int
    size: int
    """Its bytes as JSON."""
    packed: bytes

    @property
    def envelope(self) -> Envelope:
        """The event itself."""
        event: Envelope = json.loads(zlib.decompress(self.packed))
        return event

    @property
    def order(self) -> tuple[str, int, str]:
        """Its place in time; the events of one change have one time."""
        return self.id[:_MILLISECOND_CHARACTERS], self.sequence, self.id


@dataclass(frozen=True, slots=True)
class History:
    """All events of a subject."""

    subject: str
    surviving: tuple[StoredEvent, ...]
    """In sequence."""
    lost: tuple[StoredEvent, ...]
    """Events of a table that was restored to an earlier time."""

    @classmethod
    def of(cls, subject: str, events: Iterable[StoredEvent]) -> Self:
        """The history with the last event survives, back to where its sequences begin."""
        surviving, lost = list[StoredEvent](), list[StoredEvent]()
        for event in sorted(events, key=lambda one: one.order, reverse=True):
            follows = not surviving or event.sequence < surviving[-1].sequence
            (surviving if follows else lost).append(event)
        return cls(subject, tuple(reversed(surviving)), tuple(reversed(lost)))

    @property
    def has_gap(self) -> bool:
        """Whether an event of the surviving history is missing."""
        return len(self.surviving) != self.surviving[-1].sequence

    @property
    def highest(self) -> int:
        """The highest sequence in any history."""
        return max(event.sequence for event in (*self.surviving, *self.lost))


class Histories:
    """A temporary database of events; and of the entries that they explain."""

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path, isolation_level=None)
        self._database.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the database; its file is not needed any more."""
        self._database.close()

    def add(self, events: Iterable[Envelope], records: Sequence[str]) -> None:
        """Store events about records of these types, each once."""
        rows = []
        for event in events:
            if str(event["subject"]).partition("/")[0] in records:
                text = json.dumps(event, ensure_ascii=False).encode()
                key = (event["subject"], event["id"], int(event["sequence"]))
                rows.append((*key, len(text), zlib.compress(text, 1)))
        self._database.execute("BEGIN")
        self._database.executemany("INSERT OR IGNORE INTO event VALUES (?, ?, ?, ?, ?)", rows)
        self._database.execute("COMMIT")

    def count(self) -> int:
        """The number of subjects."""
        return self._number("SELECT count(DISTINCT subject) FROM event")

    def mark(self) -> int:
        """A mark after the events that were stored until now."""
        return self._number("SELECT coalesce(max(rowid), 0) FROM event")

    def since(self, mark: int) -> list[str]:
        """The subjects of events that were stored after a mark."""
        found = self._database.execute(_SUBJECTS_SINCE, (mark,))
        return [subject for (subject,) in found]

    def missing(self) -> set[int]:
        """The sequences of which some subject has no event, although it has later ones."""
        found: set[int] = set()
        for subject, last in self._rows(_GAPS):
            there = {number for (number,) in self._rows(_SEQUENCES, subject)}
            found |= set(range(1, last)) - there
        return found

    def absent(self, subjects: Iterable[str]) -> list[str]:
        """Those of the subjects of which there is no event."""
        found = {subject for (subject,) in self._rows(_SUBJECTS)}
        return [one for one in subjects if one not in found]

    def __iter__(self) -> Iterator[History]:
        """Every subject's history, by subject."""
        return self.of([subject for (subject,) in self._rows(_SUBJECTS)])

    def of(self, subjects: Iterable[str]) -> Iterator[History]:
        """The histories of these subjects."""
        for subject in subjects:
            rows = self._rows(_EVENTS, subject)
            yield History.of(subject, (StoredEvent(*row) for row in rows))

    def add_entries(self, keys: Iterable[Sequence[str]]) -> None:
        """Store keys of items that the events explain."""
        self._database.execute("BEGIN")
        self._database.executemany("INSERT OR IGNORE INTO entry VALUES (?, ?)", keys)
        self._database.execute("COMMIT")

    def count_partitions(self) -> int:
        """The number of partitions of those items."""
        return self._number("SELECT count(DISTINCT pk) FROM entry")

    def entries(self) -> Iterator[tuple[str, list[str]]]:
        """The partitions of those items, each with the sort keys in order."""
        for (pk,) in self._rows("SELECT DISTINCT pk FROM entry ORDER BY pk"):
            rows = self._rows("SELECT sk FROM entry WHERE pk = ? ORDER BY sk", pk)
            yield pk, [sk for (sk,) in rows]

    def not_explained(self, keys: Iterable[Sequence[str]]) -> list[Sequence[str]]:
        """Those of the keys that no event explains."""
        return [one for one in keys if not self._rows(_ENTRY, *one)]

    def _rows(self, sql: str, *values: str) -> list[tuple[Any, ...]]:
        return self._database.execute(sql, values).fetchall()

    def _number(self, sql: str) -> int:
        [(number,)] = self._rows(sql)
        return int(number)


_EVENTS = "SELECT id, sequence, size, detail FROM event WHERE subject = ?"
_ENTRY = "SELECT 1 FROM entry WHERE pk = ? AND sk = ?"
_GAPS = """
SELECT subject, max(sequence) FROM event GROUP BY subject
HAVING count(DISTINCT sequence) < max(sequence)
"""
_SEQUENCES = "SELECT DISTINCT sequence FROM event WHERE subject = ?"
_SUBJECTS_SINCE = "SELECT DISTINCT subject FROM event WHERE rowid > ? ORDER BY subject"
_SUBJECTS = "SELECT DISTINCT subject FROM event ORDER BY subject"
