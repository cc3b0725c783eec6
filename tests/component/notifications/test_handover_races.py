"""Events of one handover that arrive at the same moment are all counted, and each once."""

from typing import Any

import pytest

from kernel.domain.errors import Busy, Conflict
from kernel.storage.table import Item
from notifications.repository import HandoverGroup
from tests.component.conftest import ApiClient
from tests.component.notifications.test_handovers import handover, inbox, texts, unread
from tests.component.notifications.test_inbox import api, delivered
from tests.component.test_budgets import Meter

__all__ = ["api"]


def losing(monkeypatch: pytest.MonkeyPatch, times: int, fault: Exception) -> list[str]:
    """Let others be faster this many times; the list has an entry for each."""
    add = HandoverGroup.add
    lost: list[str] = []

    def late(group: HandoverGroup, *arguments: Any) -> None:
        if len(lost) < times:
            lost.append(group._key)
            raise fault
        add(group, *arguments)

    monkeypatch.setattr(HandoverGroup, "add", late)
    return lost


def test_an_event_that_loses_three_times_is_counted_the_fourth_time(
    api: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivered(handover(actor="cy"))
    losing(monkeypatch, 3, Conflict("Another event was faster."))
    assert delivered(handover(actor="cy")) == []
    assert texts(api) == ["cy gave you 2 records: 2 accounts"]


@pytest.mark.parametrize(
    ("fault", "attempts"), [(Conflict("Another event was faster."), 4), (Busy("Too many."), 1)]
)
def test_an_event_that_always_loses_is_delivered_again(
    api: ApiClient, monkeypatch: pytest.MonkeyPatch, fault: Exception, attempts: int
) -> None:
    delivered(handover())
    second = handover()
    with monkeypatch.context() as patch:
        lost = losing(patch, 1000, fault)
        assert len(delivered(second)) == 1, "it goes back to its queue"
        assert len(lost) == attempts, "a busy table is left alone until then"
    assert delivered(second) == []
    assert texts(api) == ["bob gave you 2 records: 2 accounts"]


def test_when_a_recipient_has_read_two_events_at_once_begin_one_notification(
    api: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both see that the notification was read; the second finds out when it writes."""
    delivered(handover())
    (first,) = inbox(api)
    api("POST", f"/notifications/{first['id']}/read")
    look = HandoverGroup.notification_id
    seen: dict[str, tuple[int, Item | None, str | None]] = {}

    def late(group: HandoverGroup) -> str | None:
        found = look(group)
        asked, stored, known = seen.get(group._key, (0, group._stored, found))
        seen[group._key] = (asked + 1, stored, known)
        if asked == 1:
            group._stored = stored
            return known
        return found

    monkeypatch.setattr(HandoverGroup, "notification_id", late)
    assert delivered(handover(), handover()) == []
    assert texts(api) == ["bob gave you 2 records: 2 accounts", "bob gave you the account Acme"]
    assert unread(api) == 1


def test_the_same_handover_in_two_tenants_is_counted_in_each(api: ApiClient) -> None:
    for tenant in ("acme", "globex", "acme", "globex"):
        assert delivered(handover(tenantid=tenant)) == []
    for tenant in ("acme", "globex"):
        assert texts(api.as_(tenant=tenant)) == ["bob gave you 2 records: 2 accounts"]


def test_what_decides_about_counting_is_read_consistently(
    api: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivered(handover())
    losing(monkeypatch, 1, Conflict("Another event was faster."))
    meter = Meter()
    delivered(handover())
    reads = [one for one in meter.requests if "#HANDOVERS#" in str(one.get("Key"))]
    assert len(reads) >= 4
    assert all(one.get("ConsistentRead") for one in reads)
    meter.requests.clear()
    assert texts(api) == ["bob gave you 2 records: 2 accounts"]
    (counts,) = [one for one in meter.requests if "RequestItems" in one]
    assert all(one["ConsistentRead"] for one in counts["RequestItems"].values())


def test_a_handover_is_pushed_once(api: ApiClient, monkeypatch: pytest.MonkeyPatch) -> None:
    from notifications.service import NotificationService

    pushed: list[str] = []
    made = NotificationService.__init__

    def recording(service: NotificationService, *arguments: Any) -> None:
        made(service, *arguments)
        monkeypatch.setattr(service._push, "push", lambda one: pushed.append(one.owner_id))

    monkeypatch.setattr(NotificationService, "__init__", recording)
    from notifications import bootstrap

    bootstrap.notifications.cache_clear()
    delivered(handover(), handover())
    assert sorted(pushed) == ["ann", "cy"]
    bootstrap.notifications.cache_clear()


def test_a_notification_that_is_read_in_two_windows_names_all_records(
    api: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    from notifications import bootstrap

    delivered(handover(), handover())
    (one,) = inbox(api)
    store = bootstrap.notifications()._notifications
    get, stale = store.get, store.get("acme", one["id"])
    assert api("POST", f"/notifications/{one['id']}/read").status == 200
    answers = [stale, stale]
    monkeypatch.setattr(store, "get", lambda *a, **k: answers.pop() if answers else get(*a, **k))
    again = api("POST", f"/notifications/{one['id']}/read")
    assert (again.status, again.json["text"]) == (200, "bob gave you 2 records: 2 accounts")
    assert unread(api) == 0
