"""Overdue, today and upcoming: seen from the day in the tenant's time zone."""

from datetime import UTC, datetime

import pytest

from activities.bootstrap import tasks
from tests.component.activities.test_tasks_and_timelines import a_task, api
from tests.component.conftest import ApiClient

__all__ = ["api"]

DAYS = ("2026-02-27", "2026-02-28", "2026-03-01", "2026-03-02")


def listed(api: ApiClient, due: str) -> list[str]:
    answer = api("GET", f"/tasks?due={due}")
    assert answer.status == 200, answer.text
    return [task["due_on"] for task in answer.json["items"]]


@pytest.mark.parametrize(
    ("now", "zone", "today"),
    [
        ("2026-03-01T07:59:59", "America/Los_Angeles", "2026-02-28"),
        ("2026-03-01T08:00:00", "America/Los_Angeles", "2026-03-01"),
        ("2026-02-28T10:00:00", "Pacific/Kiritimati", "2026-03-01"),
        ("2026-02-28T10:00:00", "Etc/UTC", "2026-02-28"),
        ("2026-02-28T10:00:00", "", "2026-02-28"),
        ("2026-02-28T18:15:00", "Asia/Kathmandu", "2026-03-01"),
        ("2026-02-28T10:00:00", "Mars/Olympus", "2026-02-28"),
    ],
)
def test_due_tasks_are_seen_from_today_in_the_tenant_s_zone(
    api: ApiClient, monkeypatch: pytest.MonkeyPatch, now: str, zone: str, today: str
) -> None:
    for day in (*DAYS, None):
        a_task(api, **({"due_on": day} if day else {}))
    at = datetime.fromisoformat(now).replace(tzinfo=UTC)
    monkeypatch.setattr(tasks(), "_now", lambda: at)
    here = api.as_(time_zone=zone)
    assert listed(here, "overdue") == [day for day in DAYS if day < today]
    assert listed(here, "today") == [today]
    assert listed(here, "upcoming") == [day for day in DAYS if day > today]


@pytest.mark.parametrize("days", ["due_from=2026-01-01", "due_to=2026-01-01"])
def test_due_and_days_together_are_rejected(api: ApiClient, days: str) -> None:
    answer = api("GET", f"/tasks?due=overdue&{days}")
    assert (answer.status, answer.json["errors"][0]["field"]) == (422, "due")


def test_an_unknown_value_of_due_is_rejected_with_the_known_ones(api: ApiClient) -> None:
    answer = api("GET", "/tasks?due=tomorrow")
    (error,) = answer.json["errors"]
    assert (answer.status, error["field"]) == (422, "due")
    assert error["message"] == "must be one of: overdue, today, upcoming"


def test_the_cursor_of_another_day_is_not_taken_for_today_s_list(
    api: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        a_task(api, due_on="2026-03-01")
    monkeypatch.setattr(tasks(), "_now", lambda: datetime(2026, 3, 1, 23, 59, tzinfo=UTC))
    first = api("GET", "/tasks?due=today&limit=2").json
    assert len(first["items"]) == 2
    monkeypatch.setattr(tasks(), "_now", lambda: datetime(2026, 3, 2, tzinfo=UTC))
    answer = api("GET", f"/tasks?due=today&limit=2&cursor={first['next_cursor']}")
    assert (answer.status, answer.json["errors"][0]["field"]) == (422, "cursor")
