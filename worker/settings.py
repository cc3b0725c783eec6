"""The environment of the worker itself; the definitions of its jobs name their own settings."""

from dataclasses import replace
from typing import NamedTuple

from kernel.tasks.worker.timing import WorkerTiming

_HEARTBEATS_PER_TIMEOUT = 3


class WorkerSettings(NamedTuple):
    """The settings of a worker process."""

    task_queue_url: str
    """The queue from which it receives tasks."""
    worker_visibility_timeout: int = 0
    """Seconds until a dead worker's task is delivered again; 0 means the default."""
    ecs_agent_uri: str = ""
    """Set by ECS: the address of the agent that protects a busy task."""


def timing(settings: WorkerSettings) -> WorkerTiming:
    """The intervals of the loop; heartbeats follow the visibility timeout."""
    seconds = settings.worker_visibility_timeout
    if not seconds:
        return WorkerTiming()
    interval = seconds / _HEARTBEATS_PER_TIMEOUT
    return replace(WorkerTiming(), visibility_timeout=seconds, heartbeat_interval=interval)
