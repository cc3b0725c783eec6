"""The texts of timeline entries."""

import itertools
from typing import Any

import pytest

from activities.consumers.timeline import RECORD_TYPES
from activities.incoming import EventData
from activities.model import timeline_text

USD = {"minor_units": 105400, "currency": "USD"}
OPPORTUNITY = {"id": "d", "name": "Big one", "stage_name": "Proposal", "owner_id": "bob"}
CALL = {"id": "t", "title": "Call back", "assignee_id": "bob"}


@pytest.mark.parametrize(
    ("kind", "type_", "data", "text"),
    [
        (
            "account",
            "AccountCreated",
            {"current": {"id": "a", "name": "Acme"}},
            "New account: Acme",
        ),
        (
            "account",
            "AccountUpdated",
            {"current": {"id": "a", "name": "Acme"}, "changed": ["name", "annual_revenue"]},
            "Acme: changed name, annual revenue",
        ),
        (
            "account",
            "AccountUpdated",
            {"current": {"id": "a", "name": "Acme"}, "changed": [*"abcdefgh", "i", "j"]},
            "Acme: changed a, b, c, d, e, f, g, h and 2 more",
        ),
        ("account", "AccountArchived", {"current": {"id": "a", "name": "Acme"}}, "Acme: archived"),
        ("account", "AccountRestored", {"current": {"id": "a", "name": "Acme"}}, "Acme: restored"),
        (
            "contact",
            "ContactCreated",
            {"current": {"id": "c", "first_name": "Zoë", "last_name": "Ash", "title": "CEO"}},
            "New contact: Zoë Ash",
        ),
        (
            "contact",
            "ContactArchived",
            {"current": {"id": "c", "last_name": "Ash"}},
            "Ash: archived",
        ),
        (
            "opportunity",
            "OpportunityCreated",
            {"current": {**OPPORTUNITY, "amount": USD}},
            "New opportunity: Big one, USD 1,054.00",
        ),
        (
            "opportunity",
            "OpportunityAmountChanged",
            {
                "current": {**OPPORTUNITY, "amount": {"minor_units": 7, "currency": "JPY"}},
                "previous_amount": USD,
            },
            "Big one: amount USD 1,054.00 → JPY 7",
        ),
        (
            "opportunity",
            "OpportunityAmountChanged",
            {"current": OPPORTUNITY, "previous_amount": USD},
            "Big one: amount USD 1,054.00 → none",
        ),
        (
            "opportunity",
            "OpportunityCorrected",
            {
                "current": {**OPPORTUNITY, "amount": USD, "closed_on": "2026-05-31"},
                "changed": ["amount", "region", "closed_on"],
                "previous": {
                    "amount": {"minor_units": 7, "currency": "JPY"},
                    "region": None,
                    "closed_on": "2026-06-01",
                },
            },
            "Big one: corrected amount (JPY 7 → USD 1,054.00), region, "
            "closed on (2026-06-01 → 2026-05-31)",
        ),
        (
            "opportunity",
            "OpportunityCorrected",
            {
                "current": {**OPPORTUNITY, "amount": USD, "lost_reason": "budget"},
                "changed": ["amount", "lost_reason"],
                "previous": {"amount": None, "lost_reason": "price"},
            },
            "Big one: corrected amount (none → USD 1,054.00), lost reason (price → budget)",
        ),
        (
            "opportunity",
            "OpportunityStageChanged",
            {"current": OPPORTUNITY},
            "Big one: moved to Proposal",
        ),
        ("opportunity", "OpportunityReassigned", {"current": OPPORTUNITY}, "Big one: now with bob"),
        (
            "opportunity",
            "OpportunityReassigned",
            {"current": {**OPPORTUNITY, "owner_id": None}, "previous_owner_id": "bob"},
            "Big one: now with nobody",
        ),
        (
            "opportunity",
            "OpportunityReassigned",
            {"current": {**OPPORTUNITY, "team_id": "south"}, "previous_owner_id": "ann"},
            "Big one: now with bob",
        ),
        (
            "opportunity",
            "OpportunityReassigned",
            {"current": {**OPPORTUNITY, "team_id": "south"}, "previous_owner_id": "bob"},
            "Big one: now with team south",
        ),
        (
            "opportunity",
            "OpportunityReassigned",
            {"current": {**OPPORTUNITY, "owner_id": None, "team_id": "south"}},
            "Big one: now with team south",
        ),
        (
            "opportunity",
            "OpportunityReassigned",
            {"current": OPPORTUNITY, "previous_owner_id": "bob", "previous_team_id": "south"},
            "Big one: now with no team",
        ),
        (
            "opportunity",
            "OpportunityWon",
            {"current": {**OPPORTUNITY, "amount": USD}},
            "Won: Big one, USD 1,054.00",
        ),
        ("opportunity", "OpportunityWon", {"current": OPPORTUNITY}, "Won: Big one"),
        (
            "opportunity",
            "OpportunityLost",
            {"current": {**OPPORTUNITY, "amount": USD, "lost_reason": "price"}},
            "Lost: Big one, USD 1,054.00 (price)",
        ),
        ("opportunity", "OpportunityReopened", {"current": OPPORTUNITY}, "Big one: reopened"),
        (
            "opportunity",
            "OpportunityWon",
            {"current": {**OPPORTUNITY, "amount": {"minor_units": 500, "currency": "DEM"}}},
            "Won: Big one, DEM 5.00",
        ),
        (
            "pipeline",
            "PipelineCreated",
            {"current": {"id": "p", "name": "Renewals"}},
            "New pipeline: Renewals",
        ),
        (
            "product",
            "ProductUpdated",
            {"current": {"id": "p", "name": "GTX"}, "changed": ["price"]},
            "GTX: changed price",
        ),
        ("task", "TaskAssigned", {"current": CALL}, "Task for bob: Call back"),
        (
            "task",
            "TaskAssigned",
            {"current": {**CALL, "due_on": "2026-12-01"}},
            "Task for bob: Call back, due 2026-12-01",
        ),
        ("task", "TaskCompleted", {"current": CALL}, "Done: Call back"),
        ("task", "TaskReopened", {"current": CALL}, "Call back: reopened"),
        ("opportunity", "OpportunityWentStale", {"current": OPPORTUNITY}, "Big one: went stale"),
    ],
)
def test_an_event_has_a_timeline_text(
    kind: str, type_: str, data: dict[str, Any], text: str
) -> None:
    assert timeline_text(kind, type_, EventData.model_validate(data)) == text


def test_a_record_without_a_name_is_shown_by_its_type() -> None:
    data = EventData.model_validate({"current": {"id": "x"}})
    for kind, what in itertools.product(RECORD_TYPES, ("Created", "Archived")):
        text = timeline_text(kind, f"{kind.capitalize()}{what}", data)
        assert kind in text
        assert "None" not in text
