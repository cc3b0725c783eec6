"""The timeline and the inbox can read the published examples of the events they consume."""

import json
from pathlib import Path
from typing import Any

import pytest

from activities.consumers.timeline import add_entries
from activities.consumers.timeline import handler as timeline
from activities.repository import TimelineEntry
from kernel.domain.cloud_events import CloudEvent
from kernel.storage.packing import unpack
from kernel.storage.table import Put
from notifications.consumers.inbox import handler as inbox
from notifications.incoming import HANDOVERS, MOVE_REFUSED, SCALING, TIER_CHANGED
from notifications.model.notifications import message_for, messages_for

EXAMPLES = Path(__file__).resolve().parents[2] / "events" / "examples"


def example(type_: str) -> dict[str, Any]:
    (path,) = EXAMPLES.glob(f"*/{type_}.v1.json")
    envelope: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return envelope


TIMELINE_TYPES = sorted(
    path.name.split(".")[0]
    for path in EXAMPLES.glob("*/*.json")
    if json.loads(path.read_text("utf-8"))["subject"].split("/")[0] in timeline.record_types
)


def test_the_timeline_has_as_many_event_types_as_before() -> None:
    assert len(TIMELINE_TYPES) == 30


@pytest.mark.parametrize("type_", TIMELINE_TYPES)
def test_a_timeline_has_a_text_for_every_published_event(type_: str) -> None:
    event = CloudEvent.parse(example(type_))
    current = event.data["current"]
    actions = [
        action
        for action in add_entries(event, {})
        if isinstance(action, Put) and "#TIMELINE#" in action.item["pk"]
    ]
    entries = [TimelineEntry.model_validate_json(unpack(action.item["doc"])) for action in actions]
    text = entries[0].text
    name = current.get("last_name") or current.get("name") or current["title"]
    assert name in text
    assert "None" not in text
    partitions = {a.item["pk"].rpartition("#TIMELINE#")[2] for a in actions}
    linked = {f"{r['type']}#{r['id']}" for r in current.get("related", [])}
    linked |= {
        f"{kind}#{current[f'{kind}_id']}"
        for kind in ("account", "contact")
        if f"{kind}_id" in current
    }
    assert partitions == linked | {event.subject.replace("/", "#")}


@pytest.mark.parametrize("type_", sorted(inbox.types))
def test_the_inbox_has_a_text_for_every_event_it_consumes(type_: str) -> None:
    envelope = {**example(type_), "origin": "api", "actor": "someone.else"}
    if type_ in HANDOVERS:
        data = envelope["data"]
        change = {"changed": ["owner_id"], "previous": {"owner_id": "before"}}
        reassigned = {"previous_owner_id": "before"}
        data = {**data, **(reassigned if type_ == "OpportunityReassigned" else change)}
        both = messages_for(CloudEvent.parse({**envelope, "data": data}))
        assert [one.recipient for one in both] == [data["current"]["owner_id"], "before"]
        assert all("None" not in one.text and one.text[-1] != " " for one in both)
        return
    event = CloudEvent.parse(envelope)
    if type_ in SCALING:
        (one,) = messages_for(event, ["ann"])
        assert (one.recipient, f"{one.about.type}/{one.about.id}") == ("ann", event.subject)
        assert event.data["current"]["resource"] in one.text
        assert "None" not in one.text
        return
    if type_ == TIER_CHANGED:
        changed = {**envelope["data"], "previous_tier": "startup"}
        (one,) = messages_for(CloudEvent.parse({**envelope, "data": changed}), ["ann"])
        assert (one.recipient, f"{one.about.type}/{one.about.id}") == ("ann", event.subject)
        assert event.data["current"]["tier"] in one.text
        return
    if type_ == MOVE_REFUSED:
        (one,) = messages_for(event, ["ann"])
        assert (one.recipient, f"{one.about.type}/{one.about.id}") == ("ann", event.subject)
        assert event.data["current"]["because"] in one.text
        return
    message = message_for(event)
    assert message is not None
    current = event.data["current"]
    recipient = {
        "OpportunityWon": current.get("owner_id"),
        "TaskAssigned": current.get("assignee_id"),
        "ReportCompleted": current["created_by"],
        "ReportFailed": current["created_by"],
        "ImportCompleted": current["created_by"],
        "ImportFailed": current["created_by"],
    }[type_]
    assert message.recipient == recipient
    assert f"{message.about.type}/{message.about.id}" == event.subject
    assert "None" not in message.text
    if type_ in ("ReportFailed", "ImportFailed"):
        assert message.text.endswith(current["reason"])
