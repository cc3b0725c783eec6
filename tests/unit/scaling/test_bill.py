"""The bill: the cost of the system divided among tenants and features."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaling.model.bill import FIXED, BillError, bill_of
from scaling.model.costs import Driver, Feature, added, fixed, monthly
from scaling.model.usage import DayOfUsage, Meter
from tests.unit.scaling.tenants import FOUR, TODAY, days, level
from zebros.phases import PHASES

OCTOBER, NOVEMBER = date(2026, 10, 1), date(2026, 11, 1)


def cents(usd: Decimal) -> int:
    return round(usd * 100)


def used(meter: Meter, value: float) -> list[DayOfUsage]:
    """A tenant with so much of one meter on the 10th of November."""
    return level(meter, {17: value})


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("month", [OCTOBER, NOVEMBER])
def test_tenants_features_and_causes_each_add_up_to_the_cost(phase: str, month: date) -> None:
    found = bill_of(FOUR, phase, month, TODAY, "operator")
    assert set(found.tenants) == set(FOUR)
    assert sum(sum(parts.values()) for parts in found.tenants.values()) == found.cents
    assert sum(found.of_features().values()) == found.cents
    assert sum(found.causes.values()) == found.cents


def test_a_whole_month_costs_what_the_system_costs_for_its_load() -> None:
    found = bill_of({"acme": days(100, data_mb=40_000)}, "growth", OCTOBER, TODAY, "operator")
    # 22 workdays in October 2026, 80 active users, 45 changes and 2 s of reports each.
    load = {
        Driver.CHANGES: Decimal(80 * 22 * 45),
        Driver.USER_DAYS: Decimal(80 * 22),
        Driver.REPORT_SECONDS: Decimal(80 * 22 * 2),
        Driver.DATA_MB: Decimal(40_000),
    }
    # Days are known from 29 September on.
    assert found.cents == cents(monthly("growth", load))
    assert found.days == 31


def test_a_month_that_is_not_over_costs_its_part() -> None:
    found = bill_of({"acme": used(Meter.ACTIVE_USERS, 1)}, "growth", NOVEMBER, TODAY, "operator")
    assert found.days == 26
    everything = sum(fixed("growth").values())
    assert found.causes[FIXED] == cents(everything * 26 / 30)


def test_a_part_of_a_month_is_priced_at_its_pace_and_data_at_its_level() -> None:
    used_26_days = {"acme": [*days(0, data_mb=2_600_000, length=27), *used(Meter.REQUESTS, 10**7)]}
    found = bill_of(used_26_days, "mvp", NOVEMBER, TODAY, "operator")
    requests = sum(added("mvp", Driver.CHANGES, Decimal(10**7)).values())
    data = sum(added("mvp", Driver.DATA_MB, Decimal(2_600_000)).values())
    assert abs(found.causes[Driver.CHANGES] - cents(requests)) <= 1
    assert abs(found.causes[Driver.DATA_MB] - cents(data * 26 / 30)) <= 1


@pytest.mark.parametrize(
    ("meter", "driver"),
    [
        (Meter.REQUESTS, Driver.CHANGES),
        (Meter.ACTIVE_USERS, Driver.USER_DAYS),
        (Meter.REPORT_SECONDS, Driver.REPORT_SECONDS),
        (Meter.DATA_MB, Driver.DATA_MB),
    ],
)
def test_each_tenant_pays_for_what_it_used(meter: Meter, driver: Driver) -> None:
    usage = {"a": used(meter, 3_000_000), "b": used(meter, 1_000_000)}
    found = bill_of(usage, "mvp", NOVEMBER, TODAY, "operator")
    shared = {name: sum(parts.values()) for name, parts in found.tenants.items()}
    variable = found.causes[driver]
    assert variable > 0
    half, most = Decimal("0.5"), Decimal("0.75")
    ready = found.causes[FIXED] * (most if driver is Driver.USER_DAYS else half)
    assert abs(shared["a"] - (ready + variable * most)) < 5


def test_what_is_fixed_is_divided_by_active_user_days() -> None:
    many, few = (used(Meter.ACTIVE_USERS, number) for number in (9, 1))
    found = bill_of({"few": few, "many": many}, "enterprise", NOVEMBER, TODAY, "operator")
    shared = {name: sum(parts.values()) for name, parts in found.tenants.items()}
    assert abs(shared["many"] - 9 * shared["few"]) < 10
    assert found.causes[FIXED] > found.cents * 0.99


def test_an_invoice_is_divided_as_the_computed_cost() -> None:
    computed = bill_of(FOUR, "growth", OCTOBER, TODAY, "operator")
    invoice = bill_of(FOUR, "growth", OCTOBER, TODAY, "operator", cents=100_001)
    assert invoice.cents == 100_001
    assert sum(sum(parts.values()) for parts in invoice.tenants.values()) == 100_001
    for name, parts in invoice.tenants.items():
        expected = sum(computed.tenants[name].values()) * 100_001 / computed.cents
        assert abs(sum(parts.values()) - expected) < len(Feature) * 2


def test_without_usage_everything_is_the_operator_s() -> None:
    earlier = {"acme": level(Meter.USERS, {10: 5})}
    for usage in ({}, earlier):
        found = bill_of(usage, "mvp", OCTOBER, TODAY, "operator")
        assert list(found.tenants) == ["operator"]
        assert found.cents == cents(sum(fixed("mvp").values(), Decimal(0)))


def test_a_month_that_has_not_begun_has_no_bill() -> None:
    with pytest.raises(BillError, match="No day of 2026-12 is complete"):
        bill_of(FOUR, "growth", date(2026, 12, 1), TODAY, "operator")
    with pytest.raises(BillError, match="No day of 2026-11 is complete"):
        bill_of(FOUR, "growth", NOVEMBER, NOVEMBER, "operator")


def test_today_is_not_on_the_bill() -> None:
    busy = {"acme": [*days(10), DayOfUsage(TODAY, {Meter.REQUESTS: Decimal(10**9)})]}
    assert bill_of(busy, "growth", NOVEMBER, TODAY, "operator") == bill_of(
        {"acme": days(10)}, "growth", NOVEMBER, TODAY, "operator"
    )


@given(
    st.dictionaries(
        st.text("abc", min_size=1, max_size=3),
        st.tuples(st.integers(0, 500), st.integers(0, 10**6)),
        max_size=6,
    ),
    st.sampled_from(PHASES),
)
def test_any_usage_is_billed_to_the_cent(usage: dict[str, tuple[int, int]], phase: str) -> None:
    given = {
        name: [
            DayOfUsage(
                date(2026, 11, 10),
                {Meter.ACTIVE_USERS: Decimal(active), Meter.REQUESTS: Decimal(requests)},
            )
        ]
        for name, (active, requests) in usage.items()
    }
    found = bill_of(given, phase, NOVEMBER, TODAY, "operator")
    assert sum(sum(parts.values()) for parts in found.tenants.values()) == found.cents
    assert min(min(parts.values()) for parts in found.tenants.values()) >= 0
