"""Report runs in DynamoDB; keys and lists are those of all runs (kernel/tasks/repository.py)."""

from kernel.domain.clock import Clock
from kernel.storage.records import RecordStore
from kernel.storage.table import Table
from kernel.tasks.repository import TaskRunRepository, index_keys
from reporting.model import ReportRun


class ReportRepository(TaskRunRepository[ReportRun]):
    """The report runs in the context's table."""

    def __init__(self, table: Table, clock: Clock) -> None:
        super().__init__(table, RecordStore(table, ReportRun, "report", index_keys, clock))
