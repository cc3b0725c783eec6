"""Tiers of tenants: through the consumer, on both sides of every boundary."""

from datetime import timedelta
from typing import Any

import pytest

from kernel.domain.errors import Busy
from scaling.events import Tier
from scaling.model.tiers import Metric, Range, tiers
from tests.component.conftest import published
from tests.component.scaling.metering import (
    COUNTED,
    MONDAY,
    counters,
    deliver,
    event,
    gone,
    new,
    stored_before,
    tier_changes,
)
from tests.component.test_budgets import Meter, size

BOUNDARIES = [
    pytest.param(metric, lower, upper, tiers()[metric][upper], id=f"{metric}-{upper}")
    for metric in Metric
    for lower, upper in ((Tier.STARTUP, Tier.GROWING), (Tier.GROWING, Tier.ENTERPRISE))
]
_MB = 1_000_000
STRATEGY = {
    Metric.USERS: (25, 101),
    Metric.CUSTOMERS: (1000, 10_001),
    Metric.OPPORTUNITIES: (100, 1001),
    Metric.DATA_MB: (5000, 50_001),
}


def test_there_are_eight_boundaries_as_the_strategy_says() -> None:
    found = {m: (tiers()[m][Tier.GROWING].first, tiers()[m][Tier.ENTERPRISE].first) for m in Metric}
    assert found == STRATEGY
    assert len(BOUNDARIES) == 8


