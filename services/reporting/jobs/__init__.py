"""The jobs of reporting; only workers and the function ReportingAnalytics load this package."""

from kernel.runtime.aws import client
from kernel.runtime.capacity import capacity
from kernel.tasks.job import Job
from kernel.tasks.registry import JobDefinition, WorkerDisk
from reporting.bootstrap import files, lake_bucket, people, runs
from reporting.jobs.report import ReportJob
from reporting.lake.cache import CACHE_BYTES, LakeCache
from reporting.lake.storage import S3LakeReader
from reporting.query.limits import EngineLimits
from reporting.settings import FilesSettings, LakeSettings, TableSettings


def _report_job(disk: WorkerDisk) -> Job:
    folder = disk.folder / "lake"
    folder.mkdir(parents=True, exist_ok=True)
    reader = S3LakeReader(client("s3"), lake_bucket())
    cache = LakeCache(reader, folder, limit_bytes=disk.cache_bytes or CACHE_BYTES)
    limits = EngineLimits.within(capacity(), disk.temporary_bytes)
    return ReportJob(runs(), files(), cache, limits, people())


JOBS = (JobDefinition("report", (TableSettings, LakeSettings, FilesSettings), _report_job),)
