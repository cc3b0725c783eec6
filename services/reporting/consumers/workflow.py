"""The workflow starter: one execution of the state machine per requested report."""

from kernel.domain.cloud_events import CloudEvent
from kernel.messaging.reactor import Reactor
from reporting.bootstrap import workflow
from reporting.incoming import UPCASTERS, RequestedReport


def start(event: CloudEvent) -> None:
    """Start the execution of a requested report, once; a replayed event starts nothing.

    Cancelling needs no consumer: the state machine's first step, the worker, and the step after a
    missed heartbeat read the run and end the execution of a cancelled one.
    """
    if event.replayed:
        return
    run = RequestedReport.model_validate(event.data["current"])
    workflow().start(event.tenant_id, run.id, event.correlation_id)


handler = Reactor("report-flow", types=("ReportRequested",), react=start, upcasters=UPCASTERS)
