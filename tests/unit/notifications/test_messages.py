"""Who is notified of an event, and the text."""

from datetime import UTC, datetime
from typing import Any

import pytest

from kernel.domain.cloud_events import CloudEvent
from kernel.domain.ids import new_id
from notifications.events import Kind
from notifications.model.notifications import (
    MAX_TEXT,
    Message,
    Notification,
    message_for,
    messages_for,
)

USD = {"minor_units": 105400, "currency": "USD"}
OPPORTUNITY = {"id": "d", "name": "Big one", "owner_id": "ann"}
TASK = {"id": "t", "title": "Call", "assignee_id": "ann"}
IMPORT = {"id": "i", "parameters": {"record_type": "contacts"}, "created_by": "ann"}
RUN = {"id": "r", "parameters": {"report": "win_rate"}, "created_by": "ann"}


def event(type_: str, current: dict[str, Any], **attributes: str) -> CloudEvent:
    return CloudEvent.parse(
        {
            "id": new_id(),
            "source": "zebros.x",
            "type": type_,
            "subject": "x/y",
            "time": "2026-11-23T10:00:00.000Z",
            "tenantid": "acme",
            "sequence": "1",
            "actor": "bob",
            "origin": "api",
            "data": {"current": current},
            **attributes,
        }
    )


@pytest.mark.parametrize(
    ("type_", "current", "kind", "text", "about"),
    [
        ("OpportunityWon", OPPORTUNITY, Kind.OPPORTUNITY_WON, "Won: Big one", "opportunity/d"),
        (
            "OpportunityWon",
            {**OPPORTUNITY, "amount": USD},
            Kind.OPPORTUNITY_WON,
            "Won: Big one, USD 1,054.00",
            "opportunity/d",
        ),
        ("TaskAssigned", TASK, Kind.TASK_ASSIGNED, "New task from bob: Call", "task/t"),
        (
            "TaskAssigned",
            {**TASK, "due_on": "2026-12-01"},
            Kind.TASK_ASSIGNED,
            "New task from bob: Call, due 2026-12-01",
            "task/t",
        ),
        (
            "ReportCompleted",
            RUN,
            Kind.REPORT_COMPLETED,
            "Your report win rate is ready",
            "report/r",
        ),
        (
            "ReportFailed",
            {**RUN, "failure": "timed_out", "reason": "It took too long."},
            Kind.REPORT_FAILED,
            "Your report win rate failed: It took too long.",
            "report/r",
        ),
        (
            "ImportCompleted",
            {**IMPORT, "outcome": {"lines": 12300, "rejected": 2}},
            Kind.TASK_ASSIGNED,
            "Your import of contacts is complete: 12,300 lines, of which 2 were rejected",
            "import/i",
        ),
        (
            "ImportCompleted",
            {
                **IMPORT,
                "parameters": {"record_type": "accounts", "dry_run": True},
                "outcome": {"lines": 1},
            },
            Kind.TASK_ASSIGNED,
            "Your test import of accounts is complete: 1 line",
            "import/i",
        ),
        (
            "ImportFailed",
            {**IMPORT, "failure": "timed_out", "reason": "It took too long."},
            Kind.TASK_ASSIGNED,
            "Your import of contacts failed: It took too long.",
            "import/i",
        ),
    ],
)
def test_the_right_users_are_notified(
    type_: str, current: dict[str, Any], kind: Kind, text: str, about: str
) -> None:
    message = message_for(event(type_, current))
    assert message is not None
    assert (message.recipient, message.kind, message.text) == ("ann", kind, text)
    assert f"{message.about.type}/{message.about.id}" == about


@pytest.mark.parametrize(
    "event",
    [
        event("OpportunityWon", OPPORTUNITY, origin="import"),
        event("OpportunityWon", {"id": "d", "name": "Nobody's"}),
        event("TaskAssigned", TASK, actor="ann"),
        event("ReportCompleted", {**RUN, "created_by": "system"}),
        event("ImportFailed", {**IMPORT, "created_by": "system"}),
        event("OpportunityLost", OPPORTUNITY),
    ],
    ids=[
        *("imported", "without an owner", "assigned to oneself", "scheduled", "by the CRM"),
        "not subscribed to",
    ],
)
def test_events_that_concern_no_one_notify_no_one(event: CloudEvent) -> None:
    assert message_for(event) is None


