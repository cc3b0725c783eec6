"""Task runs in a context's table: keys, lists, changes without an expected version, and progress.

<KIND>#<run id>  PROGRESS    the worker's progress: not part of the record, without a version or
                             events, expires after a week
Index keys, each prefixed with the tenant:
  gsi1  OWNER#<owner>        <run id>     a user's runs, newest first
  gsi2  RUNS                 <run id>     the runs of all users, newest first
A tenant's slots and the runs that wait for one are in two partitions of their own (slots.py).
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from kernel.domain.aggregate import Change
from kernel.domain.clock import rfc3339
from kernel.domain.errors import Busy, NotFound, StaleVersion
from kernel.domain.principal import system_request
from kernel.storage.differences import log_unreadable
from kernel.storage.records import Page, RecordStore
from kernel.storage.table import Item, Table
from kernel.storage.unit_of_work import UnitOfWork
from kernel.tasks.run import TaskRun

_PROGRESS_TTL_SECONDS = 7 * 24 * 3600
_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class RecordedProgress:
    """The progress of a worker."""

    percent: int
    text: str
    at: datetime


def index_keys(run: TaskRun) -> Item:
    """The keys of a run in the indexes."""
    tenant = f"TENANT#{run.tenant_id}#"
    return {
        "gsi1pk": f"{tenant}OWNER#{run.owner_id}",
        "gsi1sk": run.id,
        "gsi2pk": f"{tenant}RUNS",
        "gsi2sk": run.id,
    }


class TaskRunRepository[R: TaskRun]:
    """The task runs of one kind."""

    def __init__(self, table: Table, runs: RecordStore[R]) -> None:
        """`runs` has the keys of `index_keys`."""
        self._table, self.runs, self._name = table, runs, runs.record_type

    def list_by_owner(
        self, tenant_id: str, owner_id: str, limit: int, cursor: str | None
    ) -> Page[R]:
        """A user's runs, newest first."""
        return self._newest(tenant_id, f"OWNER#{owner_id}", "gsi1", limit, cursor)

    def list_all(self, tenant_id: str, limit: int, cursor: str | None) -> Page[R]:
        """All runs of the tenant, newest first."""
        return self._newest(tenant_id, "RUNS", "gsi2", limit, cursor)

    def _newest(
        self, tenant_id: str, partition: str, index: str, limit: int, cursor: str | None
    ) -> Page[R]:
        return self.runs.page(
            tenant_id, partition, index=index, limit=limit, cursor=cursor, newest_first=True
        )

    def change(
        self,
        tenant_id: str,
        run_id: str,
        decide: Callable[[R], Change[R]],
        by: UnitOfWork | None = None,
    ) -> R:
        """Read, decide and commit; repeat when another writer was faster.

        No version is expected, because the states of a run guard its transitions. Without `by` the
        CRM itself acts on behalf of the request. Raises NotFound, or Busy after many repetitions.
        """
        for _ in range(_ATTEMPTS):
            before = self.runs.get(tenant_id, run_id)
            request = system_request(tenant_id, correlation_id=before.correlation_id)
            try:
                return self.runs.save(by or UnitOfWork(request), before, decide(before))
            except StaleVersion:
                continue
        raise Busy(f"Too many changes to the same {self._name} at once; send the request again.")

    def with_progress(self, tenant_id: str, run_id: str) -> tuple[R, RecordedProgress | None]:
        """A run and its progress, in one Query. Raises NotFound."""
        page = self._table.query(
            self.runs.key(tenant_id, run_id), between=("PROGRESS", "STATE"), limit=2
        )
        items = {str(item["sk"]): item for item in page.items}
        if "STATE" not in items:
            raise NotFound(f"There is no {self._name} {run_id}.")
        run = self.runs.from_item(items["STATE"])
        return run, _progress(items.get("PROGRESS"))

    def record_progress(self, tenant_id: str, run_id: str, progress: RecordedProgress) -> None:
        """Store the progress of a worker in one small write."""
        self._table.put(
            {
                "pk": self.runs.key(tenant_id, run_id),
                "sk": "PROGRESS",
                "percent": progress.percent,
                "text": progress.text,
                "at": rfc3339(progress.at),
                "ttl": int(time.time()) + _PROGRESS_TTL_SECONDS,
            }
        )


def _progress(item: Item | None) -> RecordedProgress | None:
    """The progress in an item; None without one, or when it cannot be read."""
    if item is None:
        return None
    try:
        at = datetime.fromisoformat(str(item["at"]))
        return RecordedProgress(int(item["percent"]), str(item["text"]), at)
    except (LookupError, TypeError, ValueError) as error:
        log_unreadable(str(item["pk"]), error)
        return None
