"""The states of a task: what leads from each to which."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from activities.events import NewTask, TaskStatus
from activities.model import Task
from kernel.domain.aggregate import Change
from kernel.domain.errors import RuleViolation
from kernel.domain.ids import new_id

NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)
BEFORE, AFTER = date(2026, 12, 1), date(2027, 1, 15)
VERBS: dict[str, Any] = {
    "start": lambda task: task.start(),
    "defer": lambda task: task.defer(AFTER),
    "complete": lambda task: task.complete("ann", NOW),
    "cancel": lambda task: task.cancel(),
    "reopen": lambda task: task.reopen(),
}
EVENTS = {
    "start": "TaskStarted",
    "defer": "TaskDeferred",
    "complete": "TaskCompleted",
    "cancel": "TaskCancelled",
    "reopen": "TaskReopened",
}
OPEN = {"start": "in_progress", "defer": "deferred", "complete": "completed", "cancel": "cancelled"}
MACHINE: dict[str, dict[str, str]] = {
    "not_started": OPEN,
    "in_progress": {verb: state for verb, state in OPEN.items() if verb != "start"},
    "deferred": OPEN,
    "completed": {"reopen": "not_started"},
    "cancelled": {"reopen": "not_started"},
}


def a_task(status: str) -> Task:
    fields = NewTask(title="Call back", due_on=BEFORE)
    created = Task.create("acme", new_id(), fields, "ann", NOW).state
    return created.with_changes(status=TaskStatus(status))


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("status", TaskStatus)
def test_a_verb_leads_to_its_state_or_is_refused(status: str, verb: str) -> None:
    wanted = MACHINE[status].get(verb)
    task = a_task(status)
    if wanted is None:
        with pytest.raises(RuleViolation, match="already"):
            VERBS[verb](task)
        return
    change: Change[Task] = VERBS[verb](task)
    assert change.state.status == wanted
    assert change.state.closed == (wanted in ("completed", "cancelled"))
    (event,) = change.events
    assert type(event).__name__ == EVENTS[verb]
    assert event.current == change.state


def test_every_state_has_a_verb_that_leads_to_it() -> None:
    reached = {state for verbs in MACHINE.values() for state in verbs.values()}
    assert reached == set(TaskStatus)


def test_a_deferred_task_has_the_new_day_and_its_event_the_earlier_one() -> None:
    change = a_task("in_progress").defer(AFTER)
    assert change.state.due_on == AFTER
    assert change.events[0].model_dump()["previous_due_on"] == BEFORE
    assert change.state.defer(AFTER) == Change(change.state), "the same day again"
