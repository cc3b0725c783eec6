"""The intervals of a worker's loop, and the pauses after errors."""

import random
from dataclasses import dataclass

_MAX_PAUSE_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class WorkerTiming:
    """The intervals, in seconds."""

    poll_wait: int = 5
    """How long a poll waits for a task; an idle worker takes at most this long to stop."""
    visibility_timeout: int = 45
    """When the queue delivers a dead worker's task again: before a heartbeat is missed."""
    heartbeat_interval: float = 15.0
    """The time between two heartbeats, and between two extensions of the visibility timeout."""
    cancel_poll_interval: float = 2.0
    """The time between two checks whether the run was cancelled."""
    progress_interval: float = 1.0
    """The shortest time between two records of progress."""
    grace_period: float = 90.0
    """How long a job may take to stop; Fargate kills a task two minutes after SIGTERM."""


def backoff(faults: int) -> float:
    """Seconds to wait after this many consecutive errors, with jitter to spread the workers."""
    longest = min(_MAX_PAUSE_SECONDS, 0.25 * 2**faults)
    return round(random.uniform(longest / 2, longest), 2)  # noqa: S311
