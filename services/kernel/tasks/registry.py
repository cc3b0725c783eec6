"""Discovers the jobs that contexts declare."""

import importlib
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kernel.runtime.settings import DiskSettings
from kernel.tasks.job import Job

SERVICES = Path(__file__).resolve().parents[2]
_MEGABYTE = 1024**2


@dataclass(frozen=True, slots=True)
class WorkerDisk:
    """The local disk that a worker's jobs may use."""

    folder: Path
    cache_bytes: int | None = None
    """Bytes that a job may keep there between two tasks; None means the job's default."""
    temporary_bytes: int | None = None
    """Bytes that a job may use during a task; None means the job's default."""

    @classmethod
    def of(cls, settings: DiskSettings) -> "WorkerDisk":
        """The disk that the settings describe."""
        folder = Path(settings.work_folder or Path(tempfile.gettempdir()) / "zebros-worker")
        return cls(
            folder,
            settings.cache_megabytes * _MEGABYTE or None,
            settings.temporary_megabytes * _MEGABYTE or None,
        )


@dataclass(frozen=True, slots=True)
class JobDefinition:
    """One kind of task: its name, the settings its job reads, and how the job is made."""

    name: str
    """The value of the field `job` in its tasks."""
    settings: tuple[type, ...]
    """The settings the job reads (kernel.runtime.settings)."""
    make: Callable[[WorkerDisk], Job]


def discover(services: Path = SERVICES) -> tuple[JobDefinition, ...]:
    """The `JOBS` of every context that has a package `jobs`, in order of the contexts' names."""
    contexts = sorted(path.parents[1].name for path in services.glob("*/jobs/__init__.py"))
    modules = (importlib.import_module(f"{context}.jobs") for context in contexts)
    return tuple(job for module in modules for job in module.JOBS)
