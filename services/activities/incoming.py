"""The part of other contexts' events that a timeline needs."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from kernel.domain.money import format_money
from kernel.messaging.upcasting import EventUpcasters

UPCASTERS: EventUpcasters = {}
"""How events of older versions are read; no event has a second version yet."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Amount(_Part):
    """Money as events carry it."""

    minor_units: int
    currency: str

    def formatted(self) -> str:
        """For people: `USD 1,054.00`."""
        return format_money(self.minor_units, self.currency)


class Link(_Part):
    """A record that a task is about."""

    type: str
    id: str


class Subject(_Part):
    """`current` of any event: the record's name, values, and related records."""

    id: str
    name: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    title: str | None = None
    account_id: str | None = None
    contact_id: str | None = None
    related: list[Link] = Field(default_factory=list)
    owner_id: str | None = None
    team_id: str | None = None
    assignee_id: str | None = None
    amount: Amount | None = None
    stage_name: str | None = None
    lost_reason: str | None = None
    closed_on: str | None = None
    due_on: str | None = None

    def display_name(self, kind: str) -> str:
        """The record's name for people; its type (`kind`) when it has none."""
        person = " ".join(part for part in (self.first_name, self.last_name) if part)
        names = (self.title, self.name) if kind == "task" else (self.name, person, self.title)
        return next((name for name in names if name), kind)


class EventData(_Part):
    """An event's `data`."""

    current: Subject
    changed: list[str] = Field(default_factory=list)
    previous: dict[str, Any] = Field(default_factory=dict)
    previous_amount: Amount | None = None
    previous_owner_id: str | None = None
