"""What power tuning has measured: how long a function takes with how much memory.

A text of a parameter of Systems Manager that `zebros tune --store` writes: for each function
`CustomersApi 128=812.5 256=402 512=210 1024=205`, megabytes and milliseconds. A semicolon follows
each.
"""

from math import isfinite
from typing import NamedTuple


class CurveError(ValueError):
    """The text is wrong; the message names the function and says what would be right."""


class Curve(NamedTuple):
    """The durations of one function."""

    points: tuple[tuple[int, float], ...]
    """MB and milliseconds, by MB."""

    def useful(self, share: float) -> int | None:
        """The smallest measured size from which on none is faster by more than a share.

        None when the largest one is still faster: nobody has measured where it ends.
        """
        for megabytes, duration in self.points[:-1]:
            later = (one for size, one in self.points if size > megabytes)
            if all(one >= duration * (1 - share) for one in later):
                return megabytes
        return None


def parse_curves(text: str) -> dict[str, Curve]:
    """Parse the text. Raises CurveError."""
    return dict(_curve(part.split()) for part in text.split(";") if part.strip())


def _curve(words: list[str]) -> tuple[str, Curve]:
    name, *pairs = words
    points = {}
    for pair in pairs:
        megabytes, _, milliseconds = pair.partition("=")
        if not megabytes.isdecimal() or not _is_duration(milliseconds):
            raise CurveError(f"{name[:80]}: {pair[:40]!r} must be megabytes, =, and milliseconds")
        points[int(megabytes)] = float(milliseconds)
    if len(points) < 2:
        raise CurveError(f"{name[:80]}: must have at least two sizes")
    return name, Curve(tuple(sorted(points.items())))


def _is_duration(text: str) -> bool:
    try:
        found = float(text)
    except ValueError:
        return False
    return isfinite(found) and found > 0
