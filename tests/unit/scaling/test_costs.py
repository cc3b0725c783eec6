"""Costs divided among tenants, and on demand against provisioned."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaling.model.capacity import MIN_HOURS, Range, UnitPrices, advise_capacity
from scaling.model.shares import share_out
from zebros.costs import Prices
from zebros.costs.comparisons import break_even
from zebros.costs.prices import FILE

WRITES = UnitPrices(Decimal("0.000000625"), Decimal("0.00065"))


@given(
    st.integers(0, 10**9),
    st.dictionaries(st.text(min_size=1), st.decimals(0, 1000, places=3), min_size=1, max_size=9),
)
def test_the_parts_are_the_whole(cents: int, weights: dict[str, Decimal]) -> None:
    parts = share_out(cents, weights)
    assert sum(parts.values()) == cents
    total = sum(weights.values())
    for name, part in parts.items():
        exact = cents * weights[name] / total if total else Decimal(cents) / len(weights)
        assert abs(part - exact) < 1


def test_cents_that_are_left_go_to_the_largest_fractions() -> None:
    weights = {"acme": Decimal(1), "globex": Decimal(1), "initech": Decimal(1)}
    assert share_out(100, weights) == {"acme": 34, "globex": 33, "initech": 33}
    assert share_out(10, {"a": Decimal("0.16"), "b": Decimal("0.84")}) == {"a": 2, "b": 8}
    assert share_out(7, {"a": Decimal(0), "b": Decimal(5)}) == {"a": 0, "b": 7}
    assert share_out(3, {"a": Decimal(0), "b": Decimal(0)}) == {"a": 2, "b": 1}


def test_somebody_must_have_caused_a_cost() -> None:
    with pytest.raises(ValueError, match="nobody to divide"):
        share_out(100, {})
    with pytest.raises(ValueError, match="at least 0"):
        share_out(100, {"a": Decimal(-1)})


def test_provisioned_capacity_pays_above_28_9_percent() -> None:
    # cloud.md: "Provisioned pays above 28.9 % average utilisation".
    assert round(WRITES.break_even, 3) == Decimal("0.289")
    assert WRITES.break_even == break_even(Prices.load(FILE))


@pytest.mark.parametrize(
    ("busy_hours", "units", "cheaper"),
    [(24, 25, "provisioned"), (1, 25, "on demand"), (24, 5, "on demand")],
)
def test_a_table_gets_the_cheaper_mode(busy_hours: int, units: int, cheaper: str) -> None:
    day = [Decimal(units * 3600 if hour < busy_hours else 0) for hour in range(24)]
    found = advise_capacity(day * 14, WRITES, Range(25, 100))
    assert found is not None
    assert found.cheaper == cheaper
    assert (found.utilisation > found.break_even) == (cheaper == "provisioned")


def test_the_cost_of_25_units_all_day_is_that_of_the_price_list() -> None:
    # 25 units x 730 hours x 0.00065 USD; on demand 25 x 3,600 x 730 x 0.625 per million.
    found = advise_capacity(
        [Decimal(25 * 3600) * Decimal("0.7")] * MIN_HOURS, WRITES, Range(25, 100)
    )
    assert found is not None
    assert round(found.provisioned, 2) == Decimal("11.86")
    assert round(found.on_demand, 2) == round(Decimal("41.0625") * Decimal("0.7"), 2)


def test_hours_above_the_highest_value_are_counted() -> None:
    hours = [Decimal(101 * 3600)] * 3 + [Decimal(100 * 3600)] * MIN_HOURS
    found = advise_capacity(hours, WRITES, Range(25, 100))
    assert found is not None
    assert found.throttled_hours == 3


def test_there_is_no_advice_from_less_than_two_weeks() -> None:
    assert advise_capacity([Decimal(1)] * (MIN_HOURS - 1), WRITES, Range(25, 100)) is None


def test_a_table_that_nobody_uses_is_on_demand() -> None:
    found = advise_capacity([Decimal(0)] * MIN_HOURS, WRITES, Range(0, 100))
    assert found is not None
    assert (found.cheaper, found.utilisation) == ("on demand", Decimal(0))
