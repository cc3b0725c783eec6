"""Completes records of which only a part has arrived, several invocations at the same time.

A record is in one invocation, so nothing about it happens at the same time. Records are in the
order of their places, so that a move that was stopped continues after those that are complete.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import batched
from typing import Any

from zebros.operations.rebuilding import in_order
from zebros.regions.region import Complete

_BATCH = 25
"""Records of one invocation: its answer is waited for 25 s at most (zebros/client/aws.py)."""
COUNTS = ("read", "complete", "advanced", "events", "dropped")


@dataclass(slots=True)
class Part:
    """What became of some records."""

    place: str
    """That of the last one."""
    records: int
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTS, 0))
    failed: list[dict[str, str]] = field(default_factory=list)
    """`record` and `reason` of those that could not be completed."""


@dataclass(frozen=True, slots=True)
class _Batch:
    table: str
    records: dict[str, int]
    place: str


def number_of(listed: dict[str, dict[str, int]], after: str) -> int:
    """How many records are after a place."""
    return sum(len(one.records) for one in _batches(listed, after))


def complete_all(
    complete: Complete,
    listed: dict[str, dict[str, int]],
    run: str,
    *,
    after: str = "",
    at_once: int,
) -> Iterator[Part]:
    """Complete the records after a place; what became of them, in the order of their places.

    `listed` has by table and record the last sequence that is surely there.
    """

    def send(batch: _Batch) -> Part:
        part = Part(batch.place, len(batch.records))
        left = batch.records
        while left:
            result = complete(batch.table, left, run)
            _add(part, result)
            left = result.get("left", {})
        return part

    some = _batches(listed, after)
    # One after the other in this thread where nothing is to happen at the same time.
    yield from map(send, some) if at_once == 1 else in_order(send, some, at_once)


def _batches(listed: dict[str, dict[str, int]], after: str) -> Iterable[_Batch]:
    for table, records in sorted(listed.items()):
        found = sorted(key for key in records if _place(table, key) > after)
        for some in batched(found, _BATCH, strict=False):
            yield _Batch(table, {key: records[key] for key in some}, _place(table, some[-1]))


def _place(table: str, key: str) -> str:
    """Where a record is in the order of all; a table's name has no space."""
    return f"{table} {key}"


def _add(part: Part, result: dict[str, Any]) -> None:
    for name in COUNTS:
        part.counts[name] += int(result[name])
    part.failed += result["failed"]
