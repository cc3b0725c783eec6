"""Tables with strong consistency across regions (MRSC), such as the fence.

Without this patch: each platform has its own items of such a table.

Fix: the items are in a file that both platforms share, which is locked, read and written by each
operation, so a conditional write of one platform is seen by the next operation of the other. A
platform that is cut off reaches neither the other region nor the witness, and answers with an
error, as AWS does without a majority of three. Transactions are refused, as in AWS.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/multi-region-strong-consistency-gt.html
"""

import fcntl
import json
import os
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from zebros.emulator.patching import module, replace
from zebros.emulator.replicas import CONSISTENCY, REGIONS, STRONG
from zebros.regions.pair import Pair

_READS = ("_get_item", "_query", "_scan")
_WRITES = ("_put_item", "_update_item", "_delete_item")


def apply(pair: Pair | None, region: str) -> None:
    """Let these operations use the shared file; without one, every table is this platform's own."""
    if pair is None:
        return
    tables = module("services.dynamodb")

    def shared(original: Callable[[dict[str, Any]], Any], *, writes: bool) -> Any:
        def call(data: dict[str, Any]) -> Any:
            name = tables._normalize_table_name(data.get("TableName"))
            table = tables._tables.get(name) if isinstance(name, str) else None
            if table is None or table.get(CONSISTENCY) != STRONG or not table.get(REGIONS):
                return original(data)
            if pair.network().cut == region:
                return tables.error_response_json(
                    "InternalServerError", "No majority of the table's regions can be reached.", 500
                )
            with _locked(pair.table(name)) as file:
                _load(tables, table, file)
                answer = original(data)
                if writes and answer[0] == 200:
                    _save(table, file)
                return answer

        return call

    def transact(data: dict[str, Any]) -> Any:
        for one in data.get("TransactItems", []):
            name = next(iter(one.values())).get("TableName") if isinstance(one, dict) else None
            if (tables._tables.get(name) or {}).get(CONSISTENCY) == STRONG:
                return tables.error_response_json(
                    "ValidationException",
                    "Transactions are not supported on a table with strong consistency.",
                    400,
                )
        return original_transact(data)

    for name in (*_READS, *_WRITES):
        replace(tables, name, shared(getattr(tables, name), writes=name in _WRITES))
    original_transact = replace(tables, "_transact_write_items", transact)


@contextmanager
def _locked(file: Path) -> Iterator[Path]:
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with file.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield file


def _load(tables: Any, table: dict[str, Any], file: Path) -> None:
    items: Any = defaultdict(dict)
    if file.exists():
        items.update(json.loads(file.read_text(encoding="utf-8")))
    table["items"] = items
    tables._items_replaced(table)


def _save(table: dict[str, Any], file: Path) -> None:
    part = file.with_suffix(".part")
    with part.open("w", encoding="utf-8") as out:
        json.dump(table["items"], out)
        out.flush()
        os.fsync(out.fileno())
    part.replace(file)
