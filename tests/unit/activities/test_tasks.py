"""The transitions of a task, and their events."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from activities.events import NewTask, TaskAssigned, TaskFields, TaskStatus, TaskUpdated
from activities.model import Task
from kernel.domain.aggregate import Change
from kernel.domain.errors import RuleViolation
from kernel.domain.ids import new_id

AT = datetime(2026, 11, 23, 10, tzinfo=UTC)
LATER = AT + timedelta(hours=1)


def a_task(**fields: Any) -> Task:
    return Task.create("acme", new_id(), NewTask(title="Call back", **fields), "ann", AT).state


def fields_of(task: Task, **changes: Any) -> TaskFields:
    kept = {name: getattr(task, name) for name in TaskFields.model_fields}
    return TaskFields.model_validate({**kept, **changes})


def test_the_first_event_of_a_task_is_its_assignment_with_the_whole_task() -> None:
    created = Task.create(
        "acme",
        new_id(),
        NewTask(title="Call", assignee_id="bob", due_on=date(2026, 12, 1)),
        "ann",
        AT,
    )
    task, (event,) = created.state, created.events
    assert isinstance(event, TaskAssigned)
    assert event.current == task
    assert (task.assignee_id, task.status, task.created_by) == (
        "bob",
        TaskStatus.NOT_STARTED,
        "ann",
    )
    assert event.previous_assignee_id is None


def test_a_task_without_an_assignee_is_assigned_to_its_creator() -> None:
    assert a_task().assignee_id == "ann"


def test_completing_and_reopening_clear_each_others_fields() -> None:
    task = a_task()
    change = task.complete("bob", LATER)
    done, (completed,) = change.state, change.events
    assert (done.status, done.completed_at, done.completed_by) == (
        TaskStatus.COMPLETED,
        LATER,
        "bob",
    )
    assert completed.current == done
    change = done.reopen()
    opened, (reopened,) = change.state, change.events
    assert opened == task
    assert reopened.current == opened


def test_a_completed_task_cannot_be_completed_nor_an_open_one_reopened() -> None:
    task = a_task()
    with pytest.raises(RuleViolation, match="open already"):
        task.reopen()
    with pytest.raises(RuleViolation, match="completed already"):
        task.complete("bob", LATER).state.complete("bob", LATER)


def test_the_event_of_a_change_has_the_changed_fields_and_previous_values() -> None:
    task = a_task(due_on=date(2026, 12, 1))
    change = task.update(fields_of(task, title="Write", due_on=None))
    after, (event,) = change.state, change.events
    assert isinstance(event, TaskUpdated)
    assert (event.changed, event.previous) == (
        ["title", "due_on"],
        {"title": "Call back", "due_on": "2026-12-01"},
    )
    assert (after.title, after.due_on) == ("Write", None)


def test_assigning_a_task_publishes_an_assignment_only() -> None:
    task = a_task()
    change = task.update(fields_of(task, assignee_id="bob"))
    after, (event,) = change.state, change.events
    assert isinstance(event, TaskAssigned)
    assert event.previous_assignee_id == "ann"
    assert after.assignee_id == "bob"


def test_a_change_without_a_difference_publishes_no_event() -> None:
    task = a_task()
    assert task.update(fields_of(task)) == Change(task)


def test_a_task_names_every_related_record_once() -> None:
    one = {"type": "account", "id": new_id()}
    with pytest.raises(ValidationError, match="every record once"):
        NewTask.model_validate({"title": "x", "related": [one, one]})
    other = {"type": "contact", "id": one["id"]}
    assert len(NewTask.model_validate({"title": "x", "related": [one, other]}).related) == 2
