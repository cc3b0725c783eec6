"""The strategy's usage tiers, with the boundaries on both sides."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaling.model.policy_file import policy_document
from scaling.model.tiers import (
    Metric,
    Tier,
    TierError,
    metric_tiers,
    next_boundary,
    parse_tiers,
    tier_of,
    tier_of_metric,
)

STARTUP, GROWING, ENTERPRISE = Tier
ORDER = list(Tier)


@pytest.mark.parametrize(
    ("metric", "value", "tier"),
    [
        # The strategy: "CRM users | < 25 | 25-100 | > 100"
        ("users", 0, STARTUP), ("users", 24, STARTUP), ("users", 25, GROWING),
        ("users", 100, GROWING), ("users", 101, ENTERPRISE),
        # "customers | < 1,000 | 1,000-10,000 | > 10,000"
        ("customers", 999, STARTUP), ("customers", 1_000, GROWING),
        ("customers", 10_000, GROWING), ("customers", 10_001, ENTERPRISE),
        # "opportunities | < 100 | 100-1,000 | > 1,000"
        ("opportunities", 99, STARTUP), ("opportunities", 100, GROWING),
        ("opportunities", 1_000, GROWING), ("opportunities", 1_001, ENTERPRISE),
        # "data | < 5 GB | 5-50 GB | > 50 GB"
        ("data_mb", 4_999, STARTUP), ("data_mb", 5_000, GROWING),
        ("data_mb", 50_000, GROWING), ("data_mb", 50_001, ENTERPRISE),
    ],
)  # fmt: skip
def test_a_value_is_in_the_strategy_s_tier(metric: str, value: int, tier: Tier) -> None:
    assert tier_of_metric(Metric(metric), value) is tier
    assert tier_of({Metric(metric): value}) is tier


def test_the_tier_is_the_highest_that_any_metric_reaches() -> None:
    usage = {Metric.USERS: 3, Metric.CUSTOMERS: 1_000, Metric.OPPORTUNITIES: 5}
    assert tier_of(usage) is GROWING
    assert tier_of({**usage, Metric.DATA_MB: 60_000}) is ENTERPRISE
    assert metric_tiers(usage)[Metric.USERS] is STARTUP


@pytest.mark.parametrize(
    ("value", "before", "tier"),
    [
        (999, GROWING, GROWING), (950, GROWING, GROWING), (949, GROWING, STARTUP),
        (9_501, ENTERPRISE, ENTERPRISE), (9_500, ENTERPRISE, GROWING),
        (900, ENTERPRISE, STARTUP), (960, ENTERPRISE, GROWING), (10_001, STARTUP, ENTERPRISE),
    ],
)  # fmt: skip
def test_a_tier_is_left_only_clearly_below_its_first_value(
    value: int, before: Tier, tier: Tier
) -> None:
    assert tier_of_metric(Metric.CUSTOMERS, value, before) is tier


def test_a_thousand_customers_more_or_less_one_do_not_change_the_tier_again() -> None:
    tier = STARTUP
    seen = []
    for value in [998, 999, 1_000, 999, 1_001, 999, 1_000, 998]:
        tier = tier_of_metric(Metric.CUSTOMERS, value, tier)
        seen.append(tier)
    assert seen == [STARTUP, STARTUP, *[GROWING] * 6]


@given(st.sampled_from(Metric), st.floats(0, 1e6), st.floats(0, 1e6), st.sampled_from(Tier))
def test_more_never_leads_to_a_smaller_tier(
    metric: Metric, one: float, other: float, before: Tier
) -> None:
    low, high = (tier_of_metric(metric, value, before) for value in sorted((one, other)))
    assert ORDER.index(low) <= ORDER.index(high)


@given(st.sampled_from(Metric), st.floats(0, 1e6), st.sampled_from(Tier))
def test_the_same_value_again_changes_nothing(metric: Metric, value: float, before: Tier) -> None:
    tier = tier_of_metric(metric, value, before)
    assert tier_of_metric(metric, value, tier) is tier


def test_the_next_boundary_is_the_first_value_of_the_tier_above() -> None:
    found = [next_boundary(Metric.CUSTOMERS, tier) for tier in Tier]
    assert found == [1_000, 10_001, None]


@pytest.mark.parametrize(
    ("metric", "change", "message"),
    [
        (
            "users",
            {"growing": [26, 100]},
            "users: growing must begin with the value after the last",
        ),
        ("users", {"growing": [24, 100]}, "which is 24; it begins with 24"),
        ("users", {"growing": [25, 20], "enterprise": [21, None]}, "users: enterprise must begin"),
        ("users", {"startup": [1, 24]}, "users: must begin with 0"),
        ("users", {"enterprise": [101, 5_000]}, "must not end"),
        ("users", {"growing": [25]}, "users, growing: must have a first and a last value"),
        ("users", {"growing": ["few", 100]}, "users, growing: must have"),
        ("calls", {"startup": [0, 1]}, "calls is no metric; one of users, customers"),
    ],
)
def test_a_table_with_a_gap_or_an_overlap_is_refused(
    metric: str, change: dict[str, Any], message: str
) -> None:
    document = policy_document()["tiers"]
    with pytest.raises(TierError, match=message):
        parse_tiers({**document, metric: {**document.get(metric, {}), **change}})


def test_a_table_without_a_metric_is_refused() -> None:
    document = {name: one for name, one in policy_document()["tiers"].items() if name != "users"}
    with pytest.raises(TierError, match="users, startup: must have"):
        parse_tiers(document)
