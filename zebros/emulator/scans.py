"""Scans whose pages cost the same in a table of any size.

Without this patch: every page of a Scan sorts all keys of the table and goes through all its items
to find where it continues. 1,200 pages of a table of 600,000 items take more than half an hour.

Fix: the partition keys are kept in order, and a page reads only the partitions from its start to
its end. A Scan of an index, or of a segment, is as before.
"""

import threading
from bisect import bisect_left, insort
from collections.abc import Iterator
from itertools import islice
from typing import Any

from zebros.emulator.patching import module, replace, undo


class _Keys:
    """The partition keys of a table in order."""

    def __init__(self, items: dict[str, Any]) -> None:
        self.items = items
        self.ordered = sorted(items)

    def is_of(self, items: dict[str, Any]) -> bool:
        """Whether these are the keys of this dictionary."""
        return self.items is items and len(self.ordered) == len(items)


def apply() -> None:
    """Keep the order of keys, and give a page only the partitions that it needs."""
    tables = module("services.dynamodb")
    known: dict[int, _Keys] = {}
    wanted = threading.local()

    def keys_of(table: Any) -> _Keys:
        found = known.get(id(table["items"]))
        if found is None or not found.is_of(table["items"]):
            if len(known) > len(tables._tables) + 10:  # of tables that were replaced
                known.clear()
            found = known[id(table["items"])] = _Keys(table["items"])
        return found

    def set_item(table: Any, pk: str, sk: str, item: Any) -> Any:
        found = known.get(id(table["items"]))
        if found is not None and found.items is table["items"] and pk not in found.items:
            insort(found.ordered, pk)
        return original_set(table, pk, sk, item)

    def remove_item(table: Any, pk: str, sk: str) -> Any:
        found = known.get(id(table["items"]))
        removed = original_remove(table, pk, sk)
        if found is not None and found.items is table["items"] and pk not in found.items:
            place = bisect_left(found.ordered, pk)
            if found.ordered[place : place + 1] == [pk]:
                del found.ordered[place]
        return removed

    def scan(data: dict[str, Any]) -> Any:
        table = tables._tables.get(tables._normalize_table_name(data.get("TableName")))
        if table is not None and not data.get("IndexName") and data.get("Segment") is None:
            wanted.page = (table, data)
        try:
            return original_scan(data)
        finally:
            wanted.page = None

    def ordered(iterable: Any, **options: Any) -> Any:
        """`sorted`, but of the partition keys of the table that is scanned only those of a page."""
        page = getattr(wanted, "page", None)
        if page is None or options or not isinstance(iterable, type({}.keys())):
            return sorted(iterable, **options)
        table, data = page
        items = table["items"]
        if len(iterable) != len(items) or next(iter(iterable), "") != next(iter(items), ""):
            return sorted(iterable)
        wanted.page = None
        return _of_page(keys_of(table), table, data, tables)

    original_set = replace(tables, "_set_item", set_item)
    original_remove = replace(tables, "_remove_item", remove_item)
    original_scan = replace(tables, "_scan", scan)
    # The module has no such name of its own, so it is found before the built-in one.
    tables.sorted = ordered
    undo.append(lambda: delattr(tables, "sorted"))


def _of_page(keys: _Keys, table: Any, data: dict[str, Any], tables: Any) -> Iterator[str]:
    """The partition keys from the start of a page until it has one item more than it may have."""
    start = data.get("ExclusiveStartKey")
    place = 0
    left = int(data["Limit"]) + 1 if data.get("Limit") else None
    if start:
        first = tables._extract_key_val(start.get(table["pk_name"], {}))
        place = bisect_left(keys.ordered, first)
        if left is not None:  # those of its partition that were in the page before
            left += len(keys.items.get(first, ()))
    for pk in islice(keys.ordered, place, None):
        yield pk
        if left is not None:
            left -= len(keys.items[pk])
            if left <= 0:
                return
