"""Wires this context to AWS, once per cold start."""

from functools import cache
from typing import Any

from imports.adapters.uploads import Uploads
from imports.failures import FAILURES
from imports.model import ImportRun
from imports.repository import ImportRepository
from imports.service import MAX_RUN_SECONDS, POLICY, ImportRunService, ImportService
from imports.settings import FilesSettings, QueueSettings, TableSettings, WorkflowSettings
from kernel.domain.clock import utc_now
from kernel.runtime.aws import client
from kernel.runtime.settings import read_settings
from kernel.storage.records import RecordStore
from kernel.storage.table import Table
from kernel.tasks.admission import TaskAdmission
from kernel.tasks.slots import SlotRepository
from kernel.tasks.tiers import TaskTiers, Tier
from kernel.tasks.workflow import TaskWorkflow


@cache
def table() -> Table:
    """The context's table."""
    return Table(client("dynamodb"), read_settings(TableSettings).imports_table_name)


@cache
def repository() -> ImportRepository:
    """The context's records."""
    return ImportRepository(table(), utc_now)


@cache
def slots() -> SlotRepository:
    """The tenants' slots for running imports."""
    return SlotRepository(table(), "import")


@cache
def uploads() -> Uploads:
    """The uploaded files."""
    return Uploads(client("s3"), read_settings(FilesSettings).files_bucket, utc_now)


@cache
def service() -> ImportService:
    """The use cases of users."""
    return ImportService(repository(), slots(), uploads(), utc_now)


@cache
def runs() -> ImportRunService:
    """The use cases of the state machine's steps and of workers."""
    return ImportRunService(repository(), utc_now, FAILURES, POLICY)


@cache
def tiers() -> TaskTiers[ImportRun]:
    """Where imports are made: only by workers."""
    queues = {Tier.STANDARD: read_settings(QueueSettings).import_queue_url}
    return TaskTiers(queues, lambda _: Tier.STANDARD)


@cache
def workflow() -> TaskWorkflow:
    """The state machine."""
    return TaskWorkflow(client("stepfunctions"), read_settings(WorkflowSettings).state_machine_arn)


@cache
def admission() -> TaskAdmission[ImportRun]:
    """The quota of running imports."""
    settings = read_settings(WorkflowSettings)
    limits = {
        "standard": settings.running_imports_standard,
        "premium": settings.running_imports_premium,
    }
    return TaskAdmission(repository(), slots(), workflow().start, limits, utc_now, MAX_RUN_SECONDS)


def stores() -> tuple[RecordStore[Any], ...]:
    """The stores of every type of record, for maintenance: straight from the table."""
    return (repository().runs,)
