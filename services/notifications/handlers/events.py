"""The inbox: facts that are somebody's news, told once and pushed to open windows."""

from kernel.domain.envelope import Fact
from kernel.messaging.consumer import Reactor
from notifications.bootstrap import service

TYPES = ("OpportunityWon", "TaskAssigned", "ReportCompleted", "ReportFailed")


def tell(fact: Fact) -> None:
    """Tell whom it concerns."""
    service().tell(fact)


handler = Reactor("inbox", types=TYPES, react=tell)
