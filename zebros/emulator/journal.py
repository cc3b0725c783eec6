"""The journal: changed items, deleted tables, executions and mappings since the last snapshot.

Each is a line that is written before the caller gets its response, so a killed platform loses none.
(A power failure may lose the last lines, because nothing is flushed to the disk.) Segments are
numbered; a snapshot names the segment that follows it.
"""

import io
import json
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from zebros.emulator import stamps
from zebros.emulator.patching import module, replace

_log = logging.getLogger("snapshot")


class Journal:
    """Appends to the current segment."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: io.FileIO | None = None
        self._atomic = threading.local()
        self.segment = 0

    def open(self, segment: int) -> None:
        """Continue in this segment."""
        previous = self._file
        self.segment, self._file = segment, self._path(segment).open("ab", buffering=0)
        if previous is not None:
            previous.close()

    def close(self) -> None:
        """Stop writing."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def write(self, kind: str, *content: Any) -> None:
        """Write one line; ignored before `open`, because what is restored is on disk already."""
        changes: list[Any] | None = getattr(self._atomic, "changes", None)
        if changes is not None:
            changes.append((kind, *content))
        elif self._file is not None:
            line = json.dumps((kind, *content), ensure_ascii=False) + "\n"
            self._file.write(line.encode())

    @contextmanager
    def atomic(self) -> Iterator[None]:
        """Combine what this thread writes in the block into one line, which is atomic."""
        changes: list[Any] = []
        self._atomic.changes = changes
        try:
            yield
        finally:
            self._atomic.changes = None
            if changes:
                self.write("all", changes)

    def read(self, first: int) -> Iterator[list[Any]]:
        """The lines from this segment on, in order; an incomplete last line is omitted."""
        for segment in self.segments():
            if segment < first:
                continue
            with self._path(segment).open(encoding="utf-8", errors="replace") as lines:
                for line in lines:
                    try:
                        yield json.loads(line)
                    except ValueError:
                        _log.warning("An incomplete line of journal %d is omitted.", segment)

    def segments(self) -> list[int]:
        """The numbers of the segments on disk."""
        return sorted(int(path.stem.partition("-")[2]) for path in self._folder.glob("journal-*"))

    def delete_segments(self, before: int) -> None:
        """Delete the segments that a snapshot covers."""
        for segment in self.segments():
            if segment < before:
                self._path(segment).unlink(missing_ok=True)

    def _path(self, segment: int) -> Path:
        return self._folder / f"journal-{segment:08d}.jsonl"


def record_changes(journal: Journal) -> None:
    """Record the emulator's item changes, deleted tables, executions and changed mappings."""
    tables, flows = module("services.dynamodb"), module("services.stepfunctions")
    functions = module("services.lambda_svc")

    def emit(table: str, event: str, old: Any, new: Any, replicate: bool = True) -> Any:
        stamp = stamps.given()
        more = () if stamp is None else (stamp,)
        journal.write("item", table, new, *more) if new else journal.write(
            "removed", table, old, *more
        )
        return original_emit(table, event, old, new, replicate)

    def start(data: dict[str, Any]) -> Any:
        data = {**data, "name": data.get("name") or flows.new_uuid()}
        answer = original_start(data)
        if answer[0] < 400:
            journal.write("execution", data)
        return answer

    def change_mapping(uuid: str, data: dict[str, Any]) -> Any:
        # A paused consumer must not run because the platform was killed.
        answer = original_change(uuid, data)
        if answer[0] < 400:
            journal.write("mapping", uuid, data)
        return answer

    def delete_table(data: dict[str, Any]) -> Any:
        # The copy of a restore must not be there again because the platform was killed.
        answer = original_delete(data)
        if answer[0] < 400:
            journal.write("table", data)
        return answer

    def transact(data: dict[str, Any]) -> Any:
        with journal.atomic():
            return original_transact(data)

    original_emit = replace(tables, "_emit_stream_event", emit)
    original_transact = replace(tables, "_transact_write_items", transact)
    original_delete = replace(tables, "_delete_table", delete_table)
    original_start = replace(flows, "_start_execution", start)
    original_change = replace(functions, "_update_esm", change_mapping)


def apply_again(journal: Journal, first: int) -> int:
    """Apply the journal's lines from this segment on again; returns their number.

    Applying a line twice changes nothing: an item is put as it was, an execution has a name.
    """
    lines = 0
    for kind, *content in journal.read(first):
        lines += 1
        for change in content[0] if kind == "all" else [(kind, *content)]:
            _apply_change(*change)
    return lines


def _apply_change(kind: str, *content: Any) -> None:
    tables = module("services.dynamodb")
    if kind == "execution":
        module("services.stepfunctions")._start_execution(content[0])
        return
    if kind == "mapping":
        module("services.lambda_svc")._update_esm(*content)
        return
    if kind == "table":
        tables._delete_table(content[0])
        return
    name, item, *stamp = content
    table = tables._tables.get(name)
    if table is None:
        return  # deleted with its stack
    sort = table["sk_name"]
    place = (
        tables._extract_key_val(item[table["pk_name"]]),
        tables._extract_key_val(item[sort]) if sort else "__no_sort__",
    )
    with stamps.applying((float(stamp[0][0]), str(stamp[0][1])) if stamp else None):
        if kind == "item":
            old = tables._set_item(table, *place, item)
            tables._emit_stream_event(name, "MODIFY" if old else "INSERT", old, item)
        elif (old := tables._remove_item(table, *place)) is not None:
            tables._emit_stream_event(name, "REMOVE", old, None)
