"""Changes that are repeated when another change of the same record came first."""

import random
import time
from collections.abc import Callable

from kernel.domain.errors import Busy, StaleVersion

_ATTEMPTS = 6
_FIRST_PAUSE_SECONDS = 0.02


def retry_when_stale[T](change: Callable[[], T]) -> T:
    """Carry out a change that accepts any version; repeat it when another change came first.

    Raises Busy when every attempt fails.
    """
    for attempt in range(_ATTEMPTS):
        if attempt:
            time.sleep(random.uniform(0, _FIRST_PAUSE_SECONDS * 2**attempt))  # noqa: S311 - jitter
        try:
            return change()
        except StaleVersion:
            continue
    raise Busy("Other requests keep changing this record; send the request again shortly.")
