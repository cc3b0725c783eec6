"""The lines of a file as a CSV reader takes them, kept until their row is known to be sound."""

from collections import deque
from collections.abc import Iterator


class Lines:
    """An iterator of lines that can take back those of a row that turned out to be unreadable.

    The reader bounds how many they are: a value has at most `csv.field_size_limit()` characters.
    """

    def __init__(self, lines: Iterator[str], before: int = 0) -> None:
        """`before` is how many lines of the file were passed over."""
        self._lines, self._again = lines, deque[str]()
        self._taken: list[str] = []
        self.last = before
        """The number of the line taken last; the first line of a file is 1."""

    def __iter__(self) -> "Lines":
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._lines)
        self._taken.append(line)
        self.last += 1
        return line

    def begin_row(self) -> None:
        """Let go of the lines of the row before."""
        self._taken.clear()

    def give_up_row(self) -> str:
        """The first line of the row, which is unreadable; the others are going to be read anew."""
        first, *others = self._taken
        self._again.extendleft(reversed(others))
        self.last -= len(others)
        return first.rstrip("\r\n")
