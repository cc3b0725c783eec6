"""Divides lines into groups of chunks: a chunk is one request, those of a group are sent at once.

A group ends before a line that may be about the same record as one of its lines, so that two lines
about one record are applied in their order. Where a group begins depends on the lines before it
only: a worker that goes on at a group's beginning makes the same groups, with the same keys.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from imports.jobs.lines import Line

MAX_ITEMS = 100
"""Items of a batch request (kernel/web/batch.py)."""
MAX_ITEM_BYTES = 950_000
"""The items of a chunk with their commas: a body may have 1,000,000 bytes."""
MAX_CHUNKS = 4
MAX_LINES = MAX_CHUNKS * MAX_ITEMS


@dataclass(slots=True)
class Chunk:
    """Lines that are sent in one request."""

    lines: list[Line] = field(default_factory=list)
    size: int = 0

    def has_room_for(self, size: int) -> bool:
        """Whether another item of this size fits."""
        return len(self.lines) < MAX_ITEMS and self.size + size <= MAX_ITEM_BYTES

    def add(self, line: Line, size: int) -> None:
        """Add a line that fits."""
        self.lines.append(line)
        self.size += size


@dataclass(slots=True)
class Group:
    """Chunks that are sent at once, and lines that cannot be sent."""

    chunks: list[Chunk] = field(default_factory=list)
    rejected: list[Line] = field(default_factory=list)
    names: set[tuple[str, str]] = field(default_factory=set)
    lines: int = 0
    last: int = 0
    """The number of the last line."""

    def add(self, line: Line) -> bool:
        """Add a line; False, and nothing changes, when it belongs to the next group."""
        if self.lines == MAX_LINES:
            return False
        if line.problem is not None:
            self.rejected.append(line)
        elif not self._add_to_chunk(line):
            return False
        self.lines += 1
        self.last = line.number
        return True

    def _add_to_chunk(self, line: Line) -> bool:
        if not self.names.isdisjoint(line.names):
            return False
        size = len(line.text.encode()) + 1
        if not self.chunks or not self.chunks[-1].has_room_for(size):
            if len(self.chunks) == MAX_CHUNKS:
                return False
            self.chunks.append(Chunk())
        self.chunks[-1].add(line, size)
        self.names |= line.names
        return True


def groups_of(lines: Iterable[Line]) -> Iterator[Group]:
    """The groups of lines, in their order."""
    group = Group()
    for line in lines:
        if not group.add(line):
            yield group
            group = Group()
            group.add(line)
    if group.lines:
        yield group
