"""A tenant's quota of requests: a token bucket in the cache, shared by all function instances.

Without an answer of the cache each instance uses a bucket of its own in memory: a tenant's limit is
then the quota times the number of instances that serve it, which their concurrency bounds.
"""

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from kernel.cache.keys import cache_key
from kernel.cache.port import Bucket, Cache

_VERSION = 1
_MAX_TENANTS = 1000
"""Buckets that an instance keeps; the tenant that was idle longest gets a full one again."""


class Quota(NamedTuple):
    """What one tenant may use: `per_second` requests, and `burst` at once after a pause."""

    per_second: float
    burst: int

    @property
    def window_s(self) -> int:
        """Seconds in which an empty bucket is full again."""
        return math.ceil(self.burst / self.per_second)


class Usage(NamedTuple):
    """Where a tenant stands after a request."""

    quota: Quota
    bucket: Bucket
    shared: bool
    """Whether the figures are those of all instances together."""

    @property
    def retry_after_s(self) -> int:
        """Seconds after which one more request is allowed; at least 1, as in `Retry-After`."""
        return max(1, math.ceil(self.bucket.wait_ms / 1000))

    @property
    def full_after_s(self) -> int:
        """Seconds after which the whole quota is available, without requests in between."""
        return math.ceil((self.quota.burst - self.bucket.tokens) / self.quota.per_second)


class TenantQuotas:
    """Takes one token for each request of a tenant."""

    def __init__(
        self, cache: Cache, quota: Quota, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._cache, self._quota = cache, quota
        self._own = _InstanceBuckets(quota, clock)

    def take(self, tenant_id: str) -> Usage:
        """Count a request; `bucket.allowed` tells whether it may be served."""
        quota = self._quota
        shared = self._cache.take_token(
            cache_key(tenant_id, "quota", _VERSION), quota.per_second, quota.burst
        )
        return Usage(quota, shared or self._own.take(tenant_id), shared is not None)


class _InstanceBuckets:
    """The buckets of one process."""

    def __init__(self, quota: Quota, clock: Callable[[], float]) -> None:
        self._quota, self._clock, self._lock = quota, clock, threading.Lock()
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        """Tokens, and when they were counted, by tenant; the tenant served last is the last."""

    def take(self, tenant_id: str) -> Bucket:
        quota = self._quota
        with self._lock:
            now = self._clock()
            tokens, at = self._buckets.pop(tenant_id, (float(quota.burst), now))
            tokens = min(float(quota.burst), tokens + (now - at) * quota.per_second)
            allowed = tokens >= 1
            tokens -= allowed
            self._buckets[tenant_id] = tokens, now
            if len(self._buckets) > _MAX_TENANTS:
                self._buckets.popitem(last=False)
        wait_ms = 0 if tokens >= 1 else math.ceil((1 - tokens) / quota.per_second * 1000)
        return Bucket(allowed, int(tokens), wait_ms)
