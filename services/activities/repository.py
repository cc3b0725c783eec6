"""Tasks and timelines in DynamoDB: keys and mapping, nothing else.

Keys, each prefixed with the tenant:
  gsi1  TASKS#<assignee>#open|closed        <due day>#<task id>   in due order, undated last
  TIMELINE#<type>#<id> (table itself)       <time>#<sequence>#<event id>   its timeline
"""

from datetime import date

from pydantic import AwareDatetime, BaseModel, Field

from activities.model import Task
from kernel.domain.clock import Clock, rfc3339
from kernel.domain.dates import NO_DATE, key_range
from kernel.domain.events import UserId
from kernel.domain.ids import Id
from kernel.storage import cursor as cursors
from kernel.storage.archived import Archived
from kernel.storage.differences import log_unreadable, readable
from kernel.storage.packing import pack, unpack
from kernel.storage.records import Page, RecordStore
from kernel.storage.table import Item, Put, Table


def _index(task: Task) -> Item:
    state = "closed" if task.closed else "open"
    return {
        "gsi1pk": f"TENANT#{task.tenant_id}#TASKS#{task.assignee_id}#{state}",
        "gsi1sk": f"{task.due_on or NO_DATE}#{task.id}",
    }


class TaskRepository(RecordStore[Task]):
    """The tasks in the context's table."""

    def __init__(self, table: Table, clock: Clock) -> None:
        super().__init__(table, Task, "task", _index, clock)

    def list_by_assignee(
        self,
        tenant_id: str,
        assignee_id: str,
        *,
        closed: bool,
        due: tuple[date | None, date | None],
        limit: int,
        cursor: str | None,
        archived: Archived = Archived.EXCLUDE,
    ) -> Page[Task]:
        """A user's open or closed tasks in due order.

        `due` is the first and the last day; with either of them undated tasks are left out.
        """
        return self.page(
            tenant_id,
            f"TASKS#{assignee_id}#{'closed' if closed else 'open'}",
            index="gsi1",
            limit=limit,
            cursor=cursor,
            between=key_range(*due),
            archived=archived,
        )


MAX_ENTRY_TEXT = 4_000
"""Longer texts, about many changes at once, are cut off."""


class TimelineEntry(BaseModel):
    """One event on one record's timeline."""

    at: AwareDatetime
    type: str = Field(max_length=100, description="The event's type, such as `AccountCreated`.")
    text: str = Field(max_length=MAX_ENTRY_TEXT)
    actor: UserId
    subject: str = Field(
        max_length=100, description="The record the event is about: `opportunity/<id>`."
    )
    sequence: int = Field(ge=1, description="The event's number among those of its subject.")
    event_id: Id
    correlation_id: str = Field(max_length=128)


class TimelineRepository:
    """The timelines in the context's table."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def list(
        self, tenant_id: str, record_type: str, record_id: str, limit: int, cursor: str | None
    ) -> Page[TimelineEntry]:
        """A record's timeline, newest first."""
        scope = f"timeline {record_type} {record_id}"
        page = self._table.query(
            _timeline(tenant_id, record_type, record_id),
            limit=limit,
            after=cursors.decode(tenant_id, scope, cursor),
            newest_first=True,
        )
        return Page(
            items=readable(_entry, page.items),
            next_cursor=cursors.encode(tenant_id, scope, page.last_key),
        )


def _entry(item: Item) -> TimelineEntry:
    """An entry. Raises UnreadableRecord for an item that is none."""
    try:
        return TimelineEntry.model_validate_json(unpack(item["doc"]))
    except (LookupError, TypeError, ValueError) as error:
        raise log_unreadable(str(item["pk"]), error) from error


def timeline_item(tenant_id: str, record_type: str, record_id: str, entry: TimelineEntry) -> Put:
    """The write that adds an entry to a record's timeline; repeating it changes nothing.

    Events of one transaction have the same time, so the key includes the sequence.
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
