"""Loads the lake files of one tenant into a DuckDB table of events, in a separate database.

Each line of a file is an envelope (CloudEvents attributes and `data.current`, the record after the
change). Lines are read with an explicit schema, without sampling. Only the columns that a report
needs are stored: the event's id (to ignore repeated deliveries), its subject, time and sequence (to
find the last event of each record), and the fields to compute with.

The text is not trusted: values are bound, never formatted into SQL; the database may open files in
the tenant's folder only, loads no extensions, and its settings are locked.
"""

import errno
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from kernel.tasks.progress import Progress
from reporting.job_errors import DiskFull, LakeUnreadable, TooComplex
from reporting.lake.cache import LakeFiles
from reporting.parameters import Grouping
from reporting.query.limits import EngineLimits
from reporting.report import Position

_BATCH_BYTES, _BATCH_FILES = 32_000_000, 500
"""What is read between two calls of the progress, in about a second."""

OPPORTUNITY, LABEL = 1, 2
"""The kinds of records in the event table: opportunities, and the records that name groups."""
OPEN, WON, LOST = 1, 2, 3
"""The states of an opportunity in the event table; null means that no report counts it."""


@dataclass(frozen=True, slots=True)
class EventColumn:
    """A column of the event table: name, type, and the SQL that computes it from an envelope.

    The SQL may use id, subject, time, sequence, kind (OPPORTUNITY, LABEL or null) and the `members`
    of `data.current`.
    """

    name: str
    type: str
    sql: str
    members: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Source:
    """What a grouping needs from the events in addition to the common columns."""

    columns: tuple[EventColumn, ...] = ()
    labels: str | None = None
    """The type of record whose id is the key; the group's label comes from its events."""


def _key(member: str) -> EventColumn:
    return EventColumn("key", "VARCHAR", member, (member,))


def _labels(kind: str, member: str) -> tuple[EventColumn, EventColumn]:
    """The columns of the records that label groups: their id, and the field used as the label."""
    start = len(kind) + 2  # after the slash
    return (
        EventColumn(
            "record", "VARCHAR", f"CASE kind WHEN {LABEL} THEN substr(subject, {start}) END"
        ),
        EventColumn("label", "VARCHAR", f"CASE kind WHEN {LABEL} THEN {member} END", (member,)),
    )


SOURCES: dict[Grouping, Source] = {
    "none": Source(),
    "month": Source(),
    "owner": Source((_key("owner_id"),)),
    "team": Source((_key("team_id"),)),
    "region": Source((_key("region"),)),
    "product": Source((_key("product_id"), *_labels("product", "name")), "product"),
    "sector": Source(
        (_key("account_id"), *_labels("account", "sector")),
        "account",
    ),
    "stage": Source(
        (
            _key("pipeline_id"),
            EventColumn("stage", "VARCHAR", "stage", ("stage",)),
            EventColumn("stage_name", "VARCHAR", "stage_name", ("stage_name",)),
            EventColumn("stages", "STRUCT(key VARCHAR, name VARCHAR)[]", "stages", ("stages",)),
            *_labels("pipeline", "name"),
        ),
        "pipeline",
    ),
}

_ENVELOPE = {"id": "VARCHAR", "subject": "VARCHAR", "time": "TIMESTAMP", "sequence": "UINTEGER"}
_MEMBERS = {
    "status": "VARCHAR",
    "amount": "STRUCT(minor_units BIGINT, currency VARCHAR)",
    "probability": "UTINYINT",
    "forecast_category": "VARCHAR",
    "expected_close_on": "DATE",
    "closed_on": "DATE",
    "archived_at": "VARCHAR",
    "stages": "STRUCT(key VARCHAR, name VARCHAR)[]",
}
"""Types of the members of `data.current` that are not text."""

# A subject is stored as its MD5, 16 bytes instead of 38: among a billion records, the chance that
# two have the same one is 1 in 10^21. An event's id is stored as 64 bits, only to count events.
_COMMON_COLUMNS = (
    EventColumn("id_hash", "UBIGINT", "hash(id)"),
    EventColumn("subject", "UHUGEINT", "md5_number(subject)"),
    EventColumn("sequence", "UINTEGER", "sequence"),
    EventColumn("time", "TIMESTAMP", "time"),
    EventColumn("kind", "UTINYINT", "kind"),
    EventColumn(
        "state",
        "UTINYINT",
        f"""CASE WHEN archived_at IS NOT NULL THEN NULL
            WHEN status = 'open' AND forecast_category = 'omitted' THEN NULL
            WHEN status = 'open' THEN {OPEN} WHEN status = 'won' THEN {WON}
            WHEN status = 'lost' THEN {LOST} END""",
        ("archived_at", "status", "forecast_category"),
    ),
    EventColumn(
        "day",
        "DATE",
        "CASE status WHEN 'open' THEN expected_close_on ELSE closed_on END",
        ("expected_close_on", "closed_on"),
    ),
    EventColumn("minor_units", "BIGINT", "amount.minor_units", ("amount",)),
    EventColumn("currency", "VARCHAR", "amount.currency"),
    EventColumn("probability", "UTINYINT", "probability", ("probability",)),
)


