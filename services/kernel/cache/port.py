"""What the CRM asks of a cache, and the cache of a deployment that has none.

A cache holds nothing of record and may be empty, slow or gone at any time, so no method raises:
without an answer in time the caller gets the answer of an empty cache. Keys come from `keys.py`.
"""

from typing import NamedTuple, Protocol


class Bucket(NamedTuple):
    """A token bucket after a request took a token from it, or found it empty."""

    allowed: bool
    tokens: int
    """Whole tokens left."""
    wait_ms: int
    """Milliseconds until the next token; 0 when there is one."""


class Cache(Protocol):
    """A cache shared by all function instances."""

    @property
    def configured(self) -> bool:
        """Whether there is a cache at all; without one, callers save themselves the work."""

    def get(self, key: str) -> bytes | None:
        """The value of a key, or None."""

    def put(self, key: str, value: bytes, ttl_ms: int) -> None:
        """Store a value for a time."""

    def claim(self, key: str, ttl_ms: int) -> bool:
        """Whether this caller is the first to claim the key in its time; True without answer."""

    def forget(self, key: str) -> None:
        """Remove a key."""

    def take_token(self, key: str, per_second: float, burst: int) -> Bucket | None:
        """Take one token from a bucket of `burst` that refills at a rate; None without answer."""

    def count(self, key: str, member: str, ttl_s: int) -> int:
        """Add a member to a set of which only the size is known, for a time.

        Returns by how much the size grew; 0 without answer.
        """

    def size(self, key: str) -> int | None:
        """About how many members were added (1 % off); None without answer."""


class NoCache:
    """The cache of a deployment without one: always empty."""

    configured = False

    def get(self, key: str) -> bytes | None:  # noqa: ARG002
        """Nothing."""
        return None

    def put(self, key: str, value: bytes, ttl_ms: int) -> None:
        """Store nothing."""

    def claim(self, key: str, ttl_ms: int) -> bool:  # noqa: ARG002
        """Every caller is the first."""
        return True

    def forget(self, key: str) -> None:
        """There is nothing to remove."""

    def take_token(self, key: str, per_second: float, burst: int) -> Bucket | None:  # noqa: ARG002
        """No answer."""
        return None

    def count(self, key: str, member: str, ttl_s: int) -> int:  # noqa: ARG002
        """Count nothing."""
        return 0

    def size(self, key: str) -> int | None:  # noqa: ARG002
        """No answer."""
        return None
