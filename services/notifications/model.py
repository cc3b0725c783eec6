"""What a notification is, and whom an event is told to. No AWS, no clock, no I/O."""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from kernel.domain.aggregate import Aggregate, born
from kernel.domain.envelope import CloudEvent
from kernel.domain.events import DomainEvent
from notifications.events import About, Kind, NotificationRead, NotificationSent, NotificationState
from notifications.incoming import AssignedTask, EndedReport, WonDeal

_BASE32 = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LONGEST = 300
SYSTEM = "system"
"""The CRM itself as a user; it reads no inbox."""


@dataclass(frozen=True, slots=True)
class Message:
    """What to tell, and whom."""

    recipient: str
    kind: Kind
    text: str
    about: About


class Notification(NotificationState, Aggregate):
    """A notification with its tenant."""

    @classmethod
    def create(
        cls, tenant_id: str, message: Message, event_id: str, at: datetime
    ) -> tuple["Notification", NotificationSent]:
        """A notification whose id follows from the event and the recipient: told once, for good."""
        told = cls(
            **born(tenant_id, derived_id(event_id, message.recipient), SYSTEM, at),
            owner_id=message.recipient,
            kind=message.kind,
            text=message.text[:LONGEST],
            about=message.about,
            event_id=event_id,
        )
        return told, NotificationSent(current=told)

    def read(self, at: datetime) -> tuple["Notification", list[DomainEvent]]:
        """Mark as read; reading twice changes nothing."""
        if self.read_at is not None:
            return self, []
        after = self.with_changes(read_at=at)
        return after, [NotificationRead(current=after)]


def derived_id(event_id: str, recipient: str) -> str:
    """A ULID with the event's time and, for randomness, a hash of event and recipient."""
    digest = hashlib.sha256(f"{event_id}\n{recipient}".encode()).digest()
    number = int.from_bytes(digest[:10])
    return event_id[:10] + "".join(_BASE32[number >> (5 * i) & 31] for i in reversed(range(16)))


def message_for(event: CloudEvent) -> Message | None:
    """Whom an event is told to and how; None when it is nobody's news.

    What was imported is history, not news; a task one gives oneself is no surprise.
    """
    if event.origin == "import":
        return None
    current = event.data["current"]
    match event.type:
        case "OpportunityWon":
            deal = WonDeal.model_validate(current)
            if deal.owner_id is None:
                return None
            worth = f", {deal.amount.written()}" if deal.amount else ""
            text = f"Won: {deal.name}{worth}"
            return Message(
                deal.owner_id, Kind.OPPORTUNITY_WON, text, About(type="opportunity", id=deal.id)
            )
        case "TaskAssigned":
            task = AssignedTask.model_validate(current)
            if task.assignee_id in (None, event.actor):
                return None
            due = f", due {task.due_on}" if task.due_on else ""
            text = f"New task from {event.actor}: {task.title}{due}"
            return Message(
                str(task.assignee_id), Kind.TASK_ASSIGNED, text, About(type="task", id=task.id)
            )
        case "ReportCompleted" | "ReportFailed":
            report = EndedReport.model_validate(current)
            if report.created_by == SYSTEM:
                return None
            name = report.parameters.report.replace("_", " ")
            done = event.type == "ReportCompleted"
            text = (
                f"Your report {name} is ready"
                if done
                else f"Your report {name} failed: {report.reason or 'the reason is not known'}"
            )
            kind = Kind.REPORT_COMPLETED if done else Kind.REPORT_FAILED
            return Message(report.created_by, kind, text, About(type="report", id=report.id))
    return None
