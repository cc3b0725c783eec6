"""Cache-aside reads: the cached value if there is one, else the loaded one, which is stored.

A value is served for at most its entry's seconds, counted from before it was loaded. Neither an
expired nor an emptied cache lets all callers load at once: shortly before a value expires, single
callers load it early (XFetch), and of those who find none, one loads and the others wait briefly.
"""

import json
import math
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

from kernel.cache.keys import cache_key
from kernel.cache.port import Cache

MAX_VALUE_BYTES = 64 * 1024
"""Larger values are not stored; one would delay every other command of its node."""
_LEASE_MS = 500
_WAITS_S = (0.01, 0.02, 0.04)
"""How long callers wait for the one that loads; afterwards each loads by itself."""
_EARLINESS = 1.0
"""The higher, the earlier a value is loaded again (the parameter beta of XFetch)."""
_JITTER = 0.2
"""Values live up to this share shorter, so that those stored together do not expire together."""


class Entry[T](NamedTuple):
    """One kind of cached value."""

    kind: str
    version: int
    """To be raised with every change of the value's form: older entries are then not read."""
    seconds: int
    """The longest time that a value is served after it was read from its source."""
    to_json: Callable[[T], bytes]
    from_json: Callable[[bytes], T]
    """Raises ValueError for another form."""
    shared_load: bool = True
    """Whether others wait while one caller loads: for loads that cost more than the wait."""


class _Found[T](NamedTuple):
    value: T
    until: float
    cost_s: float


class CachedReads:
    """Reads through a cache; counts hits and misses by kind."""

    def __init__(
        self,
        cache: Cache,
        clock: Callable[[], float] = time.time,
        chance: Callable[[], float] = random.random,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._cache, self._clock, self._chance, self._sleep = cache, clock, chance, sleep
        self.hits: Counter[str] = Counter()
        self.misses: Counter[str] = Counter()

    def get_or_load[T](
        self, entry: Entry[T], tenant_id: str, parts: Sequence[str], load: Callable[[], T]
    ) -> T:
        """One tenant's value from the cache, or loaded. Raises what `load` raises."""
        if not self._cache.configured:
            return load()
        key = cache_key(tenant_id, entry.kind, entry.version, *parts)
        found = self._read(entry, key) or self._wait(entry, key)
        if found is not None and not self._due(found):
            self.hits[entry.kind] += 1
            return found.value
        self.misses[entry.kind] += 1
        return self._load(entry, key, load)

    def taken(self) -> tuple[Counter[str], Counter[str]]:
        """Hits and misses by kind since the last call."""
        hits, misses = self.hits, self.misses
        self.hits, self.misses = Counter(), Counter()
        return hits, misses

    def forget[T](self, entry: Entry[T], tenant_id: str, parts: Sequence[str]) -> None:
        """Remove a value whose source has changed; until `seconds` later it may still be served."""
        if self._cache.configured:
            self._cache.forget(cache_key(tenant_id, entry.kind, entry.version, *parts))

    def _read[T](self, entry: Entry[T], key: str) -> _Found[T] | None:
        """The stored value; None when it is missing, expired, or in another form."""
        raw = self._cache.get(key)
        if raw is None or len(raw) > 2 * MAX_VALUE_BYTES:
            return None
        head, _, body = raw.partition(b"\n")
        try:
            # The key is in the value, too: whatever a mix-up returns, it is no one else's value.
            name, until, cost_s = json.loads(head)
            if name != key or not self._clock() < until <= self._clock() + entry.seconds:
                return None
            return _Found(entry.from_json(body), until, cost_s)
        except (ValueError, TypeError):
            return None

    def _wait[T](self, entry: Entry[T], key: str) -> _Found[T] | None:
        """The value that another caller is loading; None when this caller shall load it."""
        if not entry.shared_load or self._cache.claim(_lease(key), _LEASE_MS):
            return None
        for seconds in _WAITS_S:
            self._sleep(seconds)
            if (found := self._read(entry, key)) is not None:
                return found
        return None

    def _due[T](self, found: _Found[T]) -> bool:
        """Whether this caller shall load the value before it expires (XFetch).

        The chance grows with the time that loading took, and as the end comes nearer.
        """
        early = found.cost_s * _EARLINESS * -math.log(1 - self._chance())
        return self._clock() + early >= found.until

    def _load[T](self, entry: Entry[T], key: str, load: Callable[[], T]) -> T:
        started = self._clock()
        try:
            value = load()
        except Exception:
            if entry.shared_load:
                self._cache.forget(_lease(key))
            raise
        now = self._clock()
        until = started + entry.seconds * (1 - _JITTER * self._chance())
        body = entry.to_json(value)
        if now < until and len(body) <= MAX_VALUE_BYTES:
            head = json.dumps([key, until, now - started]).encode()
            self._cache.put(key, head + b"\n" + body, max(1, int((until - now) * 1000)))
        return value


def _lease(key: str) -> str:
    return f"{key}:lease"
