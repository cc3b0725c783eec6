"""The HTTP face of activities: read the request, call one use case, shape the reply."""

from enum import StrEnum

from activities.bootstrap import service, table
from activities.events import NewTask, TaskFields, TaskState
from activities.repository import TimelineEntry
from kernel.domain.auth import Caller
from kernel.domain.dates import PlainDate
from kernel.domain.events import UserId
from kernel.storage.store import Page
from kernel.web.http import Api, ListQuery

handler = app = Api("activities", table)


class Shelf(StrEnum):
    """Tasks are looked for among what is to be done, or among what is done with."""

    OPEN = "open"
    CLOSED = "closed"


class TaskQuery(ListQuery):
    """Whose tasks (default: yours), open or closed, due when."""

    assignee_id: UserId | None = None
    status: Shelf = Shelf.OPEN
    due_from: PlainDate | None = None
    due_to: PlainDate | None = None


@app.post("/tasks", status=201)
def create_task(caller: Caller, body: NewTask) -> TaskState:
    """Note something to do."""
    return service().create(caller, body)


@app.get("/tasks")
def list_tasks(caller: Caller, query: TaskQuery) -> Page[TaskState]:
    """List tasks by due date, yours by default; those without a day come last."""
    return service().of_assignee(
        caller,
        query.assignee_id,
        closed=query.status is Shelf.CLOSED,
        due=(query.due_from, query.due_to),
        limit=query.limit,
        cursor=query.cursor,
    )


@app.get("/tasks/{task_id}")
def get_task(caller: Caller, task_id: str) -> TaskState:
    """Get a task."""
    return service().get(caller, task_id)


@app.patch("/tasks/{task_id}", TaskFields)
def update_task(
    caller: Caller, task_id: str, expected: int | None, patch: dict[str, object]
) -> TaskState:
    """Change a task, or give it to someone else."""
    return service().update(caller, task_id, expected, patch)


@app.post("/tasks/{task_id}/complete")
def complete_task(caller: Caller, task_id: str, expected: int | None) -> TaskState:
    """Mark a task as done."""
    return service().complete(caller, task_id, expected)


@app.post("/tasks/{task_id}/reopen")
def reopen_task(caller: Caller, task_id: str, expected: int | None) -> TaskState:
    """Mark a task as to be done again."""
    return service().reopen(caller, task_id, expected)


@app.get("/timeline/{record_type}/{record_id}")
def get_timeline(
    caller: Caller, record_type: str, record_id: str, query: ListQuery
) -> Page[TimelineEntry]:
    """List what happened to a record, newest first."""
    return service().timeline(caller, record_type, record_id, query.limit, query.cursor)
