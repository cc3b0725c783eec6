"""The inbox reactor: notifies users of events that concern them, and pushes to open windows."""

from typing import Any

from kernel.domain.cloud_events import CloudEvent
from kernel.messaging.reactor import Reactor
from notifications.bootstrap import counters, notifications
from notifications.incoming import HANDOVERS, MOVE_REFUSED, SCALING, TIER_CHANGED, UPCASTERS

TYPES = (
    *("OpportunityWon", "TaskAssigned", "ReportCompleted", "ReportFailed"),
    *("ImportCompleted", "ImportFailed"),
    *HANDOVERS,
    *SCALING,
    TIER_CHANGED,
    MOVE_REFUSED,
)


def notify(event: CloudEvent) -> None:
    """Notify the users that the event concerns."""
    notifications().notify(event)


def rebuild(request: dict[str, Any]) -> dict[str, Any]:
    """Compare counters with the notifications, or correct them, for `zebros events rebuild inbox`.

    `users`: their counters and the numbers of their unread notifications. `correct`: the same, by
    user; a counter that has still the same value is corrected.
    """
    tenant, corrected = request["tenant"], request.get("correct", {})
    changed = [
        user
        for user, (counted, unread) in corrected.items()
        if counters().correct(tenant, user, counted, unread)
    ]
    found = {user: counters().compare(tenant, user) for user in request.get("users", ())}
    return {"found": found, "corrected": changed}


handler = Reactor("inbox", types=TYPES, react=notify, rebuild=rebuild, upcasters=UPCASTERS)
