"""The day on which an opportunity is closed is by default today in the tenant's time zone."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.domain.time_zones import today
from opportunities.bootstrap import opportunities
from tests.component.conftest import ApiClient, examples, opportunity_events
from tests.component.opportunities.conftest import ANY
from tests.component.opportunities.test_opportunities_api import an_opportunity

EDGES = [
    ("2026-01-31T09:59:59", "Pacific/Kiritimati", "2026-01-31"),
    ("2026-01-31T10:00:00", "Pacific/Kiritimati", "2026-02-01"),
    ("2026-02-01T07:59:59", "America/Los_Angeles", "2026-01-31"),
    ("2026-02-01T08:00:00", "America/Los_Angeles", "2026-02-01"),
    ("2026-03-29T21:59:59", "Europe/Berlin", "2026-03-29"),
    ("2026-03-29T22:00:00", "Europe/Berlin", "2026-03-30"),
    ("2026-12-31T18:15:00", "Asia/Kathmandu", "2027-01-01"),
    ("2026-12-31T18:15:00", "", "2026-12-31"),
]


def closed(api: ApiClient, how: str) -> Any:
    """An opportunity that is closed without a day, in one of the ways there are."""
    if how in ("won", "lost"):
        path = f"/opportunities/{an_opportunity(api).json['id']}/{how}"
        answer = api("POST", path, {"reason": "price"} if how == "lost" else {}, ANY)
        assert answer.status == 200, answer.text
        return answer.json
    item = {"name": "Big one", "external_ids": {"crm": "1"}}
    if how == "moved by an import":
        api("POST", "/opportunities/batch", {"items": [item]})
    api("POST", "/opportunities/batch", {"items": [item | {"stage": "won"}]})
    return api("GET", "/opportunities?external_id=crm:1").json["items"][0]


@pytest.mark.parametrize("how", ["won", "lost", "imported", "moved by an import"])
@pytest.mark.parametrize(("now", "zone", "day"), EDGES)
def test_an_opportunity_is_closed_today_in_the_tenant_s_zone(
    api: ApiClient,
    cloud: Any,
    monkeypatch: pytest.MonkeyPatch,
    now: str,
    zone: str,
    day: str,
    how: str,
) -> None:
    at = datetime.fromisoformat(now).replace(tzinfo=UTC)
    monkeypatch.setattr(opportunities(), "_now", lambda: at)
    found = closed(api.as_(time_zone=zone), how)
    assert found["closed_on"] == day
    event = opportunity_events(cloud)[-1]
    assert event["data"]["current"]["closed_on"] == day
    assert found["stage_entered_at"] == f"{now}Z", "instants stay in UTC"


@given(
    st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC)),
    st.sampled_from(["Pacific/Kiritimati", "America/Los_Angeles", "Europe/Berlin"]),
)
@examples(15)
def test_two_tenants_close_at_the_same_instant_on_their_own_days(
    api: ApiClient, at: datetime, zone: str
) -> None:
    service = opportunities()
    usual, service._now = service._now, lambda: at
    try:
        here, there = api.as_(time_zone=zone), api.as_(tenant="globex", time_zone="Etc/UTC")
        assert closed(here, "won")["closed_on"] == today(at, zone).isoformat()
        assert closed(there, "won")["closed_on"] == at.date().isoformat()
    finally:
        service._now = usual


def test_a_day_that_is_given_is_kept_in_every_zone(api: ApiClient) -> None:
    path = f"/opportunities/{an_opportunity(api).json['id']}/won"
    won = api.as_(time_zone="Pacific/Kiritimati")("POST", path, {"closed_on": "2026-01-31"}, ANY)
    assert won.json["closed_on"] == "2026-01-31"
