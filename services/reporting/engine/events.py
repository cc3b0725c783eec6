"""The lake files of one tenant in a DuckDB of their own: events, read once, with what is needed.

Each line is an envelope (CloudEvents attributes and `data.current`, the record afterwards). Lines
are read with an explicit schema: no sampling, no surprises, and only the needed members are kept.
Of each event stay its identity (to count every event once, however often it was delivered), its
subject and sequence (to find the last one of each record), and the members reports compute with.

What untrusted text can reach: values are bound, never formatted into SQL; the database may open
files in the tenant's folder and nothing else, loads no extensions, and its settings are locked.
"""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from reporting.engine.errors import LakeUnreadable, TooComplex
from reporting.engine.lake import LakeFiles
from reporting.engine.parameters import Grouping
from reporting.engine.progress import Watch
from reporting.engine.report import Position

MEMORY_LIMIT = "208MB"
"""DuckDB's own bound; with interpreter and libraries the process then stays within 256 MB."""
TEMP_LIMIT = "4GB"
_BATCH_BYTES, _BATCH_FILES = 32_000_000, 500
"""One step of reading, between two looks at the watch: about a second."""

DEAL, LABEL = 1, 2
"""The kinds of records the event table knows: deals, and the records that name their groups."""
OPEN, WON, LOST = 1, 2, 3
"""The states of a deal as the event table has them; any other is no state we report on."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A column of the event table: name, type, and the SQL over an envelope that fills it.

    The SQL may use id, subject, time, sequence, kind (DEAL, LABEL or null) and the named members
    of `data.current`.
    """

    name: str
    type: str
    sql: str
    members: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Source:
    """What a grouping needs of the events, beyond what every report needs."""

    kept: tuple[Kept, ...] = ()
    labels: str | None = None
    """The kind of record that the key names: its events say what the group is called."""
    contexts: tuple[str, ...] = ("opportunities",)


def _key(member: str) -> Kept:
    return Kept("key", "VARCHAR", member, (member,))


