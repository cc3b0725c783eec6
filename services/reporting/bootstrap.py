"""Wires this context to AWS, once per cold start."""

from functools import cache
from typing import Any

from kernel.domain.clock import utc_now
from kernel.runtime.aws import client
from kernel.runtime.settings import read_settings
from kernel.storage.records import RecordStore
from kernel.storage.references import References
from kernel.storage.table import Table
from kernel.tasks.admission import TaskAdmission
from kernel.tasks.slots import SlotRepository
from kernel.tasks.tiers import TaskTiers, Tier
from kernel.tasks.workflow import TaskWorkflow
from reporting.adapters.files import ReportFiles
from reporting.context import REFERENCES
from reporting.failures import FAILURES
from reporting.lake.size import LakeSize
from reporting.lake.storage import S3LakeReader
from reporting.lake.writer import LakeBucket
from reporting.model import ReportRun
from reporting.repository import ReportRepository
from reporting.service import ReportRunService, ReportService, ReportTiers
from reporting.settings import (
    FilesSettings,
    LakeSettings,
    TableSettings,
    TierSettings,
    WorkflowSettings,
)


@cache
def table() -> Table:
    """The context's table."""
    return Table(client("dynamodb"), read_settings(TableSettings).reporting_table_name)


@cache
def repository() -> ReportRepository:
    """The context's records."""
    return ReportRepository(table(), utc_now)


@cache
def people() -> References:
    """The people of the tenants, as their events say."""
    return References(table(), REFERENCES.projection, utc_now)


@cache
def slots() -> SlotRepository:
    """The tenants' slots for running reports."""
    return SlotRepository(table(), "report")


@cache
def files() -> ReportFiles:
    """The finished reports."""
    return ReportFiles(client("s3"), read_settings(FilesSettings).files_bucket, utc_now)


@cache
def service() -> ReportService:
    """The use cases of users."""
    return ReportService(repository(), slots(), files(), utc_now)


@cache
def runs() -> ReportRunService:
    """The use cases of the state machine's steps and of workers."""
    return ReportRunService(repository(), utc_now, FAILURES)


@cache
def tiers() -> TaskTiers[ReportRun]:
    """Where reports are made."""
    settings = read_settings(TierSettings)
    queues = {
        Tier.STANDARD: settings.standard_queue_url,
        Tier.ANALYTICS: settings.analytics_queue_url,
    }
    function = LakeSize.limit(settings.function_lake_megabytes, settings.function_lake_files)
    standard = LakeSize.limit(settings.standard_lake_megabytes, settings.standard_lake_files)
    lake = S3LakeReader(client("s3"), lake_bucket())
    return TaskTiers(queues, ReportTiers(lake, function, standard).choose)


@cache
def workflow() -> TaskWorkflow:
    """The state machine."""
    return TaskWorkflow(client("stepfunctions"), read_settings(WorkflowSettings).state_machine_arn)


@cache
def admission() -> TaskAdmission[ReportRun]:
    """The quota of running reports."""
    settings = read_settings(WorkflowSettings)
    limits = {
        "standard": settings.running_reports_standard,
        "premium": settings.running_reports_premium,
    }
    return TaskAdmission(repository(), slots(), workflow().start, limits, utc_now)


@cache
def lake() -> LakeBucket:
    """The event lake."""
    return LakeBucket(client("s3"), lake_bucket())


def lake_bucket() -> str:
    """The name of the event lake's bucket."""
    return read_settings(LakeSettings).lake_bucket


def stores() -> tuple[RecordStore[Any], ...]:
    """The stores of every type of record, for maintenance: straight from the table."""
    return (repository().runs,)
