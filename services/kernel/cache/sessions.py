"""Active sessions per tenant and hour, counted in the cache without storing who they are.

The authorizer counts a session when it verifies its token. API Gateway remembers the outcome for
300 s, so a session counts in the hour of a request, or in the one up to 300 s before it.
"""

from datetime import UTC, datetime

from kernel.cache.keys import cache_key
from kernel.cache.port import Cache
from kernel.domain.clock import Clock

_VERSION = 1
_KEPT_S = 26 * 3600
"""A day, and the hours around it, are there for whoever reads them."""


class ActiveSessions:
    """The number of sessions that made a request in an hour (UTC)."""

    def __init__(self, cache: Cache, now: Clock) -> None:
        self._cache, self._now = cache, now

    def seen(self, tenant_id: str, session_id: str) -> int:
        """Count a session in the current hour.

        Returns by how much the number of active sessions grew: 1 for the first request of a session
        in the hour, else 0. An error of 1 % in the number makes it another small number at times.
        """
        return self._cache.count(_key(tenant_id, self._now()), session_id, _KEPT_S)

    def active(self, tenant_id: str, hour: datetime) -> int | None:
        """How many sessions were active in an hour, about; None when the cache does not answer."""
        return self._cache.size(_key(tenant_id, hour))


def _key(tenant_id: str, hour: datetime) -> str:
    return cache_key(tenant_id, "sessions", _VERSION, f"{hour.astimezone(UTC):%Y%m%d%H}")
