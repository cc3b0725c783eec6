"""Who is notified of an event, and the text."""

from datetime import UTC, datetime
from typing import Any

import pytest

from kernel.domain.cloud_events import CloudEvent
from kernel.domain.ids import new_id
from notifications.events import Kind
from notifications.model import MAX_TEXT, Message, Notification, message_for

USD = {"minor_units": 105400, "currency": "USD"}
OPPORTUNITY = {"id": "d", "name": "Big one", "owner_id": "ann"}
TASK = {"id": "t", "title": "Call", "assignee_id": "ann"}
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
        event("OpportunityLost", OPPORTUNITY),
    ],
    ids=["imported", "without an owner", "assigned to oneself", "scheduled", "not subscribed to"],
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
