"""How much memory, how many threads and how much disk the query engine may use."""

import math
from dataclasses import dataclass

from kernel.runtime.capacity import Capacity

_MEGABYTE = 1024**2
_OUTSIDE_BYTES = 256 * _MEGABYTE
"""For the interpreter, the libraries, downloads and the file writers."""
_SHARE = 0.75
"""DuckDB exceeds its limit at times: buffers of its readers do not count."""


@dataclass(frozen=True, slots=True)
class EngineLimits:
    """The limits of one query; by default the whole process stays below 256 MB."""

    threads: int = 1
    memory_bytes: int = 208 * 10**6
    temporary_bytes: int = 4 * 10**9
    """For what does not fit into memory."""

    @classmethod
    def within(cls, capacity: Capacity, temporary_bytes: int | None = None) -> "EngineLimits":
        """The limits of a query that has a process of this capacity to itself."""
        smallest = cls()
        available = (capacity.memory_bytes or 0) - _OUTSIDE_BYTES
        return cls(
            max(smallest.threads, math.ceil(capacity.cores or 0)),
            max(smallest.memory_bytes, int(available * _SHARE)),
            temporary_bytes or smallest.temporary_bytes,
        )
