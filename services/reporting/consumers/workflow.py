"""The workflow starter: one execution of the state machine per requested report."""

from kernel.domain.cloud_events import CloudEvent
from kernel.messaging.reactor import Reactor
from reporting.bootstrap import flow
from reporting.incoming import RequestedReport


def start(event: CloudEvent) -> None:
    """Start it once, however often the event comes; history told again starts nothing.

    Cancelling needs no consumer. A cancelled run is one from the moment its transaction commits:
    the flow's first step, the worker that takes or makes it, and the step after a missed heartbeat
    all look at the run and end the execution.
    """
    if event.replayed:
        return
    run = RequestedReport.model_validate(event.data["current"])
    flow().start(event.tenant_id, run.id, event.correlation_id)


handler = Reactor("report-flow", types=("ReportRequested",), react=start)
