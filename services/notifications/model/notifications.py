"""The notification aggregate, and the message for each event. No AWS, no clock, no I/O."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from kernel.domain.aggregate import Aggregate, Change, new_record
from kernel.domain.cloud_events import CloudEvent
from kernel.domain.events import DomainEvent
from kernel.domain.principal import SYSTEM_USER
from notifications.events import (
    MAX_TEXT,
    About,
    Kind,
    NotificationRead,
    NotificationSent,
    NotificationState,
    NotificationUpdated,
)
from notifications.incoming import (
    HANDOVERS,
    MOVE_REFUSED,
    SCALING,
    TIER_CHANGED,
    AssignedTask,
    EndedImport,
    EndedReport,
    HandedOver,
    RefusedMove,
    ScalingAction,
    TierChange,
    WonOpportunity,
)
from notifications.model.import_texts import import_text
from notifications.model.scaling_texts import move_text, scaling_text, tier_text

_BASE32 = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


_PLURALS = {"opportunity": "opportunities"}


class Handover(BaseModel):
    """Who gave records to whom, for the text about several of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    actor: str
    to: str | None = None
    """The new owner; None when the records have none."""
    received: bool
    """Whether the recipient of the notification is the new owner."""

    def text(self, counts: Mapping[str, int]) -> str:
        """One sentence about several records, by their types."""
        total = sum(counts.values())
        by_count = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
        listed = ", ".join(f"{count} {_plural(kind, count)}" for kind, count in by_count)
        if self.received:
            return f"{self.actor} gave you {total} records: {listed}"
        if self.to:
            return f"{self.actor} gave {total} of your records to {self.to}: {listed}"
        return f"{self.actor} removed you as the owner of {total} records: {listed}"


def _plural(kind: str, count: int) -> str:
    return kind if count == 1 else _PLURALS.get(kind, f"{kind}s")


@dataclass(frozen=True, slots=True)
class Message:
    """The text of a notification, and its recipient."""

    recipient: str
    kind: Kind
    text: str
    about: About
    handover: Handover | None = None
    """Set when it is about a handover, of which one request may cause many."""


class Notification(NotificationState, Aggregate):
    """A notification with its tenant."""

    updated_event: ClassVar[type[DomainEvent]] = NotificationUpdated
    handover: Handover | None = None

    @classmethod
    def create(
        cls, tenant_id: str, message: Message, event_id: str, at: datetime
    ) -> Change["Notification"]:
        """A notification; its id is derived from event and recipient, so it exists only once."""
        record_id = derived_id(event_id, message.recipient)
        notification = cls(
            **new_record(tenant_id, record_id, SYSTEM_USER, at),
            owner_id=message.recipient,
            kind=message.kind,
            text=message.text[:MAX_TEXT],
            about=message.about,
            event_id=event_id,
            handover=message.handover,
        )
        return Change(notification, (NotificationSent(current=notification),))

    def about_all(self, counts: Mapping[str, int]) -> "Notification":
        """The notification with a text about all records of its handover, if there are several."""
        if self.handover is None or sum(counts.values()) < 2:
            return self
        return self.with_changes(text=self.handover.text(counts)[:MAX_TEXT])

    def read(self, at: datetime) -> Change["Notification"]:
        """Mark as read; reading twice changes nothing."""
        if self.read_at is not None:
            return Change(self)
        after = self.with_changes(read_at=at)
        return Change(after, (NotificationRead(current=after),))


def derived_id(event_id: str, recipient: str) -> str:
    """A ULID with the event's time and a hash of event and recipient in place of random bits."""
    digest = hashlib.sha256(f"{event_id}\n{recipient}".encode()).digest()
    number = int.from_bytes(digest[:10])
    return event_id[:10] + "".join(_BASE32[number >> (5 * i) & 31] for i in reversed(range(16)))


def message_for(event: CloudEvent) -> Message | None:
    """The notification for an event; None when it concerns no user.

    Imported records and tasks that users assign to themselves have none.
    """
    if event.origin == "import":
        return None
    current = event.data["current"]
    match event.type:
        case "OpportunityWon":
            won = WonOpportunity.model_validate(current)
            if won.owner_id is None:
                return None
            worth = f", {won.amount.formatted()}" if won.amount else ""
            text = f"Won: {won.name}{worth}"
            return Message(
                won.owner_id, Kind.OPPORTUNITY_WON, text, About(type="opportunity", id=won.id)
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
            if report.created_by == SYSTEM_USER:
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
        case "ImportCompleted" | "ImportFailed":
            ended = EndedImport.model_validate(current)
            if ended.created_by == SYSTEM_USER:
                return None
            about = About(type="import", id=ended.id)
            return Message(ended.created_by, Kind.TASK_ASSIGNED, import_text(ended), about)
    return None


def messages_for(event: CloudEvent, administrators: Iterable[str] = ()) -> list[Message]:
    """All notifications for an event, at most one for each user.

    `administrators` are those of the tenant, who are notified of the scaling controller, of the
    usage tiers of tenants and of moves between regions that were refused.
    """
    if concerns_administrators(event):
        return _for_administrators(event, administrators)
    single = message_for(event)
    return [single] if single else _handover(event)


def concerns_administrators(event: CloudEvent) -> bool:
    """Whether the administrators of the tenant are notified of an event."""
    return event.type in (*SCALING, TIER_CHANGED, MOVE_REFUSED)


def _for_administrators(event: CloudEvent, administrators: Iterable[str]) -> list[Message]:
    """The notifications of the scaling controller, of a tier, and of a move that was refused."""
    current = event.data["current"]
    text: str | None
    if event.type == TIER_CHANGED:
        text = tier_text(TierChange.model_validate(event.data))
        about = About(type="tenant_usage", id=current["id"])
    elif event.type == MOVE_REFUSED:
        text = move_text(RefusedMove.model_validate(current))
        about = About(type="region_move", id=current["id"])
    else:
        text = scaling_text(event.type, ScalingAction.model_validate(current))
        about = About(type="scaling_action", id=current["id"])
    if text is None:
        return []
    return [Message(user, Kind.TASK_ASSIGNED, text, about) for user in sorted(administrators)]


def _handover(event: CloudEvent) -> list[Message]:
    """The notifications of the new and the earlier owner of a record, except of who did it.

    Nobody gave away what the CRM itself brought to another state: a restore, or the completion of
    records after the loss of a region.
    """
    if event.origin in ("import", "system") or event.type not in HANDOVERS:
        return []
    handed = HandedOver.model_validate(event.data)
    before, now = handed.earlier_owner, handed.current.owner_id
    if before == now:
        return []
    kind = event.subject_type
    record = f"the {kind} {handed.current.display_name}"
    about = About(type=kind, id=event.subject_id)
    to = f"gave {record} to {now}" if now else f"removed you as the owner of {record}"
    texts = {now: f"{event.actor} gave you {record}", before: f"{event.actor} {to}"}
    return [
        Message(
            user,
            Kind.TASK_ASSIGNED,
            text,
            about,
            Handover(actor=event.actor, to=now, received=user == now),
        )
        for user, text in texts.items()
        if user not in (None, event.actor)
    ]
