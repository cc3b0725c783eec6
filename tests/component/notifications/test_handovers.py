"""Records that one request hands over are one notification of an inbox."""

import time
from typing import Any

import pytest

from kernel.domain.ids import new_id
from tests.component.conftest import ApiClient, published
from tests.component.notifications.test_inbox import api, delivered, envelope

__all__ = ["api"]


def handover(kind: str = "account", correlation: str = "run-1", **more: Any) -> dict[str, Any]:
    record = new_id()
    type_ = {"opportunity": "OpportunityReassigned"}.get(kind, f"{kind.capitalize()}Updated")
    names = {"contact": {"last_name": "Lee"}, "task": {"title": "Call"}}
    current = {"id": record, "owner_id": "ann", **names.get(kind, {"name": "Acme"})}
    data = {"current": current, "changed": ["owner_id"], "previous": {"owner_id": "cy"}}
    if kind == "opportunity":
        data["previous_owner_id"] = "cy"
    attributes = {"subject": f"{kind}/{record}", "correlationid": correlation, "data": data}
    return envelope(type_, current, **attributes | more)


def inbox(api: ApiClient, user: str = "ann") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = api.as_(user=user)("GET", "/notifications").json["items"]
    return found


def texts(api: ApiClient, user: str = "ann") -> list[str]:
    return [one["text"] for one in inbox(api, user)]


def unread(api: ApiClient, user: str = "ann") -> int:
    return int(api.as_(user=user)("GET", "/notifications/unread-count").json["unread"])


def test_one_record_is_named(api: ApiClient) -> None:
    assert delivered(handover()) == []
    assert texts(api) == ["bob gave you the account Acme"]
    assert texts(api, "cy") == ["bob gave the account Acme to ann"]


def test_many_records_of_one_request_are_counted_by_type(api: ApiClient, cloud: Any) -> None:
    kinds = ["contact", "account", "opportunity", "account", "task", "contact", "account"]
    assert delivered(*map(handover, kinds)) == []
    counted = "3 accounts, 2 contacts, 1 opportunity, 1 task"
    assert texts(api) == [f"bob gave you 7 records: {counted}"]
    assert texts(api, "cy") == [f"bob gave 7 of your records to ann: {counted}"]
    assert unread(api) == unread(api, "cy") == 1
    sent = [one for one in published(cloud) if one["type"] == "NotificationSent"]
    assert len(sent) == 2, "one for each of both"


def test_events_that_are_delivered_again_are_counted_once(api: ApiClient) -> None:
    events = [handover("contact") for _ in range(3)]
    for some in (events, events[::-1], events[1:], [events[0]] * 2):
        assert delivered(*some) == []
    assert texts(api) == ["bob gave you 3 records: 3 contacts"]
    assert unread(api) == 1


def test_a_call_that_is_repeated_after_a_crash_notifies_of_the_rest(api: ApiClient) -> None:
    delivered(*(handover("contact", "run-1") for _ in range(2)))
    delivered(*(handover("contact", "run-2") for _ in range(3)))
    assert texts(api) == [f"bob gave you {n} records: {n} contacts" for n in (3, 2)]


def test_other_people_other_senders_and_other_tenants_are_apart(api: ApiClient) -> None:
    to_dee = handover()
    to_dee["data"]["current"]["owner_id"] = "dee"
    delivered(handover(), handover(actor="eve"), to_dee, handover(tenantid="globex"))
    assert sorted(texts(api)) == ["bob gave you the account Acme", "eve gave you the account Acme"]
    assert texts(api, "dee") == ["bob gave you the account Acme"]
    assert len(texts(api.as_(tenant="globex"))) == 1


def test_records_without_a_new_owner_are_counted_too(api: ApiClient) -> None:
    events = [handover("contact") for _ in range(2)]
    for event in events:
        del event["data"]["current"]["owner_id"]
    delivered(*events)
    assert texts(api, "cy") == ["bob removed you as the owner of 2 records: 2 contacts"]


def test_records_after_a_notification_was_read_are_a_new_one(api: ApiClient) -> None:
    events = [handover("contact") for _ in range(4)]
    delivered(*events[:2])
    (first,) = inbox(api)
    answer = api("POST", f"/notifications/{first['id']}/read")
    assert answer.json["text"] == "bob gave you 2 records: 2 contacts"
    delivered(*events)
    assert unread(api) == 1
    assert texts(api) == ["bob gave you 2 records: 2 contacts"] * 2
    assert texts(api, "cy") == ["bob gave 4 of your records to ann: 4 contacts"]


def test_an_event_without_a_correlation_is_one_notification(api: ApiClient) -> None:
    delivered(handover(correlation=""), handover(correlation=""))
    assert texts(api) == ["bob gave you the account Acme"] * 2


def test_the_api_shows_nothing_of_how_it_counts(api: ApiClient) -> None:
    delivered(handover(), handover())
    (one,) = inbox(api)
    assert one.keys() <= {
        *("id", "version", "created_at", "created_by", "updated_at", "updated_by", "owner_id"),
        *("kind", "text", "about", "event_id"),
    }


@pytest.mark.parametrize("count", [2, 30])
def test_a_page_of_counted_notifications_costs_one_read_more(api: ApiClient, count: int) -> None:
    from tests.component.test_budgets import Meter

    for n in range(count):
        delivered(handover(correlation=f"run-{n}"), handover(correlation=f"run-{n}"))
    unread(api)  # the first request of a day also says that the caller is no administrator
    meter = Meter()
    assert api("GET", "/notifications?limit=50").status == 200
    assert meter.taken() == {"Query": 1, "BatchGetItem": 1}


def test_events_at_the_same_moment_are_one_notification(
    api: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each looks before the other has begun, so the second finds out when it writes."""
    from notifications.repository import HandoverGroup

    asked: list[str] = []
    look = HandoverGroup.notification_id

    def late(group: HandoverGroup) -> str | None:
        asked.append(group._key)
        return None if asked.count(group._key) == 2 else look(group)

    monkeypatch.setattr(HandoverGroup, "notification_id", late)
    assert delivered(handover(), handover()) == []
    assert texts(api) == ["bob gave you 2 records: 2 accounts"]
    assert unread(api) == 1


def test_a_notification_that_is_read_at_the_same_moment_does_not_hide_a_record(
    api: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    from notifications.repository import HandoverGroup

    delivered(handover())
    (first,) = inbox(api)
    add = HandoverGroup.add

    def read_before(group: HandoverGroup, *arguments: Any) -> None:
        api("POST", f"/notifications/{first['id']}/read")
        add(group, *arguments)

    monkeypatch.setattr(HandoverGroup, "add", read_before)
    second = handover()
    assert delivered(second, second) == []
    assert texts(api) == ["bob gave you the account Acme"] * 2
    assert unread(api) == 1


def test_what_a_handover_has_counted_expires_after_the_archive(api: ApiClient, cloud: Any) -> None:
    before = time.time()
    assert delivered(handover(), handover()) == []
    found = cloud.scan(TableName="table")["Items"]
    temporary = [one for one in found if "#HANDOVERS#" in one["pk"]["S"]]
    assert len(temporary) == 6, "a group and two events, for each of both inboxes"
    for item in temporary:
        assert 399 <= (int(item["ttl"]["N"]) - before) / 86_400 <= 401
