"""The jobs of imports; only workers load this package."""

from imports.adapters.collections import FunctionCollections
from imports.adapters.run_files import RunFiles
from imports.bootstrap import runs
from imports.jobs.importing import ImportJob
from imports.settings import CollectionSettings, FilesSettings, TableSettings
from kernel.domain.clock import utc_now
from kernel.runtime.aws import client
from kernel.runtime.settings import read_settings
from kernel.tasks.job import Job
from kernel.tasks.registry import JobDefinition, WorkerDisk


def functions(settings: CollectionSettings) -> dict[str, str]:
    """The function behind the API of each collection."""
    return {
        "accounts": settings.customers_api_arn,
        "contacts": settings.customers_api_arn,
        "products": settings.opportunities_api_arn,
        "opportunities": settings.opportunities_api_arn,
    }


def _import_job(_: WorkerDisk) -> Job:
    files = RunFiles(client("s3"), read_settings(FilesSettings).files_bucket)
    arns = functions(read_settings(CollectionSettings))
    return ImportJob(runs(), files, FunctionCollections(client("lambda"), arns, utc_now))


JOBS = (JobDefinition("import", (TableSettings, FilesSettings, CollectionSettings), _import_job),)
