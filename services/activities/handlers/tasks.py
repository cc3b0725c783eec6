"""REST routes of tasks."""

from enum import StrEnum

from pydantic import Field

from activities.bootstrap import tasks
from activities.events import NewTask, TaskFields, TaskState
from activities.model import Task
from activities.service import Due
from kernel.domain.aggregate import Version
from kernel.domain.dates import BusinessDate, PlainDate
from kernel.domain.events import UserId
from kernel.domain.principal import RequestContext
from kernel.storage.records import Page
from kernel.storage.unit_of_work import UnitOfWork
from kernel.web.models import Body, PeopleQuery, RecordQuery
from kernel.web.reassigning import Reassignment, ReassignmentResults, reassign_each
from kernel.web.routes import Routes

routes = Routes()


class TaskListStatus(StrEnum):
    """Which tasks a list shows."""

    OPEN = "open"
    CLOSED = "closed"


class TaskQuery(RecordQuery):
    """Filters: the assignee (default: the caller), open or closed, and when tasks are due."""

    assignee_id: UserId | None = None
    status: TaskListStatus = TaskListStatus.OPEN
    due: Due | None = Field(
        None, description="Seen from today in the tenant's time zone; in place of the two days."
    )
    due_from: PlainDate | None = None
    due_to: PlainDate | None = None


class DeferTask(Body):
    """To which day a task is deferred."""

    due_on: BusinessDate = Field(description="The new due day.")


@routes.post("/tasks", status=201)
def create_task(unit: UnitOfWork, body: NewTask) -> TaskState:
    """Create a task.

    It is assigned to you unless `assignee_id` names somebody else, who gets a notification.
    """
    return tasks().create(unit, body)


@routes.get("/tasks")
def list_tasks(request: RequestContext, query: TaskQuery) -> Page[TaskState]:
    """List tasks by due date, yours by default, undated last.

    Open tasks unless `status` says otherwise. What is overdue is decided by today in the
    tenant's time zone.
    """
    return tasks().list_by_assignee(
        request,
        query.assignee_id,
        closed=query.status is TaskListStatus.CLOSED,
        due=query.due,
        days=(query.due_from, query.due_to),
        limit=query.limit,
        cursor=query.cursor,
        archived=query.archived,
    )


@routes.post("/tasks/reassign", status=207)
def reassign_tasks(unit: UnitOfWork, body: Reassignment) -> ReassignmentResults:
    """Give the open tasks of a person to another one.

    Up to `limit` of them in one request, each answered on its own; `next_cursor` is there until
    none is left, so the work can be stopped and gone on with. For the records of others it
    needs the permission to reassign.
    """
    page = tasks().list_to_hand_over(unit, body.from_id, body.to_id, body.limit, body.cursor)

    def give(task: TaskState) -> Task:
        patch: dict[str, object] = {"assignee_id": body.to_id}
        if task.owner_id == body.from_id:
            patch = body.patch(**patch, owner_id=body.to_id)
        return tasks().update(unit.for_record(), task.id, task.version, patch)

    return reassign_each(page, give)


@routes.get("/tasks/{task_id}")
def get_task(
    request: RequestContext,
    task_id: str,
    query: PeopleQuery,  # noqa: ARG001 - the API adds the people
) -> TaskState:
    """Get a task.

    With the record that it is about.
    """
    return tasks().get(request, task_id)


@routes.patch("/tasks/{task_id}", TaskFields)
def update_task(
    unit: UnitOfWork, task_id: str, if_match: Version, patch: dict[str, object]
) -> TaskState:
    """Change fields of a task, or assign it to someone else.

    A JSON merge patch: fields that are absent stay, and null removes one. A new assignee gets a
    notification.
    """
    return tasks().update(unit, task_id, if_match, patch)


@routes.post("/tasks/{task_id}/complete")
def complete_task(unit: UnitOfWork, task_id: str, if_match: Version) -> TaskState:
    """Mark a task as completed.

    It moves to the closed tasks, with the time of completion.
    """
    return tasks().complete(unit, task_id, if_match)


@routes.post("/tasks/{task_id}/start")
def start_task(unit: UnitOfWork, task_id: str, if_match: Version) -> TaskState:
    """Mark a task as in progress.

    It stays open. A closed task is reopened first.
    """
    return tasks().start(unit, task_id, if_match)


@routes.post("/tasks/{task_id}/defer")
def defer_task(unit: UnitOfWork, task_id: str, if_match: Version, body: DeferTask) -> TaskState:
    """Mark a task as deferred, with a new due day.

    It stays open, with another due day.
    """
    return tasks().defer(unit, task_id, if_match, body.due_on)


@routes.post("/tasks/{task_id}/cancel")
def cancel_task(unit: UnitOfWork, task_id: str, if_match: Version) -> TaskState:
    """Mark a task as cancelled.

    It moves to the closed tasks. Reopening it moves it back.
    """
    return tasks().cancel(unit, task_id, if_match)


@routes.post("/tasks/{task_id}/reopen")
def reopen_task(unit: UnitOfWork, task_id: str, if_match: Version) -> TaskState:
    """Reopen a completed or cancelled task.

    It moves back to the open tasks.
    """
    return tasks().reopen(unit, task_id, if_match)


@routes.post("/tasks/{task_id}/restore")
def restore_task(unit: UnitOfWork, task_id: str, if_match: Version) -> TaskState:
    """Restore an archived task.

    It was archived when the context was restored to a time before it. It appears in lists
    again.
    """
    return tasks().restore(unit, task_id, if_match)


@routes.post("/tasks/{task_id}/release-external-ids")
def release_external_ids_of_task(unit: UnitOfWork, task_id: str, if_match: Version) -> TaskState:
    """Release the external ids of an archived task.

    Another record can have them then, for example the one that an import creates. A record that
    is not archived is a 422.
    """
    return tasks().release_external_ids(unit, task_id, if_match)
