"""Use cases of tasks and timelines: check the right, load, decide, commit."""

from collections.abc import Container
from datetime import date, timedelta
from enum import StrEnum
from typing import Any

from activities.context import ACTIVITIES
from activities.events import NewTask, TaskFields
from activities.model import Task
from activities.repository import TaskRepository, TimelineEntry, TimelineRepository
from kernel.domain.aggregate import Mended, Version
from kernel.domain.clock import Clock
from kernel.domain.errors import Invalid, NotFound
from kernel.domain.ids import new_id
from kernel.domain.merge_patch import patched_fields
from kernel.domain.ownership import (
    ensure_may_change,
    ensure_may_hand_over,
    ensure_may_reassign,
    with_owner,
)
from kernel.domain.permissions import Area, Level
from kernel.domain.principal import RequestContext
from kernel.domain.references import PERSON, Reference
from kernel.domain.time_zones import today
from kernel.runtime.contexts import record_types
from kernel.storage.archived import Archived
from kernel.storage.records import Page
from kernel.storage.references import References
from kernel.storage.unit_of_work import UnitOfWork


class Due(StrEnum):
    """When tasks are due, seen from today."""

    OVERDUE = "overdue"
    TODAY = "today"
    UPCOMING = "upcoming"

    def days(self, today: date) -> tuple[date | None, date | None]:
        """The first and the last due day; None means no limit."""
        day = timedelta(days=1)
        match self:
            case Due.OVERDUE:
                return None, today - day
            case Due.TODAY:
                return today, today
            case Due.UPCOMING:
                return today + day, None


