"""Report runs in DynamoDB: keys and mapping, nothing else.

Index keys (each with the tenant in front):
  gsi1  OWNER#<owner>        <run id>     a user's runs, newest first
  gsi2  RUNS                 <run id>     everyone's runs, newest first
  REPORT#<run id> (table itself)  PROGRESS    how far the worker is: not a part of the record, has
                                              no version and no event, and goes after a week
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from kernel.domain.aggregate import Change
from kernel.domain.clock import Clock, rfc3339
from kernel.domain.errors import Busy, NotFound, StaleVersion
from kernel.domain.principal import system_request
from kernel.storage.records import Page, RecordStore
from kernel.storage.table import Item, Table
from kernel.storage.unit_of_work import UnitOfWork
from reporting.model import ReportRun

_PROGRESS_TTL_SECONDS = 7 * 24 * 3600
_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a worker is."""

    percent: int
    text: str
    at: datetime


def _index(run: ReportRun) -> Item:
    tenant = f"TENANT#{run.tenant_id}#"
    return {
        "gsi1pk": f"{tenant}OWNER#{run.owner_id}",
        "gsi1sk": run.id,
        "gsi2pk": f"{tenant}RUNS",
        "gsi2sk": run.id,
    }


class ReportRepository:
    """All records of this context in its one table."""

    def __init__(self, table: Table, clock: Clock) -> None:
        self._table = table
        self.runs = RecordStore(table, ReportRun, "report", _index, clock)

    def change(
        self,
        tenant_id: str,
        run_id: str,
        decide: Callable[[ReportRun], Change[ReportRun]],
        by: UnitOfWork | None = None,
    ) -> ReportRun:
        """Read, decide, commit; again from the start when someone else was faster.

        Nobody sends a version here: the states of a run are its own guard. Without `by` it is the
        CRM itself that acts, on behalf of the request. Raises NotFound.
        """
        for _ in range(_ATTEMPTS):
            before = self.runs.get(tenant_id, run_id)
            request = system_request(tenant_id, correlation_id=before.correlation_id)
            try:
                return self.runs.save(by or UnitOfWork(request), before, decide(before))
            except StaleVersion:
                continue
        raise Busy("Too many changes to the same report at once; send the request again.")

    def with_progress(self, tenant_id: str, run_id: str) -> tuple[ReportRun, Progress | None]:
        """A run and how far it is: one Query. Raises NotFound."""
        found = self._table.query(
            self.runs.key(tenant_id, run_id), between=("PROGRESS", "STATE"), limit=2
        )
        items = {str(item["sk"]): item for item in found.items}
        if "STATE" not in items:
            raise NotFound(f"There is no report {run_id}.")
        run = self.runs.from_item(items["STATE"])
        noted = items.get("PROGRESS")
        if noted is None:
            return run, None
        at = datetime.fromisoformat(str(noted["at"]))
        return run, Progress(int(noted["percent"]), str(noted["text"]), at)

    def note(self, tenant_id: str, run_id: str, progress: Progress) -> None:
        """Write down how far a worker is: one small write."""
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

    def of_owner(
        self, tenant_id: str, owner_id: str, limit: int, cursor: str | None
    ) -> Page[ReportRun]:
        """A user's runs, newest first."""
        return self.runs.page(
            tenant_id,
            f"OWNER#{owner_id}",
            index="gsi1",
            limit=limit,
            cursor=cursor,
            newest_first=True,
        )

    def of_everyone(self, tenant_id: str, limit: int, cursor: str | None) -> Page[ReportRun]:
        """All runs of the tenant, newest first."""
        return self.runs.page(
            tenant_id, "RUNS", index="gsi2", limit=limit, cursor=cursor, newest_first=True
        )
