"""The environment of the worker itself; the definitions of its jobs name their own settings."""

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from kernel.tasks.registry import WorkerDisk
from kernel.tasks.worker.timing import WorkerTiming

_HEARTBEATS_PER_TIMEOUT = 3


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """The settings of a worker process."""

    task_queue_url: str
    """The queue from which it receives tasks."""
    work_folder: str = ""
    """For caches and temporary files; by default in the system's temporary folder."""
    cache_megabytes: int = 0
    """The size of each job's cache in the work folder; 0 means the job's default."""
    worker_visibility_timeout: int = 0
    """Seconds until a dead worker's task is delivered again; 0 means the default."""


def disk(settings: WorkerSettings) -> WorkerDisk:
    """The disk that the jobs may use."""
    folder = Path(settings.work_folder or Path(tempfile.gettempdir()) / "zebros-worker")
    return WorkerDisk(folder, settings.cache_megabytes * 1024**2 or None)


def timing(settings: WorkerSettings) -> WorkerTiming:
    """The intervals of the loop; heartbeats follow the visibility timeout."""
    seconds = settings.worker_visibility_timeout
    if not seconds:
        return WorkerTiming()
    interval = seconds / _HEARTBEATS_PER_TIMEOUT
    return replace(WorkerTiming(), visibility_timeout=seconds, heartbeat_interval=interval)
