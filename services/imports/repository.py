"""Imports in DynamoDB: keys and mapping, nothing else.

Index keys, each prefixed with the tenant:
  gsi1  OWNER#<owner>        <run id>     a user's imports, newest first
  gsi2  RUNS                 <run id>     the imports of all users, newest first
Progress is stored beside a run (kernel/tasks/repository.py), a tenant's slots and the runs that
wait for one in two partitions of their own (kernel/tasks/slots.py).
"""

from imports.model import ImportRun
from kernel.domain.clock import Clock
from kernel.storage.records import Page, RecordStore
from kernel.storage.table import Item, Table
from kernel.tasks.repository import TaskRunRepository


def _index(run: ImportRun) -> Item:
    tenant = f"TENANT#{run.tenant_id}#"
    return {
        "gsi1pk": f"{tenant}OWNER#{run.owner_id}",
        "gsi1sk": run.id,
        "gsi2pk": f"{tenant}RUNS",
        "gsi2sk": run.id,
    }


class ImportRepository(TaskRunRepository[ImportRun]):
    """The imports in the context's table."""

    def __init__(self, table: Table, clock: Clock) -> None:
        super().__init__(table, RecordStore(table, ImportRun, "import", _index, clock), "import")

    def list_by_owner(
        self, tenant_id: str, owner_id: str, limit: int, cursor: str | None
    ) -> Page[ImportRun]:
        """A user's imports, newest first."""
        return self.runs.page(
            tenant_id,
            f"OWNER#{owner_id}",
            index="gsi1",
            limit=limit,
            cursor=cursor,
            newest_first=True,
        )

    def list_all(self, tenant_id: str, limit: int, cursor: str | None) -> Page[ImportRun]:
        """All imports of the tenant, newest first."""
        return self.runs.page(
            tenant_id, "RUNS", index="gsi2", limit=limit, cursor=cursor, newest_first=True
        )
