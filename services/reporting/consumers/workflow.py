"""The workflow starter: an execution of the state machine per report, a few of a tenant at once."""

from kernel.domain.cloud_events import CloudEvent
from kernel.messaging.reactor import Reactor
from reporting.bootstrap import admission
from reporting.incoming import UPCASTERS, ReportedRun

_REQUESTED = "ReportRequested"
_ENDED = ("ReportCompleted", "ReportFailed", "ReportCancelled")


def react(event: CloudEvent) -> None:
    """Start what the tenant's quota of running reports allows; a replayed event starts nothing.

    Cancelling ends no execution: the state machine's first step, the worker, and the step after a
    missed heartbeat read the run and end the execution of a cancelled one.
    """
    if event.replayed:
        return
    run = ReportedRun.model_validate(event.data["current"])
    admission().settle(event.tenant_id, None if event.type == _REQUESTED else run.id)


handler = Reactor("report-flow", types=(_REQUESTED, *_ENDED), react=react, upcasters=UPCASTERS)
