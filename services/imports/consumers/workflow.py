"""The workflow starter: an execution of the state machine per import, a few of a tenant at once."""

from imports.bootstrap import admission
from imports.incoming import UPCASTERS, ImportRunRef
from kernel.domain.cloud_events import CloudEvent
from kernel.messaging.reactor import Reactor

_REQUESTED = "ImportRequested"
_ENDED = ("ImportCompleted", "ImportFailed", "ImportCancelled")


def react(event: CloudEvent) -> None:
    """Start what the tenant's quota of running imports allows; a replayed event starts nothing.

    Cancelling ends no execution: the state machine's first step, the worker, and the step after a
    missed heartbeat read the run and end the execution of a cancelled one.
    """
    if event.replayed:
        return
    run = ImportRunRef.model_validate(event.data["current"])
    admission().settle(event.tenant_id, None if event.type == _REQUESTED else run.id)


handler = Reactor("import-flow", types=(_REQUESTED, *_ENDED), react=react, upcasters=UPCASTERS)
