"""The events of this context and the state they carry; the source of the event schemas."""

from enum import StrEnum
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from kernel.domain.events import DomainEvent, Snapshot

Line = Annotated[str, StringConstraints(min_length=1, max_length=300)]


class Kind(StrEnum):
    """What a notification is about.

    `task_assigned` also when a record has another owner or an import has ended, and of what the
    scaling controller did.
    """

    OPPORTUNITY_WON = "opportunity_won"
    TASK_ASSIGNED = "task_assigned"
    REPORT_COMPLETED = "report_completed"
    REPORT_FAILED = "report_failed"


MAX_TEXT = 300
"""Characters of a notification's text."""


class About(BaseModel):
    """The record that a notification is about."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: str = Field(
        description="opportunity, task, report, import, account, contact, scaling_action, "
        "tenant_usage or region_move"
    )
    id: str


class NotificationState(Snapshot):
    """A message to one user, `owner_id`."""

    kind: Kind
    text: Line = Field(description="One sentence for people.")
    about: About
    event_id: str = Field(description="The event it is about.")
    read_at: AwareDatetime | None = None


class NotificationSent(DomainEvent, context="notifications"):
    """A user was notified."""

    current: NotificationState


class NotificationUpdated(DomainEvent, context="notifications"):
    """An operator restored a notification to an earlier state; `previous` has the other values."""

    current: NotificationState
    changed: list[str] = Field(examples=[["read_at"]])
    previous: dict[str, object] = Field(examples=[{"read_at": "2026-01-31T09:30:00.000Z"}])


class NotificationRead(DomainEvent, context="notifications"):
    """A user marked a notification as read."""

    current: NotificationState
