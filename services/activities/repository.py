"""Tasks and timelines in DynamoDB: keys and mapping, nothing else.

Keys (each with the tenant in front):
  gsi1  TASKS#<assignee>#open|closed        <due day>#<task id>   in due order, undated last
  TIMELINE#<type>#<id> (table itself)       <time>#<sequence>#<event id>   what happened to it
"""

from datetime import date

from pydantic import AwareDatetime, BaseModel, Field

from activities.model import Task
from kernel.domain.clock import Clock, rfc3339
from kernel.domain.dates import NO_DATE, key_range
from kernel.storage import cursor
from kernel.storage.dynamo import Item, Put, Table
from kernel.storage.packing import pack, unpack
from kernel.storage.store import Page, Store


class TimelineEntry(BaseModel):
    """One thing that happened, on one record's timeline."""

    at: AwareDatetime
    type: str
    text: str
    actor: str
    subject: str = Field(description="The record the event is about: `opportunity/<id>`.")
    sequence: int = Field(description="The event's number among those of its subject.")
    event_id: str
    correlation_id: str


def _index(task: Task) -> Item:
    if task.archived_at:
        return {}
    shelf = "closed" if task.closed else "open"
    return {
        "gsi1pk": f"TENANT#{task.tenant_id}#TASKS#{task.assignee_id}#{shelf}",
        "gsi1sk": f"{task.due_on or NO_DATE}#{task.id}",
    }


class ActivityRepository:
    """All records of this context in its one table."""

    def __init__(self, table: Table, clock: Clock) -> None:
        self._table = table
        self.tasks = Store(table, Task, "task", _index, clock)

    def of_assignee(
        self,
        tenant_id: str,
        assignee_id: str,
        *,
        closed: bool,
        due: tuple[date | None, date | None],
        limit: int,
        after: str | None,
    ) -> Page[Task]:
        """A user's open or closed tasks in due order.

        `due` is the first and the last day; with either of them undated tasks are left out.
        """
        return self.tasks.page(
            tenant_id,
            f"TASKS#{assignee_id}#{'closed' if closed else 'open'}",
            index="gsi1",
            limit=limit,
            after=after,
            between=key_range(*due),
        )

    def timeline(
        self, tenant_id: str, record_type: str, record_id: str, limit: int, after: str | None
    ) -> Page[TimelineEntry]:
        """What happened to a record, newest first."""
        scope = f"timeline {record_type} {record_id}"
        found = self._table.query(
            _timeline(tenant_id, record_type, record_id),
            limit=limit,
            after=cursor.decode(tenant_id, scope, after),
            newest_first=True,
        )
        return Page(
            items=[TimelineEntry.model_validate_json(unpack(item["doc"])) for item in found.items],
            next_cursor=cursor.encode(tenant_id, scope, found.last_key),
        )


def timeline_item(tenant_id: str, record_type: str, record_id: str, entry: TimelineEntry) -> Put:
    """One entry on one record's timeline; written again it is the same item.

    Events of one commit have one time: their sequence keeps them in order.
    """
    return Put(
        {
            "pk": _timeline(tenant_id, record_type, record_id),
            "sk": f"{rfc3339(entry.at)}#{entry.sequence:012d}#{entry.event_id}",
            "doc": pack(entry.model_dump_json()),
        }
    )


def _timeline(tenant_id: str, record_type: str, record_id: str) -> str:
    return f"TENANT#{tenant_id}#TIMELINE#{record_type}#{record_id}"
