"""A circuit breaker: after a failure, calls are left out for a pause, longer each time."""

import random
import threading
import time
from collections.abc import Callable

_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30.0


class CircuitBreaker:
    """Decides whether to call a service that callers can do without.

    It opens at the first failure: one slow request for each pause is the most that an outage
    costs a function instance. When the pause is over, one call is the test of the service.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._clock, self._jitter, self._lock = clock, jitter, threading.Lock()
        self._failures = 0
        self._closed_from = 0.0

    def allows(self) -> bool:
        """Whether to make a call now; after a pause only the first caller may."""
        if self._failures == 0:
            return True
        with self._lock:
            now = self._clock()
            if now < self._closed_from:
                return False
            self._closed_from = now + self._pause()
            return True

    def succeeded(self) -> None:
        """A call was answered in time."""
        self._failures = 0

    def failed(self) -> None:
        """A call failed, or took too long."""
        with self._lock:
            self._failures += 1
            self._closed_from = self._clock() + self._pause()

    def _pause(self) -> float:
        """Seconds of the pause: doubled by every failure, at most 30, minus up to half of it.

        The jitter keeps the instances from testing a service that recovers at the same moment.
        """
        longest = min(_FIRST_PAUSE_S * 2.0 ** (self._failures - 1), _LONGEST_PAUSE_S)
        return longest * (1 - self._jitter() / 2)
