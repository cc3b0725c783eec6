"""Advice for generated tenants: a tenant of each tier, one that falls, and all of them together."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from scaling.model.advice import Advice, advise
from scaling.model.advice_text import sentence, system_sentences, tenant_sentences
from scaling.model.costs import monthly
from scaling.model.evidence import evidence, tiers_by_metric
from scaling.model.phases import Urgency
from scaling.model.tiers import Metric, Tier
from scaling.model.usage import Meter
from scaling.model.usage_totals import load_of, together
from tests.unit.scaling.tenants import FALLING, FOUR, GROWING, LARGE, SMALL, TODAY, days, level


def texts(found: Advice) -> list[str]:
    return list(system_sentences(found.system))


def of(found: Advice, tenant: str) -> list[str]:
    (one,) = (each for each in found.tenants if each.tenant_id == tenant)
    return list(tenant_sentences(one, found.system))


def test_the_phase_is_that_of_all_tenants_together() -> None:
    found = advise(FOUR, "growth", TODAY).system
    assert (found.users, found.tenants) == (230, 4)
    assert (found.urgency, found.target) == (Urgency.PLAN, "enterprise")
    for tenant, alone in {"small": "startup", "growing": "growth", "large": "growth"}.items():
        assert advise({tenant: FOUR[tenant]}, "growth", TODAY).tenants[0].alone == alone


@pytest.mark.parametrize(
    ("tenant", "tier", "before"),
    [
        ("small", Tier.STARTUP, Tier.STARTUP),
        ("growing", Tier.GROWING, Tier.GROWING),
        ("large", Tier.ENTERPRISE, Tier.ENTERPRISE),
        ("falling", Tier.STARTUP, Tier.GROWING),
    ],
)
def test_a_tenant_has_the_tier_of_its_days(tenant: str, tier: Tier, before: Tier) -> None:
    (found,) = advise({tenant: FOUR[tenant]}, "growth", TODAY).tenants
    assert (found.tier, found.tier_before) == (tier, before)


def test_the_advice_for_a_small_tenant() -> None:
    found = advise({"small": SMALL}, "mvp", TODAY)
    lines = texts(found)
    assert lines[:2] == [
        "Move to startup: mvp is for 5 users, and there are 12 users of 1 tenant.",
        "12 users, tier startup, steady; 25, the next tier: not at this pace.",
    ]
    assert (
        "Deploy with Phase=startup Deployment=at-once, and all other parameters as they are."
        in lines
    )
    assert "No resource that holds data is replaced or deleted." in lines
    assert any("the billing mode switches" in line for line in lines)
    load = load_of(SMALL, TODAY)
    before, after = (f"{monthly(one, load):,.2f}" for one in ("mvp", "startup"))
    assert f"Monthly cost of this load: {before} USD in mvp, {after} USD in startup." in lines
    assert [one.phase for one in found.system.options] == ["startup", "growth", "enterprise", "mvp"]
    assert lines[-1].startswith("Option 4: mvp, ")
    assert "It is for 5 users, and there are 12; its sizes carry" in lines[-1]
    assert of(found, "small")[-1] == (
        "startup would suffice for this tenant alone. All tenants have one phase."
    )


def test_the_advice_for_a_growing_tenant() -> None:
    found = advise({"growing": GROWING}, "growth", TODAY)
    assert found.system.urgency is Urgency.STAY
    assert found.system.move is None
    lines = of(found, "growing")
    assert lines[0] == "growing: tier growing by users, customers, opportunities and data."
    assert lines[1] == (
        "60 users, tier growing, +0.50 a day (+0.50 to +0.50); 101, the next tier: "
        "in 83 days (83 days at the fastest, 83 days at the slowest pace)."
    )
    assert texts(found)[0].startswith("Stay in growth, which is for 250. More than that: in 383")


def test_the_advice_for_a_large_tenant() -> None:
    found = advise({"large": LARGE}, "growth", TODAY)
    lines = texts(found)
    assert lines[0] == (
        "Plan the move to enterprise: there are 140 users of 1 tenant; growth is for 250, and "
        "advice to move begins at 101. More than that: in 278 days (278 days at the fastest, "
        "278 days at the slowest pace). Move by 2027-09-01."
    )
    assert found.system.by == TODAY + timedelta(days=278)
    assert any("EdgeCertificateArn=…" in line for line in lines)
    assert any(line.startswith("Replaced: ") and "Dax" in line for line in lines)
    assert "Limit: Dax is replaced: the cache is empty afterwards." in lines
    assert [(one.phase, one.suits) for one in found.system.options] == [
        ("enterprise", True),
        ("growth", True),
        ("mvp", False),
        ("startup", False),
    ]


def test_a_tenant_that_falls_gets_the_smaller_phase_when_it_is_alone() -> None:
    for ago, urgency in ((0, Urgency.STAY), (30, Urgency.DOWN)):
        later = [*FALLING, *days(18, length=ago, today=TODAY + timedelta(days=ago))]
        found = advise({"falling": later}, "growth", TODAY + timedelta(days=ago))
        assert found.system.urgency is urgency
    assert found.system.target == "startup"
    lines = texts(found)
    assert lines[0] == (
        "startup suffices: there are 18 users of 1 tenant, and for 28 days there were never more "
        "than it serves before advice to move up begins."
    )
    first = "First run `zebros phase plan --used FILE`: the smaller phase has lower ceilings."
    assert first in lines
    assert any(line.startswith("Removed: ") for line in lines)
    assert "Limit: Dax is removed: the cache is empty afterwards." in lines
    assert found.system.after < found.system.before


def test_a_tenant_that_falls_never_leads_below_what_the_others_need() -> None:
    later = TODAY + timedelta(days=20)
    fallen = [*FALLING, *days(18, length=20, today=later)]
    usage = {"falling": fallen, "growing": days(60, length=90, today=later)}
    found = advise(usage, "growth", later)
    assert (found.system.urgency, found.system.target) == (Urgency.STAY, "growth")
    lines = of(found, "falling")
    assert lines[0] == "falling: tier startup; it was growing."
    assert lines[-1] == (
        "startup would suffice for this tenant alone, but all tenants have one phase, and the "
        "other tenants have 60 users."
    )


def test_many_records_alone_need_no_larger_phase() -> None:
    found = advise({"acme": days(30, opportunities=8800)}, "growth", TODAY).system
    assert (found.tier, found.urgency) == (Tier.ENTERPRISE, Urgency.STAY)
    enterprise = next(one for one in found.options if one.phase == "enterprise")
    assert "The tier by opportunities is enterprise, but records and data grow" in enterprise.reason
    by_users = advise({"acme": days(150, opportunities=8800)}, "growth", TODAY).system.options[0]
    assert by_users.phase == "enterprise"
    assert "tier" not in by_users.reason


def test_there_is_no_advice_from_less_than_two_weeks() -> None:
    found = advise({"acme": days(1000, length=13)}, "mvp", TODAY)
    assert found.system.urgency is Urgency.NO_DATA
    assert (found.system.options, found.system.evidence, found.system.move) == ((), (), None)
    assert texts(found) == [
        "No advice: there are 13 days with a number of users, and 14 are needed."
    ]
    assert of(found, "acme") == [
        "acme: no advice; there are 13 days with a number of users, and 14 are needed."
    ]
    assert texts(advise({}, "mvp", TODAY)) == [
        "No advice: there are 0 days with a number of users, and 14 are needed."
    ]


def test_a_new_tenant_waits_while_the_system_has_advice() -> None:
    found = advise({"new": days(3, length=5), "growing": GROWING}, "growth", TODAY)
    assert found.system.urgency is Urgency.STAY
    assert [one.tier for one in found.tenants] == [None, Tier.GROWING]
    assert of(found, "new")[0].startswith("new: no advice; there are 5 days")


def test_only_some_tenants_get_their_own_advice() -> None:
    found = advise(FOUR, "growth", TODAY, only=["falling", "unknown"])
    assert [one.tenant_id for one in found.tenants] == ["falling"]
    assert found.system.tenants == 4


def test_an_unknown_phase_is_a_fault() -> None:
    with pytest.raises(KeyError):
        advise({"acme": days(3)}, "huge", TODAY)


def test_cost_before_and_after_are_of_the_same_load() -> None:
    found = advise(FOUR, "growth", TODAY).system
    load = load_of(together(FOUR), TODAY)
    assert found.before == monthly("growth", load)
    assert found.after == monthly("enterprise", load)


def test_a_metric_that_falls_says_when_it_leaves_its_tier() -> None:
    several = level(Meter.USERS, {ago: 100 + 2 * ago for ago in range(30)})
    tiers = tiers_by_metric(several)
    assert tiers is not None
    (found,) = evidence(several, tiers)
    assert found.metric is Metric.USERS
    assert found.tier is Tier.ENTERPRISE, "below 101, and not below 95 % of it"
    assert found.lower_boundary == pytest.approx(95.95)
    assert sentence(found) == (
        "100 users, tier enterprise, -2.00 a day (-2.00 to -2.00); below 96, out of its tier: "
        "in 3 days (3 days at the fastest, 3 days at the slowest pace)."
    )


def test_a_metric_of_few_days_has_no_trend() -> None:
    several = level(Meter.CUSTOMERS, {3: 1000, 0: 1010})
    tiers = tiers_by_metric(several)
    assert tiers is not None
    (found,) = evidence(several, tiers)
    assert sentence(found) == "1,010 customers, tier growing; too few days for a trend."
    assert (found.value, found.trend, found.reached) == (Decimal(1010), None, None)


def test_no_days_have_no_tiers() -> None:
    assert tiers_by_metric([]) is None
    assert date(2026, 11, 27) == TODAY
