"""The worker's environment, read in one place.

  TASK_QUEUE_URL             the queue to take tasks from (required)
  WORK_FOLDER                for caches and temporary files (default: below the system's)
  CACHE_MEGABYTES            how much each job may keep there (default: the job's own)
  WORKER_VISIBILITY_TIMEOUT  seconds until a dead worker's task is delivered again (default: 45)

What the jobs themselves read is in their definitions (`<context>/jobs/`).
"""

import os
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from kernel.tasks.registry import WorkerDisk
from kernel.tasks.worker.timing import WorkerTiming

REQUIRED = ("TASK_QUEUE_URL",)
_HEARTBEATS_PER_TIMEOUT = 3


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """What a worker process is started with."""

    queue_url: str
    disk: WorkerDisk
    timing: WorkerTiming


def read_settings() -> WorkerSettings:
    """The settings of this process. Raises KeyError when a required variable is missing."""
    folder = os.environ.get("WORK_FOLDER") or Path(tempfile.gettempdir()) / "zebros-worker"
    megabytes = os.environ.get("CACHE_MEGABYTES")
    return WorkerSettings(
        queue_url=os.environ["TASK_QUEUE_URL"],
        disk=WorkerDisk(Path(folder), int(megabytes) * 1024**2 if megabytes else None),
        timing=_timing(os.environ.get("WORKER_VISIBILITY_TIMEOUT")),
    )


def _timing(visibility_timeout: str | None) -> WorkerTiming:
    if visibility_timeout is None:
        return WorkerTiming()
    seconds = int(visibility_timeout)
    return replace(
        WorkerTiming(),
        visibility_timeout=seconds,
        heartbeat_interval=seconds / _HEARTBEATS_PER_TIMEOUT,
    )
