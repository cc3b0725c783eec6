"""The Lambda steps of a task's state machine: validate, recover, complete, fail.

A step is called with {"step", "tenant_id", "run_id", ...} and returns {"next": ...}. Each may be
repeated. The state machine handles BadParameters and WorkerRequired; any other exception is retried
and finally leads to the step `fail`.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from pydantic import BaseModel

from kernel.runtime.log import logger
from kernel.runtime.work import working_on
from kernel.tasks.job import names_of_task
from kernel.tasks.retry import Next
from kernel.tasks.run import TaskRun
from kernel.tasks.service import TaskRunService
from kernel.tasks.tiers import Place, TaskTiers, Tier


class TaskSteps[R: TaskRun]:
    """A Lambda handler with the steps of one kind of task."""

    def __init__(
        self,
        runs: Callable[[], TaskRunService[R]],
        outcome: type[BaseModel],
        tiers: Callable[[], TaskTiers[R]],
    ) -> None:
        self._runs, self._outcome, self._tiers = runs, outcome, tiers
        self.steps: dict[str, Callable[..., dict[str, Any]]] = {
            "validate": self._validate,
            "recover": self._recover,
            "complete": self._complete,
            "fail": self._fail,
        }

    def __call__(self, event: dict[str, Any], _context: object) -> dict[str, Any]:
        """Carry out the step that the state machine names."""
        logger().info(
            "step",
            step=event["step"],
            tenant=event["tenant_id"],
            run_id=event["run_id"],
            correlation_id=event.get("correlation_id", ""),
        )
        with working_on(partial(names_of_task, event)):
            return self.steps[event["step"]](**{k: v for k, v in event.items() if k != "step"})

    def _validate(self, tenant_id: str, run_id: str, **_: Any) -> dict[str, Any]:
        """Choose the tier of the task; the run may have been cancelled."""
        run = self._runs().validate(tenant_id, run_id)
        if run is None:
            return _to(Next.END, Place(Tier.STANDARD))
        place = self._tiers().first(run)
        logger().info("tier", run_id=run_id, tier=place.tier)
        return _to(Next.to(place.tier), place)

    def _recover(
        self,
        tenant_id: str,
        run_id: str,
        failure: dict[str, Any],
        tier: str = Tier.STANDARD,
        **_: Any,
    ) -> dict[str, Any]:
        """No worker completed the task: queue it again after a pause, fail or end."""
        tiers, failed = self._tiers(), Tier(tier)
        error, cause = _error_and_cause(failure)
        recovery = self._runs().recover(
            tenant_id, run_id, error, cause, tier=failed, larger=tiers.larger(failed)
        )
        return {
            **_to(recovery.next, tiers.place(recovery.tier)),
            "seconds": recovery.seconds,
            "error": recovery.error,
            "cause": recovery.cause,
        }

    def _complete(
        self, tenant_id: str, run_id: str, outcome: dict[str, Any], tier: str = "", **_: Any
    ) -> dict[str, Any]:
        """The task was completed; executions that began before a deployment have no tier."""
        completed = Tier(tier) if tier else None
        self._runs().complete(tenant_id, run_id, self._outcome.model_validate(outcome), completed)
        return {"next": Next.END}

    def _fail(
        self, tenant_id: str, run_id: str, failure: dict[str, Any], **_: Any
    ) -> dict[str, Any]:
        """Mark the run as failed, with a reason that a user understands."""
        self._runs().fail(tenant_id, run_id, *_error_and_cause(failure))
        return {"next": Next.END}


def _to(next_: Next, place: Place) -> dict[str, Any]:
    return {"next": next_, "tier": place.tier, "queue_url": place.queue_url}


def _error_and_cause(failure: dict[str, Any]) -> tuple[str, str]:
    """The error name and the cause that a Catch passes on; a timeout has no cause."""
    return str(failure["Error"]), str(failure.get("Cause") or "")
