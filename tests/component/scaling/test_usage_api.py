"""The routes of usage, for administrators of the tenant that operates the system."""

from datetime import timedelta
from typing import Any

import pytest

from tests.component.conftest import ApiClient
from tests.component.scaling.metering import MONDAY, deliver, new, stored_before


@pytest.fixture
def api(cloud: Any, monkeypatch: pytest.MonkeyPatch) -> ApiClient:
    monkeypatch.setenv("OPERATOR_TENANT", "operator")
    monkeypatch.setattr("scaling.bootstrap.utc_now", lambda: MONDAY + timedelta(days=1))
    from scaling.handlers.api import handler

    return ApiClient(handler, tenant="operator")


def test_every_tenant_has_its_tier_and_its_values_now(api: ApiClient, cloud: Any) -> None:
    stored_before(cloud, "initech", customers=1000, bytes=7_000_000_000)
    deliver([new("person", tenant=one) for one in ("initech", "globex")])
    stored_before(cloud, "initech", customers=5)
    found = api("GET", "/scaling/usage")
    assert found.status == 200, found.text
    globex, initech = found.json["items"]
    assert (globex["tenant"], globex["tier"]) == ("globex", "startup")
    assert globex["values"] == {"users": 1, "customers": 0, "opportunities": 0, "data_mb": 0}
    assert initech == {
        "tenant": "initech",
        "tier": "growing",
        "since": "2026-11-24T09:00:00Z",
        "metric_tiers": {
            "users": "startup",
            "customers": "growing",
            "opportunities": "startup",
            "data_mb": "growing",
        },
        "values": {"users": 1, "customers": 1005, "opportunities": 0, "data_mb": 7000},
    }


def test_tenants_are_listed_in_pages(api: ApiClient) -> None:
    names = [f"tenant-{number:03}" for number in range(130)]
    deliver([new("task", tenant=one) for one in names])
    first = api("GET", "/scaling/usage?limit=120").json
    second = api("GET", f"/scaling/usage?limit=120&cursor={first['next_cursor']}").json
    assert [one["tenant"] for one in first["items"] + second["items"]] == names
    assert first["items"][119]["values"]["data_mb"] == 0
    assert "next_cursor" not in second or second["next_cursor"] is None


def test_the_days_of_a_tenant_are_oldest_first(api: ApiClient) -> None:
    run = {"started_at": "2026-11-24T08:00:00Z", "ended_at": "2026-11-24T08:00:02.500Z"}
    report = new("report", name="ReportCompleted", at=MONDAY + timedelta(days=1), **run)
    deliver([new("account", actor="bob"), report])
    found = api("GET", "/scaling/usage/globex")
    assert found.status == 200, found.text
    assert found.json["tenant"] == "globex"
    monday, tuesday = found.json["items"]
    assert monday == {
        "day": "2026-11-23",
        "values": {
            "users": 0,
            "customers": 1,
            "opportunities": 0,
            "data_mb": monday["values"]["data_mb"],
            "active_users": 1,
            "concurrent_users": 1,
            "requests": 1,
        },
    }
    assert (tuesday["day"], tuesday["values"]["report_seconds"]) == ("2026-11-24", 2.5)
    assert 0 < monday["values"]["data_mb"] < tuesday["values"]["data_mb"] < 0.002
    only = api("GET", "/scaling/usage/globex?last=1").json["items"]
    assert only == [tuesday]


@pytest.mark.parametrize("last", ["0", "93", "-1", "x", "1.5"])
def test_a_wrong_number_of_days_is_named(api: ApiClient, last: str) -> None:
    deliver([new("task")])
    answer = api("GET", f"/scaling/usage/globex?last={last}")
    assert answer.status == 422, answer.text
    assert [one["field"] for one in answer.json["errors"]] == ["last"]


@pytest.mark.parametrize("tenant", ["nobody", "TENANT", "a" * 120, "a" * 3000, "operator"])
def test_a_tenant_without_usage_is_not_found(api: ApiClient, tenant: str) -> None:
    assert api("GET", f"/scaling/usage/{tenant}").status == 404


@pytest.mark.parametrize("path", ["/scaling/usage", "/scaling/usage/globex"])
@pytest.mark.parametrize(
    "who",
    [
        {"tenant": "globex"},
        *({"roles": one} for one in ("sales-manager", "sales-representative", "read-only")),
    ],
    ids=str,
)
def test_nobody_else_sees_usage(api: ApiClient, path: str, who: dict[str, str]) -> None:
    deliver([new("task")])
    assert api.as_(**who)("GET", path).status == 403
