"""The cache port on Valkey, in cluster mode: ElastiCache from phase growth on (infra/cache.yaml).

Only `connect.py` imports this module, and only where a cache is configured: the client library
takes a sixth of the time that botocore takes to import.
"""

import threading
import time
from collections.abc import Callable
from typing import Any

from valkey.backoff import NoBackoff
from valkey.cluster import ValkeyCluster
from valkey.exceptions import ResponseError
from valkey.retry import Retry

from kernel.cache.circuit import CircuitBreaker
from kernel.cache.port import Bucket
from kernel.runtime.faults import describe
from kernel.runtime.log import logger

CONNECT_S = 0.2
ANSWER_S = 0.1
"""A cache in the same region answers within a millisecond; a request never waits much longer than
this for one that does not. It also bounds each step of a TLS handshake."""

# One round trip, so that two requests cannot take the same token. The server's clock is the only
# one; a bucket that is full again has the same meaning as none, and expires.
_TAKE = """
local rate, burst = tonumber(ARGV[1]) / 1000, tonumber(ARGV[2])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local stored = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local passed = math.max(0, now - (tonumber(stored[2]) or now))
local tokens = math.min(burst, (tonumber(stored[1]) or burst) + passed * rate)
local allowed = tokens >= 1
if allowed then tokens = tokens - 1 end
redis.call('HSET', KEYS[1], 'tokens', tostring(tokens), 'at', now)
redis.call('PEXPIRE', KEYS[1], math.ceil(burst / rate) + 1000)
local wait = 0
if tokens < 1 then wait = math.ceil((1 - tokens) / rate) end
return {allowed and 1 or 0, math.floor(tokens), wait}
"""
# Returns the growth of the size, because the set cannot tell whether a member is new: the sum of
# all growths is as exact as the size. A set that does not grow has its time already.
_COUNT = """
local before = redis.call('PFCOUNT', KEYS[1])
if redis.call('PFADD', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call('EXPIRE', KEYS[1], ARGV[2])
return redis.call('PFCOUNT', KEYS[1]) - before
"""


class ValkeyCache:
    """Values, buckets and counts in Valkey; every failure is an empty answer, and is logged."""

    configured = True

    def __init__(
        self, url: str, password: Callable[[], str | None], breaker: CircuitBreaker | None = None
    ) -> None:
        self._url, self._password = url, password
        self._breaker = breaker or CircuitBreaker()
        self._lock = threading.Lock()
        self._client: Any = None
        self._take: Any = None
        self._count: Any = None

    def get(self, key: str) -> bytes | None:
        """The value of a key, or None."""
        found: bytes | None = self._call(lambda client: client.get(key), None)
        return found

    def put(self, key: str, value: bytes, ttl_ms: int) -> None:
        """Store a value for a time."""
        self._call(lambda client: client.set(key, value, px=ttl_ms), None)

    def claim(self, key: str, ttl_ms: int) -> bool:
        """Whether this caller is the first to claim the key in its time; True without answer."""
        return bool(self._call(lambda client: client.set(key, b"", px=ttl_ms, nx=True), True))

    def forget(self, key: str) -> None:
        """Remove a key."""
        self._call(lambda client: client.delete(key), None)

    def take_token(self, key: str, per_second: float, burst: int) -> Bucket | None:
        """Take one token from a bucket of `burst` that refills at a rate; None without answer."""
        answer = self._call(lambda _: self._take(keys=[key], args=[per_second, burst]), None)
        return None if answer is None else Bucket(bool(answer[0]), int(answer[1]), int(answer[2]))

    def count(self, key: str, member: str, ttl_s: int) -> int:
        """Add a member to a set of which only the size is known; returns the growth of the size."""
        return int(self._call(lambda _: self._count(keys=[key], args=[member, ttl_s]), 0))

    def size(self, key: str) -> int | None:
        """About how many members were added (1 % off); None without answer."""
        found: int | None = self._call(lambda client: client.pfcount(key), None)
        return found

    def _call[T](self, operation: Callable[[Any], T], otherwise: T) -> T:
        """The answer of an operation, or `otherwise` when there is none in time."""
        if not self._breaker.allows():
            return otherwise
        try:
            client = self._connected()
            started = time.monotonic()
            answer = operation(client)
        except ResponseError as fault:
            if str(fault).startswith("WRONGTYPE"):  # a foreign entry under this key: no outage
                return otherwise
            self._gone(fault)
            return otherwise
        except Exception as fault:  # whatever it is, the CRM works without its cache
            self._gone(fault)
            return otherwise
        # An operation of several round trips may take long without exceeding any timeout.
        if time.monotonic() - started > CONNECT_S:
            self._breaker.failed()
        else:
            self._breaker.succeeded()
        return answer

    def _connected(self) -> Any:
        with self._lock:
            if self._client is None:
                self._client = ValkeyCluster.from_url(  # type: ignore[no-untyped-call]
                    self._url,
                    password=self._password(),
                    socket_connect_timeout=CONNECT_S,
                    socket_timeout=ANSWER_S,
                    # The breaker decides when to try again.
                    retry=Retry(NoBackoff(), 0),
                    cluster_error_retry_attempts=0,
                    # Without them a new connection takes two round trips less.
                    lib_name=None,
                    lib_version=None,
                )
                self._take = self._client.register_script(_TAKE)
                self._count = self._client.register_script(_COUNT)
            return self._client

    def _gone(self, fault: Exception) -> None:
        """Open the breaker, and connect anew next time: the cluster may have other nodes then."""
        self._breaker.failed()
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()
        logger().warning("cache fault", fault=describe(fault))
