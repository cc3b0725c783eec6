"""The inbox: events that are somebody's news, told once and pushed to open windows."""

from kernel.domain.envelope import CloudEvent
from kernel.messaging.consumer import Reactor
from notifications.bootstrap import service

TYPES = ("OpportunityWon", "TaskAssigned", "ReportCompleted", "ReportFailed")


def tell(event: CloudEvent) -> None:
    """Tell whom it concerns."""
    service().tell(event)


handler = Reactor("inbox", types=TYPES, react=tell)