def just_below(cloud: Any, metric: Metric, boundary: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Bring a tenant two records below a boundary; returns the next two events.

    Of data the first event ends one byte below it.
    """
    if metric is Metric.DATA_MB:
        first, second = new("task"), new("task")
        stored_before(cloud, bytes=boundary * _MB - 1 - bytes_of(first))
        return first, second
    stored_before(cloud, **{metric: boundary - 2})
    record_type = COUNTED[metric]
    return new(record_type), new(record_type)


def bytes_of(one: dict[str, Any]) -> int:
    """The bytes that an event adds."""
    import json

    return len(json.dumps(one, separators=(",", ":"), ensure_ascii=False).encode())


@pytest.mark.parametrize(("metric", "lower", "upper", "reached"), BOUNDARIES)
def test_a_tier_begins_with_its_first_value_and_not_before(
    cloud: Any, metric: Metric, lower: Tier, upper: Tier, reached: Range
) -> None:
    below, at = just_below(cloud, metric, reached.first)
    deliver([below])
    assert tier_changes(cloud) == [(None, lower)]
    deliver([at])
    assert tier_changes(cloud) == [(None, lower), (lower, upper)]
    change = [one for one in published(cloud) if one["type"] == "TenantTierChanged"][-1]
    current = change["data"]["current"]
    assert current["values"][metric] == reached.first
    assert current["metric_tiers"][metric] == upper
    assert (change["tenantid"], current["id"]) == ("acme", "globex"), "it is the operator's record"


@pytest.mark.parametrize(("metric", "lower", "upper", "reached"), BOUNDARIES)
def test_a_tier_is_left_only_clearly_below_its_first_value(
    cloud: Any, metric: Metric, lower: Tier, upper: Tier, reached: Range
) -> None:
    unit = _MB if metric is Metric.DATA_MB else 1
    name = "bytes" if metric is Metric.DATA_MB else str(metric)
    stored_before(cloud, **{name: reached.first * unit})
    deliver([new("task")])
    stays = -(-reached.first * 95 // 100)
    stored_before(cloud, **{name: (stays - reached.first) * unit})
    deliver([new("task")])
    assert tier_changes(cloud) == [(None, upper)]
    stored_before(cloud, **{name: -unit})
    deliver([new("task")])
    assert tier_changes(cloud) == [(None, upper), (upper, lower)]


def test_a_thousand_customers_more_or_less_do_not_flap(cloud: Any) -> None:
    stored_before(cloud, customers=999)
    for _ in range(10):
        created = new("account")
        deliver([created])
        deliver([gone(created)])
    assert counters(cloud)["USAGE", "TOTAL"]["customers"] == 999
    assert tier_changes(cloud) == [(None, "growing")]


def test_a_change_is_published_once_however_often_its_events_arrive(cloud: Any) -> None:
    from scaling.bootstrap import usage

    events = [new("person") for _ in range(26)]
    for _ in range(3):
        deliver(events)
        deliver(reversed(events), size=7)
        usage().update_tiers(["globex"])
    assert tier_changes(cloud) == [(None, "growing")]


def test_of_two_who_see_the_same_change_one_publishes_it(
    cloud: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from scaling.bootstrap import tenants, usage

    deliver([new("account")])
    before = tenants().find_all("acme", ["globex"])
    stored_before(cloud, customers=5000)
    usage().update_tiers(["globex"])
    monkeypatch.setattr(tenants(), "find_all", lambda *_: before)
    usage().update_tiers(["globex"])
    monkeypatch.setattr(tenants(), "find_all", lambda *_: {})
    usage().update_tiers(["globex"])
    assert tier_changes(cloud) == [(None, "startup"), ("startup", "growing")]


def test_a_smaller_metric_changes_its_own_tier_without_an_event(cloud: Any) -> None:
    from scaling.bootstrap import tenants

    stored_before(cloud, customers=20_000, users=24)
    deliver([new("task")])
    deliver([new("person")])
    found = tenants().find_all("acme", ["globex"])["globex"]
    assert (found.metric_tiers.users, found.values.users) == ("growing", 25)
    assert tier_changes(cloud) == [(None, "enterprise")]
    stored_before(cloud, users=-1)
    deliver([new("task")])
    found = tenants().find_all("acme", ["globex"])["globex"]
    assert found.metric_tiers.users == "growing", "seen from the tier before"


def test_the_tier_holds_since_its_change(cloud: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from scaling.bootstrap import tenants

    monkeypatch.setattr("scaling.bootstrap.utc_now", lambda: MONDAY)
    deliver([new("account")])
    later = MONDAY + timedelta(days=1)
    tenants.cache_clear()
    from scaling import bootstrap

    bootstrap.usage.cache_clear()
    monkeypatch.setattr("scaling.bootstrap.utc_now", lambda: later)
    stored_before(cloud, users=20)
    deliver([new("account")])
    assert tenants().find_all("acme", ["globex"])["globex"].since == MONDAY
    stored_before(cloud, users=20)
    deliver([new("account")])
    assert tenants().find_all("acme", ["globex"])["globex"].since == later


def test_levels_that_were_damaged_count_as_nothing(cloud: Any) -> None:
    from scaling.bootstrap import usage

    stored_before(cloud, customers=-5, bytes=-2_000_000)
    deliver([new("task")])
    assert tier_changes(cloud) == [(None, "startup")]
    (day,) = usage().days_of_usage("globex", 92)
    assert [day.values[one] for one in ("customers", "data_mb")] == [0, 0]


def test_the_hourly_look_finds_a_change_that_no_event_has_shown(cloud: Any) -> None:
    from scaling.bootstrap import usage

    deliver([new("account", tenant=one) for one in ("globex", "initech")])
    stored_before(cloud, "initech", opportunities=100)
    usage().update_all_tiers()
    assert tier_changes(cloud, "initech") == [(None, "startup"), ("startup", "growing")]
    assert tier_changes(cloud, "globex") == [(None, "startup")]


@pytest.mark.parametrize(
    ("message", "looks"),
    [
        ({"detail-type": "Scheduled Event"}, 1),
        ({"detail-type": "CloudWatch Alarm State Change"}, 0),
    ],
)
def test_the_controller_s_hourly_run_looks_at_tiers(
    cloud: Any, monkeypatch: pytest.MonkeyPatch, message: dict[str, Any], looks: int
) -> None:
    from scaling.handlers import steps
    from scaling.service.controller import DONE

    looked = []

    class Begins:
        def begin(self, _execution: str, _message: Any) -> Any:
            return DONE

        def update_all_tiers(self) -> None:
            looked.append(1)

    monkeypatch.setattr(steps, "controller", Begins)
    monkeypatch.setattr(steps, "usage", Begins)
    steps.handler({"step": "begin", "execution": "e", "message": message}, None)
    assert len(looked) == looks


def test_events_are_metered_also_when_tiers_cannot_be_compared(
    cloud: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from scaling.bootstrap import usage

    def fails(*_: Any) -> None:
        raise Busy("no")

    monkeypatch.setattr(usage(), "update_tiers", fails)
    deliver([new("account")])
    assert counters(cloud)["USAGE", "TOTAL"]["customers"] == 1


def test_a_batch_of_one_tenant_writes_each_counter_once(cloud: Any) -> None:
    deliver([new("account")])
    events = [new("account", actor=f"user-{number % 5}") for number in range(50)]
    meter = Meter()
    deliver(events)
    # Positions, and the totals and tiers of the tenants of the batch.
    assert meter.taken() == {"BatchGetItem": 3, "TransactWriteItems": 1}
    actions = meter.requests[1]["TransactItems"]
    assert sum("Put" in one for one in actions) == 50, "a position for each record"
    added = [one["Update"]["Key"] for one in actions if "Update" in one]
    assert len(added) == 7, "the tenant's total, its day, and five users"
    assert all(size(one["Put"]["Item"]) < 1024 for one in actions if "Put" in one), (
        "one unit of a write"
    )


def test_a_batch_of_many_records_is_two_transactions(cloud: Any) -> None:
    deliver([new("account")])
    meter = Meter()
    deliver([new("account") for _ in range(100)])
    assert meter.taken() == {"BatchGetItem": 3, "TransactWriteItems": 2}


def test_the_item_of_a_user_s_week_is_one_unit(cloud: Any) -> None:
    """Also of somebody who works ten hours a day, and one day more."""
    events = [
        event(
            "task/t", day * 10 + hour + 1, MONDAY + timedelta(days=day, hours=hour), actor="a" * 36
        )
        for day in range(6)
        for hour in range(10)
    ]
    deliver(events)
    (item,) = (
        one
        for one in cloud.scan(TableName="table")["Items"]
        if one["pk"]["S"].startswith("TENANT#globex#ACTIVE")
    )
    assert len(item) == 62
    assert size(item) < 1024


def test_a_tenant_whose_tier_cannot_be_read_keeps_no_other_from_its_tier(cloud: Any) -> None:
    deliver([new("account", tenant="globex"), new("account", tenant="initech")])
    key = {"pk": {"S": "TENANT#acme#TENANT_USAGE#globex"}, "sk": {"S": "STATE"}}
    item = cloud.get_item(TableName="table", Key=key)["Item"]
    cloud.put_item(TableName="table", Item={**item, "doc": {"B": b"?"}})
    for tenant in ("globex", "initech"):
        stored_before(cloud, tenant, customers=1000)
    deliver([new("account", tenant="globex"), new("account", tenant="initech")])
    assert tier_changes(cloud, "initech") == [(None, "startup"), ("startup", "growing")]
    assert tier_changes(cloud, "globex") == [(None, "startup")]
