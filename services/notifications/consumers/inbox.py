"""The inbox reactor: notifies users of events that concern them, and pushes to open windows."""

from kernel.domain.cloud_events import CloudEvent
from kernel.messaging.reactor import Reactor
from notifications.bootstrap import notifications
from notifications.incoming import UPCASTERS

TYPES = ("OpportunityWon", "TaskAssigned", "ReportCompleted", "ReportFailed")


def notify(event: CloudEvent) -> None:
    """Notify the user that the event concerns."""
    notifications().notify(event)


handler = Reactor("inbox", types=TYPES, react=notify, upcasters=UPCASTERS)