def _labels(kind: str, member: str) -> tuple[Kept, Kept]:
    """The records of one kind, with a member of theirs as label."""
    start = len(kind) + 2  # behind the slash
    return (
        Kept("record", "VARCHAR", f"CASE kind WHEN {LABEL} THEN substr(subject, {start}) END"),
        Kept("label", "VARCHAR", f"CASE kind WHEN {LABEL} THEN {member} END", (member,)),
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
        ("opportunities", "customers"),
    ),
    "stage": Source(
        (
            _key("pipeline_id"),
            Kept("stage", "VARCHAR", "stage", ("stage",)),
            Kept("stage_name", "VARCHAR", "stage_name", ("stage_name",)),
            Kept("stages", "STRUCT(key VARCHAR, name VARCHAR)[]", "stages", ("stages",)),
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
"""Members of `data.current` that are not simply text."""

# A subject is kept as its MD5, 16 bytes in place of 38: two of a billion records share one with a
# chance of 1 in 10^21. An event's id is kept as 64 bits, which serve to count and nothing else.
_ALWAYS = (
    Kept("id_hash", "UBIGINT", "hash(id)"),
    Kept("subject", "UHUGEINT", "md5_number(subject)"),
    Kept("sequence", "UINTEGER", "sequence"),
    Kept("time", "TIMESTAMP", "time"),
    Kept("kind", "UTINYINT", "kind"),
    Kept(
        "state",
        "UTINYINT",
        f"""CASE WHEN archived_at IS NOT NULL THEN NULL
            WHEN status = 'open' AND forecast_category = 'omitted' THEN NULL
            WHEN status = 'open' THEN {OPEN} WHEN status = 'won' THEN {WON}
            WHEN status = 'lost' THEN {LOST} END""",
        ("archived_at", "status", "forecast_category"),
    ),
    Kept(
        "day",
        "DATE",
        "CASE status WHEN 'open' THEN expected_close_on ELSE closed_on END",
        ("expected_close_on", "closed_on"),
    ),
    Kept("minor_units", "BIGINT", "amount.minor_units", ("amount",)),
    Kept("currency", "VARCHAR", "amount.currency"),
    Kept("probability", "UTINYINT", "probability", ("probability",)),
)


class Events:
    """The events of one tenant, up to an instant if one is given, prepared for one grouping."""

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
        """Where in the event stream these events end."""
        [(events, last_time)] = self.query("SELECT count(DISTINCT id_hash), max(time) FROM event")
        if not events:
            return Position()
        return Position(events, last_time.replace(tzinfo=UTC), self._last_id(last_time))

    def _last_id(self, last_time: datetime) -> str | None:
        """The last event's id. Ids are not kept: they take 26 bytes an event, and one is needed.

        Names of files sort by time, so it is in the newest file or in one of those next to it.
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
    files: LakeFiles, grouping: Grouping, *, as_of: datetime | None = None, watch: Watch
) -> Iterator[Events]:
    """Read the files; the database and its temporary files are gone when the block ends."""
    source = SOURCES[grouping]
    until = as_of.astimezone(UTC).replace(tzinfo=None) if as_of else None
    with (
        tempfile.TemporaryDirectory(prefix="zebros-report-") as scratch,
        _connect(files.folder, Path(scratch)) as connection,
    ):
        kept = (*_ALWAYS, *source.kept)
        _run(connection, _create(kept))
        insert = _insert(kept, source.labels)
        for batch, fraction in _batches(files.paths):
            watch.step(fraction, f"Reading {len(files.paths):,} files of events")
            names = [str(path) for path in batch]
            _run(connection, insert, {"files": names, "until": until})
        watch.step(1.0, "Events read")
        yield Events(connection, source, files.paths)


def _connect(folder: Path, scratch: Path) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(
        config={
            "threads": 1,
            "memory_limit": MEMORY_LIMIT,
            "temp_directory": str(scratch),
            "max_temp_directory_size": TEMP_LIMIT,
            "preserve_insertion_order": False,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "allow_community_extensions": False,
        }
    )
    connection.execute("SET allowed_directories = ?", [[str(folder)]])
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    return connection


def _read(columns: dict[str, str]) -> str:
    """The table function over a bound list of files."""
    schema = ", ".join(f"{name}: '{kind}'" for name, kind in columns.items())
    # `records` is told: with a single column DuckDB would find out by keeping every file in memory.
    reading = "format = 'newline_delimited', compression = 'gzip', records = true"
    return f"read_json($files, {reading}, columns = {{{schema}}}, auto_detect = false)"


def _create(kept: Sequence[Kept]) -> str:
    return (
        f"CREATE TEMP TABLE event ({', '.join(f'{column.name} {column.type}' for column in kept)})"
    )


def _insert(kept: Sequence[Kept], labels: str | None) -> str:
    members = {name: _MEMBERS.get(name, "VARCHAR") for column in kept for name in column.members}
    current = ", ".join(f'"{name}" {kind}' for name, kind in members.items())
    columns = {**_ENVELOPE, "data": f'STRUCT("current" STRUCT({current}))'}
    taken = ", ".join(f"data.current.{name}" for name in members)
    label = f"WHEN starts_with(subject, '{labels}/') THEN {LABEL}" if labels else ""
    kind = f"CASE WHEN starts_with(subject, 'opportunity/') THEN {DEAL} {label} END"
    return f"""
INSERT INTO event SELECT {", ".join(column.sql for column in kept)}
FROM (
    SELECT id, subject, time, sequence, {kind} AS kind, {taken}
    FROM {_read(columns)} WHERE $until IS NULL OR time <= $until
)"""  # noqa: S608 - every piece is a constant of this module


def _batches(paths: Sequence[Path]) -> Iterator[tuple[list[Path], float]]:
    """The files in batches, each with the fraction of all bytes that came before it."""
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
        raise TooComplex(
            f"The report needs more than {MEMORY_LIMIT} of memory and {TEMP_LIMIT} of disk."
        ) from fault
    except (duckdb.InvalidInputException, duckdb.DataError, duckdb.IOException) as fault:
        # The text names the file on this machine; a person needs its place in the lake.
        text = str(fault)
        start, end = text.find("context="), text.find(".jsonl.gz")
        where = text[start : end + 9] if 0 <= start < end else "one of the files"
        raise LakeUnreadable(f"The company's events cannot be read: {where} is damaged.") from fault