def test_the_owner_is_notified_of_their_own_win() -> None:
    assert message_for(event("OpportunityWon", OPPORTUNITY, actor="ann")) is not None


def test_a_long_text_is_cut() -> None:
    message = message_for(event("ReportFailed", {**RUN, "reason": "x" * 2000}))
    assert isinstance(message, Message)
    notification, _ = Notification.create("acme", message, new_id(), datetime.now(UTC))
    assert len(notification.text) == MAX_TEXT


def handover(
    type_: str, current: dict[str, Any], before: str | None, actor: str = "bob", **attributes: str
) -> list[tuple[str, str, str]]:
    """Recipient, text and record of each notification about a change of owner."""
    data: dict[str, Any] = {"current": {"id": "d", "name": "Big one", **current}}
    if type_ == "OpportunityReassigned":
        data["previous_owner_id"] = before
    else:
        data |= {"changed": ["owner_id"], "previous": {"owner_id": before}}
    found = event(type_, {}, actor=actor, data=data, **attributes)  # type: ignore[arg-type]
    return [
        (one.recipient, one.text, f"{one.about.type}/{one.about.id}") for one in messages_for(found)
    ]


@pytest.mark.parametrize(
    ("type_", "kind", "name"),
    [
        ("OpportunityReassigned", "opportunity", {"name": "Big one"}),
        ("AccountUpdated", "account", {"name": "Big one"}),
        ("ContactUpdated", "contact", {"first_name": "Big", "last_name": "one"}),
        ("TaskUpdated", "task", {"title": "Big one"}),
    ],
)
def test_both_owners_are_notified_of_a_handover(
    type_: str, kind: str, name: dict[str, str]
) -> None:
    current = {"name": None, **name, "owner_id": "cleo"}
    assert handover(type_, current, "ann", subject=f"{kind}/d") == [
        ("cleo", f"bob gave you the {kind} Big one", f"{kind}/d"),
        ("ann", f"bob gave the {kind} Big one to cleo", f"{kind}/d"),
    ]


def test_nobody_is_notified_of_what_they_did_themselves() -> None:
    subject = "opportunity/d"
    taken = handover("OpportunityReassigned", {"owner_id": "bob"}, "ann", subject=subject)
    assert [one[0] for one in taken] == ["ann"]
    given = handover("OpportunityReassigned", {"owner_id": "cleo"}, "bob", subject=subject)
    assert [one[0] for one in given] == ["cleo"]
    assert handover("OpportunityReassigned", {"owner_id": "bob"}, "bob", subject=subject) == []


def test_a_record_that_had_or_has_no_owner_notifies_the_other_one() -> None:
    subject = "account/d"
    assert handover("AccountUpdated", {"owner_id": "cleo"}, None, subject=subject) == [
        ("cleo", "bob gave you the account Big one", subject)
    ]
    assert handover("AccountUpdated", {"owner_id": None}, "ann", subject=subject) == [
        ("ann", "bob removed you as the owner of the account Big one", subject)
    ]


def test_other_changes_and_imports_notify_nobody() -> None:
    changed = {"current": {"id": "d", "name": "A", "owner_id": "cleo"}, "changed": ["name"]}
    found = event("AccountUpdated", {}, data=changed)  # type: ignore[arg-type]
    assert messages_for(found) == []
    same = handover("OpportunityReassigned", {"owner_id": "ann"}, "ann", subject="opportunity/d")
    assert same == [], "only the team changed"
    subject = "opportunity/d"
    moved = {"owner_id": "cleo"}
    assert handover("OpportunityReassigned", moved, "ann", subject=subject, origin="import") == []
