"""The transitions of a task run: which status follows which, and what is published."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.domain.aggregate import Change
from kernel.tasks.failures import STANDARD
from kernel.tasks.state import FINAL, TaskRunStatus
from tests.unit.kernel.tasks.toy import LATER, HasEnded, Outcome, ToyRun, toy

Transition = Callable[[ToyRun], Change[ToyRun]]
TRANSITIONS: dict[str, Transition] = {
    "start": lambda run: run.start(LATER),
    "requeue": lambda run: run.requeue(run.attempts),
    "lose_worker": lambda run: run.lose_worker(),
    "complete": lambda run: run.complete(Outcome(rows=3), LATER),
    "fail": lambda run: run.fail(STANDARD.failure("OutOfMemory"), LATER),
}
S = TaskRunStatus
NOT_FINAL = (S.PENDING, S.PROCESSING, S.RETRY_PENDING)
AFTER = {
    "start": dict.fromkeys(NOT_FINAL, S.PROCESSING),
    "requeue": {S.PROCESSING: S.RETRY_PENDING},
    "lose_worker": {S.PROCESSING: S.RETRY_PENDING},
    "complete": dict.fromkeys(NOT_FINAL, S.COMPLETED),
    "fail": dict.fromkeys(NOT_FINAL, S.FAILED),
}
"""The status after each transition; the same status where none is listed."""


@pytest.mark.parametrize("name", TRANSITIONS)
@pytest.mark.parametrize("status", S)
def test_each_transition_leads_to_its_status_and_changes_nothing_elsewhere(
    name: str, status: TaskRunStatus
) -> None:
    run = toy(status=status, attempts=1, started_at=LATER)
    after, events = TRANSITIONS[name](run)
    assert after.status is AFTER[name].get(status, status)
    if status not in AFTER[name]:
        assert (after, events) == (run, ())


@pytest.mark.parametrize("status", S)
def test_only_a_run_that_has_not_ended_can_be_cancelled(status: TaskRunStatus) -> None:
    run = toy(status=status)
    if status in FINAL:
        with pytest.raises(HasEnded, match=f"toy has ended already: it is {status}"):
            run.cancel("ann", LATER)
    else:
        after, (event,) = run.cancel("ann", LATER)
        assert (after.status, after.cancelled_by) == (S.CANCELLED, "ann")
        assert type(event).__name__ == "Cancelled"


def test_a_failed_run_has_a_code_and_a_reason() -> None:
    failed, (event,) = toy().fail(STANDARD.failure("OutOfMemory", "killed"), LATER)
    assert (failed.failure, failed.ended_at) == ("out_of_memory", LATER)
    assert failed.reason == "This needs more memory than a worker has."
    assert type(event).__name__ == "Failed"


@given(st.lists(st.sampled_from(sorted(TRANSITIONS))))
def test_whatever_happens_a_run_starts_once_and_ends_once(names: list[str]) -> None:
    run, published = toy(), []
    for name in names:
        run, events = TRANSITIONS[name](run)
        published += [type(event).__name__ for event in events]
    assert published.count("Started") <= 1
    assert len(set(published) & {"Completed", "Failed"}) == (run.status in FINAL)
    assert published.count("Completed") + published.count("Failed") <= 1
    assert (run.outcome is not None) == (run.status is S.COMPLETED)


def test_statuses_are_lower_case_with_underscores() -> None:
    assert all(status == status.lower() for status in S)
    stored: Any = toy(status=S.RETRY_PENDING).model_dump(mode="json")
    assert stored["status"] == "retry_pending"
