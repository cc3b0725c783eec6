"""Use cases: check the right, load, decide, commit. One method per thing a user can ask for."""

from datetime import date
from typing import Any

from activities.events import NewTask, RecordType, TaskFields
from activities.model import Task
from activities.repository import ActivityRepository, TimelineEntry
from kernel.domain.aggregate import patched
from kernel.domain.auth import Area, Caller, Level, Permission
from kernel.domain.clock import Clock
from kernel.domain.errors import Invalid, NotFound
from kernel.domain.ids import new_id
from kernel.domain.ownership import check_hand_over, owned
from kernel.storage.store import Page

_AREAS = {
    RecordType.ACCOUNT: Area.CUSTOMERS,
    RecordType.CONTACT: Area.CUSTOMERS,
    RecordType.OPPORTUNITY: Area.OPPORTUNITIES,
    RecordType.PIPELINE: Area.OPPORTUNITIES,
    RecordType.PRODUCT: Area.OPPORTUNITIES,
    RecordType.TASK: Area.ACTIVITIES,
}


class ActivityService:
    """What users do with tasks and timelines."""

    def __init__(self, repository: ActivityRepository, now: Clock) -> None:
        self._repo, self._now = repository, now

    def create(self, caller: Caller, fields: NewTask) -> Task:
        """Note something to do, for oneself or for someone else."""
        caller.must(Level.WRITE, Area.ACTIVITIES)
        task, event = Task.create(
            caller.tenant_id, new_id(), owned(fields, caller), caller.user_id, self._now()
        )
        return self._repo.tasks.save(caller, None, task, event)

    def get(self, caller: Caller, task_id: str) -> Task:
        """A task."""
        caller.must(Level.READ, Area.ACTIVITIES)
        return self._repo.tasks.get(caller.tenant_id, task_id, consistent=False)

    def of_assignee(
        self,
        caller: Caller,
        assignee_id: str | None,
        *,
        closed: bool,
        due: tuple[date | None, date | None],
        limit: int,
        cursor: str | None,
    ) -> Page[Task]:
        """A user's tasks (default: the caller's own) in due order."""
        caller.must(Level.READ, Area.ACTIVITIES)
        first, last = due
        if first and last and last < first:
            raise Invalid.field("due_to", f"is before due_from ({first})")
        return self._repo.of_assignee(
            caller.tenant_id,
            assignee_id or caller.user_id,
            closed=closed,
            due=due,
            limit=limit,
            after=cursor,
        )

    def update(
        self, caller: Caller, task_id: str, expected: int | None, patch: dict[str, Any]
    ) -> Task:
        """Change a task; its owner and its assignee may give it to someone else."""
        before = self._changeable(caller, task_id, expected)
        fields = patched(before, patch, TaskFields)
        check_hand_over(caller, before, fields)
        if fields.assignee_id != before.assignee_id:
            self._must_be_able_to_assign(caller, before)
        after, events = before.update(fields)
        return self._repo.tasks.save(caller, before, after, *events) if events else before

    def complete(self, caller: Caller, task_id: str, expected: int | None) -> Task:
        """Mark a task as done."""
        before = self._changeable(caller, task_id, expected)
        after, event = before.complete(caller.user_id, self._now())
        return self._repo.tasks.save(caller, before, after, event)

    def reopen(self, caller: Caller, task_id: str, expected: int | None) -> Task:
        """Mark a task as to be done again."""
        before = self._changeable(caller, task_id, expected)
        after, event = before.reopen()
        return self._repo.tasks.save(caller, before, after, event)

    def timeline(
        self, caller: Caller, record_type: str, record_id: str, limit: int, cursor: str | None
    ) -> Page[TimelineEntry]:
        """What happened to a record; the right is that of the record's own kind.

        Every record has begun somehow: where nothing is told, there is no record to be seen (yet).
        """
        if record_type not in set(RecordType):
            known = ", ".join(RecordType)
            raise NotFound(f"There are no timelines of {record_type!r}; there are of: {known}.")
        caller.must(Level.READ, _AREAS[RecordType(record_type)])
        page = self._repo.timeline(caller.tenant_id, record_type, record_id, limit, cursor)
        if cursor is None and not page.items:
            raise NotFound(
                f"There is nothing on the timeline of {record_type} {record_id}; what has just "
                "happened is there within seconds."
            )
        return page

    def _changeable(self, caller: Caller, task_id: str, expected: int | None) -> Task:
        caller.must(Level.WRITE, Area.ACTIVITIES)
        return self._repo.tasks.get(caller.tenant_id, task_id).expect(expected).live()

    @staticmethod
    def _must_be_able_to_assign(caller: Caller, task: Task) -> None:
        if caller.user_id not in (task.owner_id, task.assignee_id):
            caller.must_be_allowed(Permission.REASSIGN_OTHERS)
