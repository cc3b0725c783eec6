"""The environment of the worker itself; what its jobs read is in their definitions."""

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from kernel.tasks.registry import WorkerDisk
from kernel.tasks.worker.timing import WorkerTiming

_HEARTBEATS_PER_TIMEOUT = 3


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """What a worker process is started with."""

    task_queue_url: str
    """The queue to take tasks from."""
    work_folder: str = ""
    """For caches and temporary files; empty: below the system's."""
    cache_megabytes: int = 0
    """How much each job may keep in the work folder; 0: the job's own default."""
    worker_visibility_timeout: int = 0
    """Seconds until a dead worker's task is delivered again; 0: the default."""


def disk(settings: WorkerSettings) -> WorkerDisk:
    """The disk for the jobs."""
    folder = Path(settings.work_folder or Path(tempfile.gettempdir()) / "zebros-worker")
    return WorkerDisk(folder, settings.cache_megabytes * 1024**2 or None)


def timing(settings: WorkerSettings) -> WorkerTiming:
    """The intervals of the loop; heartbeats follow the visibility timeout."""
    seconds = settings.worker_visibility_timeout
    if not seconds:
        return WorkerTiming()
    interval = seconds / _HEARTBEATS_PER_TIMEOUT
    return replace(WorkerTiming(), visibility_timeout=seconds, heartbeat_interval=interval)
