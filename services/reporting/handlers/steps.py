"""The steps of the state machine behind reports (statemachines/report.asl.json).

A step is asked for as {"step", "tenant_id", "report_id", ...} and answers {"next": ...}. Each may
be repeated; BadParameters is the one exception that is meant, all others are retried and end in
the step `fail`.
"""

from typing import Any

from kernel.runtime.log import logger
from reporting.bootstrap import runs
from reporting.events import ReportResult
from reporting.failures import Failure
from reporting.service import Next


def validate(tenant_id: str, report_id: str, **_: Any) -> dict[str, Any]:
    """Whether there is something to do: the run may have been cancelled meanwhile."""
    return {"next": runs().validate(tenant_id, report_id)}


def recover(tenant_id: str, report_id: str, failure: dict[str, Any], **_: Any) -> dict[str, Any]:
    """No worker answered, or one could not go on: queue again after some seconds, fail, or end."""
    to, why, seconds = runs().recover(tenant_id, report_id, _read(failure))
    return {"next": to, "seconds": seconds, "error": why.error, "cause": why.cause}


def complete(tenant_id: str, report_id: str, outcome: dict[str, Any], **_: Any) -> dict[str, Any]:
    """A worker stored the file."""
    runs().complete(tenant_id, report_id, ReportResult.model_validate(outcome))
    return {"next": Next.END}


def fail(tenant_id: str, report_id: str, failure: dict[str, Any], **_: Any) -> dict[str, Any]:
    """The report will not be made; the reason is told in words a user understands."""
    runs().fail(tenant_id, report_id, _read(failure))
    return {"next": Next.END}


def _read(failure: dict[str, Any]) -> Failure:
    """What a Catch keeps: an error's name and usually, not for timeouts, its cause."""
    return Failure(str(failure["Error"]), str(failure.get("Cause") or ""))


STEPS = {step.__name__: step for step in (validate, recover, complete, fail)}


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """The Lambda behind the state machine."""
    logger().info(
        "step",
        step=event["step"],
        tenant=event["tenant_id"],
        report_id=event["report_id"],
        correlation_id=event.get("correlation_id", ""),
    )
    return STEPS[event["step"]](**{k: v for k, v in event.items() if k != "step"})
