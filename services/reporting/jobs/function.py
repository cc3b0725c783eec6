"""The Lambda function that makes small reports with the same job as the worker."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from kernel.runtime.settings import DiskSettings, read_settings
from kernel.tasks.job import Job
from kernel.tasks.registry import WorkerDisk
from kernel.tasks.worker.function import TaskFunction
from reporting.jobs import JOBS


@cache
def jobs() -> Mapping[str, Job]:
    """The jobs of this context, once per cold start."""
    return {definition.name: definition.make(_disk()) for definition in JOBS}


def temporary() -> Path:
    """The folder of temporary files."""
    return _disk().folder / "temporary"


@cache
def _disk() -> WorkerDisk:
    return WorkerDisk.of(read_settings(DiskSettings))


handler = TaskFunction(jobs, temporary)
