"""Point-in-time recovery of tables.

Without this patch: RestoreTableToPointInTime copies the table as it is now, whatever the time, and
DescribeContinuousBackups answers that the earliest and the latest restorable time are now.

Fix: the item that each change replaced is appended to a history on disk, before the change is
answered. A copy of a table at a time is the table as it is now, with what later changes replaced
put back. The history is in segments; those older than 35 days, and the oldest above a size, are
deleted, which moves the earliest restorable time. A copy is shown as CREATING until a snapshot has
it, so that a killed platform loses no table that was shown as ACTIVE. An item that has expired is
in no copy, because an expiry is no change here.
"""

import io
import json
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

from zebros.emulator.patching import module, replace

RETENTION_S = 35 * 24 * 3600
"""How long AWS keeps the history of a table."""
SEGMENT_BYTES = 16_000_000
MAX_BYTES = 512_000_000
"""The bytes of the history on disk, except the segment that is being written."""


class History:
    """The items that changes replaced, in segments named by the milliseconds of their beginning."""

    def __init__(
        self,
        folder: Path,
        clock: Callable[[], float] = time.time,
        segment_bytes: int = SEGMENT_BYTES,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self._folder, self._clock = folder, clock
        self._segment_bytes, self._max_bytes = segment_bytes, max_bytes
        self._file: io.FileIO | None = None
        self._size = 0
        self._lock = threading.Lock()

    def open(self) -> None:
        """Begin a segment; what was written before stays."""
        with self._lock:
            self._begin()

    def close(self) -> None:
        """Stop writing."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def write(self, table: str, key: list[str], old: Any) -> None:
        """Append the item that a change replaced (None: there was none).

        Ignored before `open`, because changes of the journal are in the history already.
        """
        with self._lock:
            if self._file is None:
                return
            line = json.dumps([self._now_ms(), table, key, old], ensure_ascii=False) + "\n"
            self._size += self._file.write(line.encode())
            if self._size > self._segment_bytes:
                self._begin()

    def earliest(self) -> float:
        """The time in seconds since when the history is complete."""
        segments = self._segments()
        began = (_began_ms(segments[0]) if segments else self._now_ms()) / 1000
        return max(began, self.now() - RETENTION_S)

    def replaced_since(self, table: str, at: float) -> dict[tuple[str, ...], Any]:
        """The items of a table at a time in seconds, where they have changed since, by key."""
        found: dict[tuple[str, ...], Any] = {}
        segments = self._segments()
        for path, following in zip(segments, [*segments[1:], None], strict=False):
            if following is None or _began_ms(following) > at * 1000:
                for ms, name, key, old in _lines(path):
                    if name == table and ms > at * 1000:
                        found.setdefault(tuple(key), old)
        return found

    def _begin(self) -> None:
        began = self._now_ms()
        while (path := self._folder / f"replaced-{began:015d}.jsonl").exists():
            began += 1
        self.close()
        self._file, self._size = path.open("ab", buffering=0), 0
        self._delete_old()

    def _delete_old(self) -> None:
        """Delete the segments before the last one that are too old or too many."""
        segments = self._segments()
        total = sum(path.stat().st_size for path in segments)
        oldest = self._now_ms() - RETENTION_S * 1000
        for path, following in pairwise(segments):
            if total <= self._max_bytes and _began_ms(following) >= oldest:
                return
            total -= path.stat().st_size
            path.unlink()

    def _segments(self) -> list[Path]:
        return sorted(self._folder.glob("replaced-*.jsonl"))

    def now(self) -> float:
        """The time in seconds."""
        return self._clock()

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)


def apply(history: History, save: Callable[[], object]) -> None:
    """Record replaced items, and restore tables from them; `save` takes a snapshot."""
    tables, app = module("services.dynamodb"), module("app")
    creating: set[str] = set()

    def load() -> None:
        original_load()
        history.open()

    def emit(name: str, event: str, old: Any, new: Any, replicate: bool = True) -> Any:
        table = tables._tables.get(name)
        if table is not None:
            history.write(name, _key(tables, table, old or new), old)
        return original_emit(name, event, old, new, replicate)

    def describe_backups(data: dict[str, Any]) -> Any:
        status, headers, body = original_backups(data)
        name = tables._normalize_table_name(data.get("TableName"))
        if status == 200 and tables._pitr_settings.get(name):
            document = json.loads(body)
            found = document["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
            found["EarliestRestorableDateTime"] = _earliest(tables, history, name)
            found["LatestRestorableDateTime"] = history.now()
            return tables.json_response(document)
        return status, headers, body

    def restore(data: dict[str, Any]) -> Any:
        source = data.get("SourceTableName") or tables._normalize_table_name(
            data.get("SourceTableArn") or ""
        )
        at = float(data.get("RestoreDateTime") or history.now())
        if source in tables._tables:
            if not tables._pitr_settings.get(source):
                message = f"Point in time recovery is not enabled for table '{source}'"
                kind = "PointInTimeRecoveryUnavailableException"
                return tables.error_response_json(kind, message, 400)
            if not _earliest(tables, history, source) <= at <= history.now():
                message = f"'{at}' is not a restorable time of table '{source}'"
                return tables.error_response_json("InvalidRestoreTimeException", message, 400)
        answer = original_restore(data)
        if answer[0] != 200:
            return answer
        name = data["TargetTableName"]
        target = tables._tables[name]
        target["items"] = _items_at(tables._tables[source], history.replaced_since(source, at))
        tables._items_replaced(target)
        creating.add(name)
        threading.Thread(target=_save, args=(save, creating, name), daemon=True).start()
        return tables.json_response({"TableDescription": _described(tables, creating, name)})

    def describe(data: dict[str, Any]) -> Any:
        name = tables._normalize_table_name(data.get("TableName"))
        if name in creating and name in tables._tables:
            return tables.json_response({"Table": _described(tables, creating, name)})
        return original_describe(data)

    original_load = replace(app, "_load_persisted_state", load)
    original_emit = replace(tables, "_emit_stream_event", emit)
    original_backups = replace(tables, "_describe_continuous_backups", describe_backups)
    original_restore = replace(tables, "_restore_table_to_point_in_time", restore)
    original_describe = replace(tables, "_describe_table", describe)


def _key(tables: Any, table: Any, item: Any) -> list[str]:
    """The key under which the emulator stores an item."""
    sort = table["sk_name"]
    first = tables._extract_key_val(item[table["pk_name"]])
    return [first, tables._extract_key_val(item[sort]) if sort else "__no_sort__"]


def _items_at(table: Any, replaced: dict[tuple[str, ...], Any]) -> Any:
    """The items of a table with what later changes replaced put back. Items never change."""
    items = defaultdict(dict, {pk: dict(some) for pk, some in table["items"].items()})
    for (pk, sk), old in replaced.items():
        if old is not None:
            items[pk][sk] = old
        elif sk in items.get(pk, {}):
            del items[pk][sk]
    for pk in [pk for pk, some in items.items() if not some]:
        del items[pk]
    return items


def _earliest(tables: Any, history: History, name: str) -> float:
    """The earliest restorable time of a table."""
    return max(history.earliest(), float(tables._tables[name]["CreationDateTime"]))


def _described(tables: Any, creating: set[str], name: str) -> Any:
    """The description of a table, which is shown as CREATING until it is saved."""
    description = tables._table_description(name)
    return {**description, "TableStatus": "CREATING"} if name in creating else description


def _save(save: Callable[[], object], creating: set[str], name: str) -> None:
    try:
        save()
    finally:
        creating.discard(name)


def _lines(path: Path) -> Iterator[list[Any]]:
    """The lines of a segment; an incomplete one, of a killed platform, is omitted."""
    with path.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            try:
                yield json.loads(line)
            except ValueError:
                continue


def _began_ms(path: Path) -> int:
    return int(path.stem.partition("-")[2])
