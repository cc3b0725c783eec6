"""The decision when no worker completes a task: queue it again, fail the run, or end."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from kernel.tasks.failures import STANDARD
from kernel.tasks.retry import Next, Recovery, RetryPolicy, recover
from kernel.tasks.state import FINAL, TaskRunStatus
from kernel.tasks.tiers import Tier
from tests.unit.kernel.tasks.toy import AT, toy

POLICY = RetryPolicy()
MISSED_HEARTBEAT = "States.HeartbeatTimeout"
TOO_LATE = AT + timedelta(seconds=POLICY.max_seconds)
"""A worker may take as long as a run may wait for one."""


def decide(error: str, at: datetime = AT, cause: str = "", **state: Any) -> Recovery:
    return recover(toy(**state), STANDARD.failure(error, cause), POLICY, at)


def processing(attempts: int = 1) -> dict[str, Any]:
    return {"status": TaskRunStatus.PROCESSING, "attempts": attempts, "started_at": AT}


@pytest.mark.parametrize("status", sorted(FINAL))
def test_a_run_that_has_ended_needs_no_recovery(status: TaskRunStatus) -> None:
    assert decide(MISSED_HEARTBEAT, status=status).next is Next.END


def test_a_run_that_does_not_exist_needs_no_recovery() -> None:
    assert recover(None, STANDARD.failure(MISSED_HEARTBEAT), POLICY, AT).next is Next.END


def test_a_permanent_error_fails_the_run_with_its_cause() -> None:
    recovery = decide("OutOfMemory", cause="256 MB", **processing())
    assert recovery == Recovery(Next.FAIL, "OutOfMemory", "256 MB")


@pytest.mark.parametrize("status", [TaskRunStatus.PENDING, TaskRunStatus.RETRY_PENDING])
def test_a_task_that_no_worker_received_is_queued_again_for_an_hour(status: TaskRunStatus) -> None:
    assert decide(MISSED_HEARTBEAT, AT + timedelta(minutes=50), status=status) == Recovery(
        Next.QUEUE, MISSED_HEARTBEAT, "", POLICY.waiting_pause_seconds
    )
    assert decide(MISSED_HEARTBEAT, TOO_LATE, status=status) == Recovery(Next.FAIL, "NoWorker", "")


@pytest.mark.parametrize(("attempts", "seconds"), [(1, 2), (2, 4), (3, 8)])
def test_the_task_of_a_lost_worker_is_queued_after_growing_pauses(
    attempts: int, seconds: int
) -> None:
    assert decide(MISSED_HEARTBEAT, **processing(attempts)) == Recovery(
        Next.QUEUE, MISSED_HEARTBEAT, "", seconds, worker_lost=True
    )


def test_a_run_fails_after_the_maximum_number_of_lost_workers() -> None:
    lost = processing(POLICY.max_attempts)
    assert decide(MISSED_HEARTBEAT, **lost) == Recovery(Next.FAIL, MISSED_HEARTBEAT, "")
    assert decide("States.Timeout", **lost) == Recovery(Next.FAIL, "WorkerLost", "")


def test_a_timeout_counts_as_a_lost_worker_for_an_hour() -> None:
    assert decide("States.Timeout", AT + timedelta(minutes=50), **processing()).worker_lost
    assert decide("States.Timeout", TOO_LATE, **processing()).error == "TimedOut"


def test_waiting_for_a_worker_and_working_have_limits_of_their_own() -> None:
    policy = RetryPolicy(max_wait_seconds=3600, max_seconds=6 * 3600)

    def decided(error: str, hours: float, **state: Any) -> Recovery:
        at = AT + timedelta(hours=hours)
        return recover(toy(**state), STANDARD.failure(error), policy, at)

    waiting = {"status": TaskRunStatus.RETRY_PENDING}
    assert decided(MISSED_HEARTBEAT, 0.9, **waiting).next is Next.QUEUE
    assert decided(MISSED_HEARTBEAT, 1, **waiting).error == "NoWorker"
    assert decided("States.Timeout", 5.5, **processing()).worker_lost
    assert decided("States.Timeout", 6, **processing()).error == "TimedOut"


@pytest.mark.parametrize("tier", [Tier.FUNCTION, Tier.STANDARD])
@pytest.mark.parametrize("error", ["OutOfMemory", "OutOfTime", "Runtime.OutOfMemory"])
def test_a_task_that_is_too_large_for_its_tier_moves_to_the_next_one_at_once(
    error: str, tier: Tier
) -> None:
    failure = STANDARD.failure(error, "why")
    recovery = recover(toy(**processing()), failure, POLICY, AT, tier, Tier.ANALYTICS)
    assert recovery == Recovery(Next.QUEUE, error, "why", 0, worker_lost=True, tier=Tier.ANALYTICS)


@pytest.mark.parametrize("error", ["OutOfMemory", "OutOfTime", "Runtime.OutOfMemory"])
def test_a_task_that_is_too_large_for_the_function_needs_a_worker(error: str) -> None:
    failure = STANDARD.failure(error, "why")
    recovery = recover(toy(**processing()), failure, POLICY, AT, Tier.FUNCTION)
    assert recovery == Recovery(Next.FAIL, "WorkerRequired", "why")


def test_a_task_that_is_too_large_for_the_largest_tier_fails_with_its_own_error() -> None:
    failure = STANDARD.failure("OutOfMemory")
    recovery = recover(toy(**processing()), failure, POLICY, AT, Tier.ANALYTICS)
    assert recovery == Recovery(Next.FAIL, "OutOfMemory", "")


@pytest.mark.parametrize(
    ("tier", "place"),
    [(Tier.FUNCTION, Next.FUNCTION), (Tier.STANDARD, Next.QUEUE), (Tier.ANALYTICS, Next.QUEUE)],
)
def test_another_attempt_is_made_on_the_same_tier(tier: Tier, place: Next) -> None:
    failure = STANDARD.failure("WorkerLost")
    lost = recover(toy(**processing()), failure, POLICY, AT, tier, Tier.ANALYTICS)
    assert (lost.next, lost.tier, lost.seconds, lost.worker_lost) == (place, tier, 2, True)
    waiting = recover(toy(), failure, POLICY, AT, tier, Tier.ANALYTICS)
    assert (waiting.next, waiting.tier, waiting.seconds) == (place, tier, 5)
    assert not waiting.worker_lost


def test_pauses_double_up_to_a_minute() -> None:
    assert [POLICY.pause(n) for n in (0, 1, 2, 3, 4, 20, 500)] == [2, 2, 4, 8, 16, 60, 60]
