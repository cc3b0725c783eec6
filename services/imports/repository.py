"""Imports in DynamoDB; keys and lists are those of all runs (kernel/tasks/repository.py)."""

from imports.model import ImportRun
from kernel.domain.clock import Clock
from kernel.storage.records import RecordStore
from kernel.storage.table import Table
from kernel.tasks.repository import TaskRunRepository, index_keys


class ImportRepository(TaskRunRepository[ImportRun]):
    """The imports in the context's table."""

    def __init__(self, table: Table, clock: Clock) -> None:
        super().__init__(table, RecordStore(table, ImportRun, "import", index_keys, clock))