class TaskService:
    """What users do with tasks."""

    def __init__(self, tasks: TaskRepository, references: References, now: Clock) -> None:
        self._tasks, self._references, self._now = tasks, references, now

    def create(self, unit: UnitOfWork, fields: NewTask) -> Task:
        """Create a task, for the caller or for another user."""
        unit.principal.require(Level.WRITE, ACTIVITIES)
        fields = self._checked(unit, fields, None)
        change = Task.create(unit.tenant_id, new_id(), fields, unit.principal.user_id, self._now())
        return self._tasks.save(unit, None, change)

    def get(self, request: RequestContext, task_id: str) -> Task:
        """A task."""
        request.principal.require(Level.READ, ACTIVITIES)
        return self._tasks.get(request.tenant_id, task_id, consistent=False)

    def list_by_assignee(
        self,
        request: RequestContext,
        assignee_id: str | None,
        *,
        closed: bool,
        due: Due | None,
        days: tuple[date | None, date | None],
        limit: int,
        cursor: str | None,
        archived: Archived = Archived.EXCLUDE,
    ) -> Page[Task]:
        """A user's tasks (default: the caller's own) in due order.

        `due` is seen from today in the tenant's time zone, in place of the days themselves.
        """
        request.principal.require(Level.READ, ACTIVITIES)
        if due and days != (None, None):
            raise Invalid.field("due", "is given together with due_from or due_to; give one")
        first, last = due.days(today(self._now(), request.principal.time_zone)) if due else days
        if first and last and last < first:
            raise Invalid.field("due_to", f"is before due_from ({first})")
        return self._tasks.list_by_assignee(
            request.tenant_id,
            assignee_id or request.principal.user_id,
            closed=closed,
            due=(first, last),
            limit=limit,
            cursor=cursor,
            archived=archived,
        )

    def list_to_hand_over(
        self, unit: UnitOfWork, from_id: str, to_id: str, limit: int, cursor: str | None
    ) -> Page[Task]:
        """A user's open tasks that the caller may give to another person."""
        unit.principal.require(Level.WRITE, ACTIVITIES)
        ensure_may_hand_over(unit.principal, self._references, from_id, to_id)
        return self._tasks.list_by_assignee(
            unit.tenant_id, from_id, closed=False, due=(None, None), limit=limit, cursor=cursor
        )

    def update(
        self, unit: UnitOfWork, task_id: str, if_match: Version, patch: dict[str, Any]
    ) -> Task:
        """Change a task, or assign it to another person."""
        before = self._load(unit, task_id, if_match, mend=TaskFields)
        fields = self._checked(unit, patched_fields(before, patch, TaskFields), before, patch)
        return self._tasks.save(unit, before, before.update(fields))

    def complete(self, unit: UnitOfWork, task_id: str, if_match: Version) -> Task:
        """Mark a task as completed."""
        before = self._load(unit, task_id, if_match)
        change = before.complete(unit.principal.user_id, self._now())
        return self._tasks.save(unit, before, change)

    def start(self, unit: UnitOfWork, task_id: str, if_match: Version) -> Task:
        """Mark a task as in progress."""
        before = self._load(unit, task_id, if_match)
        return self._tasks.save(unit, before, before.start())

    def defer(self, unit: UnitOfWork, task_id: str, if_match: Version, due_on: date) -> Task:
        """Defer a task to another day."""
        before = self._load(unit, task_id, if_match)
        return self._tasks.save(unit, before, before.defer(due_on))

    def cancel(self, unit: UnitOfWork, task_id: str, if_match: Version) -> Task:
        """Mark a task as cancelled."""
        before = self._load(unit, task_id, if_match)
        return self._tasks.save(unit, before, before.cancel())

    def reopen(self, unit: UnitOfWork, task_id: str, if_match: Version) -> Task:
        """Reopen a completed or cancelled task."""
        before = self._load(unit, task_id, if_match)
        return self._tasks.save(unit, before, before.reopen())

    def restore(self, unit: UnitOfWork, task_id: str, if_match: Version) -> Task:
        """Restore a task that was archived by a restore of the context."""
        before = self._archived(unit, task_id, if_match)
        return self._tasks.save(unit, before, before.restore())

    def release_external_ids(self, unit: UnitOfWork, task_id: str, if_match: Version) -> Task:
        """Give up the external ids of an archived task, for another one to have them."""
        before = self._archived(unit, task_id, if_match)
        return self._tasks.save(unit, before, before.release_external_ids())

    def _archived(self, unit: UnitOfWork, task_id: str, if_match: Version) -> Task:
        unit.principal.require(Level.WRITE, ACTIVITIES)
        task = self._tasks.get(unit.tenant_id, task_id)
        ensure_may_change(unit.principal, task, task.assignee_id)
        return task.ensure_version(if_match)

    def _checked[F: (NewTask, TaskFields)](
        self,
        unit: UnitOfWork,
        fields: F,
        before: Task | None,
        sent: Container[str] | None = None,
    ) -> F:
        """The fields with their owner's team. Raises Invalid for what cannot be referred to.

        What is unchanged is not read.
        """
        already = before.related if before else []
        named = [
            Reference(f"related.{place}.id", one.type, one.id)
            for place, one in enumerate(fields.related)
            if one not in already
        ]
        assignee = fields.assignee_id
        if before and assignee != before.assignee_id:
            ensure_may_reassign(unit.principal, before, before.assignee_id)
        if assignee not in (None, unit.principal.user_id, before.assignee_id if before else None):
            named.append(Reference("assignee_id", PERSON, str(assignee)))
        return with_owner(fields, unit.principal, self._references, before, named, sent)

    def _load(
        self, unit: UnitOfWork, task_id: str, if_match: Version, *, mend: Mended = None
    ) -> Task:
        unit.principal.require(Level.WRITE, ACTIVITIES)
        task = self._tasks.get(unit.tenant_id, task_id, mend=mend)
        ensure_may_change(unit.principal, task, task.assignee_id)
        return task.ensure_version(if_match).ensure_active()


class TimelineService:
    """What users do with timelines."""

    def __init__(self, timelines: TimelineRepository) -> None:
        self._timelines = timelines

    def list(
        self,
        request: RequestContext,
        record_type: str,
        record_id: str,
        limit: int,
        cursor: str | None,
    ) -> Page[TimelineEntry]:
        """A record's timeline, newest first; needs the right to read the record's own type.

        Raises NotFound for an empty timeline: a record that exists has at least its first event.
        """
        request.principal.require(Level.READ, _area_of(record_type))
        page = self._timelines.list(request.tenant_id, record_type, record_id, limit, cursor)
        if cursor is None and not page.items:
            raise NotFound(
                f"The timeline of {record_type} {record_id} is empty; new events appear within "
                "seconds."
            )
        return page


def _area_of(record_type: str) -> Area:
    """The area whose rights cover the timelines of a record type. Raises NotFound."""
    known = {one.name: one.area for one in record_types().values() if one.has_timeline}
    area = known.get(record_type)
    if area is None:
        names = ", ".join(sorted(known))
        raise NotFound(f"{record_type!r} records have no timeline; these have one: {names}.")
    return area