class Events:
    """The events of one tenant, optionally up to an instant, prepared for one grouping."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, source: Source, paths: Sequence[Path]
    ) -> None:
        self._connection, self.source, self._paths = connection, source, paths

    def query(
        self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] = ()
    ) -> list[tuple[Any, ...]]:
        """All rows of a query; `parameters` are bound."""
        return _run(self._connection, sql, parameters)

    def position(self) -> Position:
        """The number of events, and the last of them."""
        [(events, last_time)] = self.query("SELECT count(DISTINCT id_hash), max(time) FROM event")
        if not events:
            return Position()
        return Position(events, last_time.replace(tzinfo=UTC), self._last_id(last_time))

    def _last_id(self, last_time: datetime) -> str | None:
        """The last event's id, read from the files: storing 26 bytes per event would waste memory.

        File names sort by time, so it is in the newest file or in one of the files before it.
        """
        lines = _read({"id": "VARCHAR", "time": "TIMESTAMP"})
        sql = f"SELECT max(id) FROM {lines} WHERE time = $last"  # noqa: S608 - constants
        for path in sorted(self._paths, key=lambda path: (path.parent.name, path.name))[::-1]:
            [(last_id,)] = self.query(sql, {"files": [str(path)], "last": last_time})
            if last_id:
                return str(last_id)
        return None


@contextmanager
def load(
    files: LakeFiles,
    grouping: Grouping,
    *,
    as_of: datetime | None = None,
    progress: Progress,
    limits: EngineLimits | None = None,
) -> Iterator[Events]:
    """Read the files; the database and its temporary files are removed when the block ends."""
    source = SOURCES[grouping]
    until = as_of.astimezone(UTC).replace(tzinfo=None) if as_of else None
    with (
        tempfile.TemporaryDirectory(prefix="zebros-report-") as temporary,
        _connect(files.folder, Path(temporary), limits or EngineLimits()) as connection,
    ):
        columns = (*_COMMON_COLUMNS, *source.columns)
        _run(connection, _create(columns))
        insert = _insert(columns, source.labels)
        for batch, fraction in _batches(files.paths):
            progress.step(fraction, f"Reading {len(files.paths):,} files of events")
            names = [str(path) for path in batch]
            _run(connection, insert, {"files": names, "until": until})
        progress.step(1.0, "Events read")
        yield Events(connection, source, files.paths)


def _connect(folder: Path, temporary: Path, limits: EngineLimits) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(
        config={
            "threads": limits.threads,
            "memory_limit": f"{limits.memory_bytes}B",
            "temp_directory": str(temporary),
            "max_temp_directory_size": f"{limits.temporary_bytes}B",
            "preserve_insertion_order": False,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "allow_community_extensions": False,
        }
    )
    # Otherwise it prints a progress bar where it takes the process for an interactive one.
    connection.execute("SET enable_progress_bar = false")
    connection.execute("SET allowed_directories = ?", [[str(folder)]])
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    return connection


def _read(columns: dict[str, str]) -> str:
    """The table function over a bound list of files."""
    schema = ", ".join(f"{name}: '{kind}'" for name, kind in columns.items())
    # Without `records`, DuckDB would load whole files into memory to detect the format.
    reading = "format = 'newline_delimited', compression = 'gzip', records = true"
    return f"read_json($files, {reading}, columns = {{{schema}}}, auto_detect = false)"


def _create(columns: Sequence[EventColumn]) -> str:
    definitions = ", ".join(f"{column.name} {column.type}" for column in columns)
    return f"CREATE TEMP TABLE event ({definitions})"


def _insert(columns: Sequence[EventColumn], labels: str | None) -> str:
    members = {name: _MEMBERS.get(name, "VARCHAR") for column in columns for name in column.members}
    current = ", ".join(f'"{name}" {kind}' for name, kind in members.items())
    schema = {**_ENVELOPE, "data": f'STRUCT("current" STRUCT({current}))'}
    selected = ", ".join(f"data.current.{name}" for name in members)
    label = f"WHEN starts_with(subject, '{labels}/') THEN {LABEL}" if labels else ""
    kind = f"CASE WHEN starts_with(subject, 'opportunity/') THEN {OPPORTUNITY} {label} END"
    return f"""
INSERT INTO event SELECT {", ".join(column.sql for column in columns)}
FROM (
    SELECT id, subject, time, sequence, {kind} AS kind, {selected}
    FROM {_read(schema)} WHERE $until IS NULL OR time <= $until
)"""  # noqa: S608 - every piece is a constant of this module


def _batches(paths: Sequence[Path]) -> Iterator[tuple[list[Path], float]]:
    """The files in batches, each with the fraction of all bytes before it."""
    sizes = [path.stat().st_size for path in paths]
    total, before, size = sum(sizes) or 1, 0, 0
    batch: list[Path] = []
    for path, bytes_ in zip(paths, sizes, strict=True):
        if batch and (size >= _BATCH_BYTES or len(batch) >= _BATCH_FILES):
            yield batch, before / total
            before, size, batch = before + size, 0, []
        batch.append(path)
        size += bytes_
    if batch:
        yield batch, before / total


def _run(
    connection: duckdb.DuckDBPyConnection,
    sql: str,
    parameters: Sequence[Any] | Mapping[str, Any] = (),
) -> list[tuple[Any, ...]]:
    try:
        return connection.execute(sql, parameters or None).fetchall()
    except duckdb.OutOfMemoryException as fault:
        raise TooComplex("The report needs more memory and temporary disk than it has.") from fault
    except (duckdb.InvalidInputException, duckdb.DataError, duckdb.IOException) as fault:
        text = str(fault)
        if os.strerror(errno.ENOSPC) in text:
            raise DiskFull("There is no space for what does not fit into memory.") from fault
        # DuckDB's message names the local file; the user needs its key in the lake.
        start, end = text.find("context="), text.find(".jsonl.gz")
        where = text[start : end + 9] if 0 <= start < end else "one of the files"
        raise LakeUnreadable(f"The company's events cannot be read: {where} is damaged.") from fault
