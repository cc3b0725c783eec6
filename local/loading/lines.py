"""The lines of a file as a CSV reader takes them, kept until their row is known to be sound."""

import csv
from collections import deque
from collections.abc import Iterator

LONGEST_ROW = 1 << 20
"""Characters a row of several lines may have: what a quote that is never closed can swallow."""


class Lines:
    """An iterator of lines that can take back those of a row that turned out to be unreadable.

    Raises csv.Error for a row that goes on and on.
    """

    def __init__(self, lines: Iterator[str], before: int = 0) -> None:
        """`before` is how many lines of the file were passed over."""
        self._lines, self._again = lines, deque[str]()
        self._taken: list[str] = []
        self._size = 0
        self.last = before
        """The number of the line taken last; the first line of a file is 1."""

    def __iter__(self) -> "Lines":
        return self

    def __next__(self) -> str:
        if self._taken and self._size > LONGEST_ROW:
            raise csv.Error("unexpected end of data")
        line = self._again.popleft() if self._again else next(self._lines)
        self._taken.append(line)
        self._size += len(line)
        self.last += 1
        return line

    def begin_row(self) -> None:
        """Let go of the lines of the row before."""
        self._taken.clear()
        self._size = 0

    def give_up_row(self) -> str:
        """The first line of the row, which is unreadable; the others are going to be read anew."""
        first, *others = self._taken
        self._again.extendleft(reversed(others))
        self.last -= len(others)
        return first.rstrip("\r\n")
