"""How a table is billed best, from its own hours."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from scaling.model.advice_text import table_sentences
from scaling.model.capacity import MIN_HOURS
from scaling.model.inventory import parse_inventory
from scaling.model.series import consumption_of
from scaling.model.table_advice import HOUR, ON_DEMAND, PROVISIONED, Consumed, table_advice

UNTIL = datetime(2026, 11, 27, 12, tzinfo=UTC)
TABLE = "CustomersTable"


def hours(units: float, count: int = MIN_HOURS, indexes: int = 0, every: int = 1) -> Consumed:
    """Each hour, or every so many hours, consumed so many units of each kind everywhere."""
    values = {UNTIL - (n + 1) * HOUR: units for n in range(count) if n % every == every - 1}
    return {kind: [values] * (indexes + 1) for kind in ("read", "write")}


def ways(consumed: Consumed, phase: str = "growth") -> list[tuple[str, int | None]]:
    return [(one.mode, one.low) for one in table_advice(TABLE, phase, consumed, UNTIL).options]


def test_a_table_that_is_rarely_used_is_best_on_demand() -> None:
    assert ways(hours(1000)) == [(ON_DEMAND, None), (PROVISIONED, 1), (PROVISIONED, 25)]


def test_a_table_that_is_always_used_is_best_provisioned() -> None:
    # 25 units all the time at 70 %.
    steady = table_advice(TABLE, "growth", hours(63_000), UNTIL)
    assert [(one.mode, one.low) for one in steady.options] == [
        (PROVISIONED, 25),
        (PROVISIONED, 1),
        (ON_DEMAND, None),
    ]
    # 25 x 730 x (0.00065 + 0.00013); 17.5 x 3,600 x 730 x (0.625 + 0.125) per million.
    best, _, on_demand = steady.options
    assert round(best.usd, 2) == Decimal("14.24")
    assert round(on_demand.usd, 2) == Decimal("34.49")
    assert round(steady.utilisation, 2) == Decimal("0.70")
    assert round(steady.break_even, 3) == Decimal("0.289")


def test_every_index_counts() -> None:
    (alone,) = {one.usd for one in table_advice(TABLE, "growth", hours(90), UNTIL).options[:1]}
    found = table_advice(TABLE, "growth", hours(90, indexes=2), UNTIL)
    assert found.options[0].usd == 3 * alone


def test_a_range_that_would_be_exceeded_is_never_the_best() -> None:
    many = table_advice(TABLE, "growth", hours(101 * 3600), UNTIL)
    assert [one.mode for one in many.options] == [ON_DEMAND, PROVISIONED, PROVISIONED]
    assert [one.throttled_hours for one in many.options] == [0, MIN_HOURS, MIN_HOURS]
    assert f"would have been exceeded in {MIN_HOURS} hours." in " ".join(table_sentences(many))


def test_hours_without_a_value_had_no_use() -> None:
    found = table_advice(TABLE, "growth", hours(9000, every=8), UNTIL)
    steady = table_advice(TABLE, "growth", hours(9000 / 8), UNTIL)
    assert found.hours == MIN_HOURS
    prices = [{one.mode: round(one.usd, 6) for one in each.options} for each in (found, steady)]
    assert prices[0][ON_DEMAND] == prices[1][ON_DEMAND]


def test_there_is_no_advice_from_less_than_two_weeks() -> None:
    found = table_advice(TABLE, "growth", hours(1000, count=MIN_HOURS - 1), UNTIL)
    assert (found.options, found.hours, found.change) == ((), 335, None)
    (sentence,) = table_sentences(found)
    assert sentence == (
        "CustomersTable: no advice; there are 335 hours of consumed capacity, and 336 are needed."
    )
    assert table_advice(TABLE, "growth", {"read": [{}], "write": [{}]}, UNTIL).hours == 0


@pytest.mark.parametrize(
    ("phase", "units", "change"),
    [
        ("mvp", 100, None),
        ("growth", 100, "strategy.yaml, Tables, growth: {BillingMode: PAY_PER_REQUEST}, for all"),
        ("growth", 63_000, None),
        ("growth", 25_200, "strategy.yaml, Capacity, Customers: {Min: 1, Max: 100}"),
        ("mvp", 25_200, "strategy.yaml, Tables, mvp: {BillingMode: PROVISIONED}, for all"),
    ],
)
def test_the_figure_to_change_is_named(phase: str, units: float, change: str | None) -> None:
    found = table_advice(TABLE, phase, hours(units), UNTIL)
    assert (found.change or "").startswith(change or "")
    assert (found.change is None) == (change is None)
    assert found.current == (ON_DEMAND if phase == "mvp" else PROVISIONED)


def test_the_advice_is_two_sentences() -> None:
    found = list(table_sentences(table_advice(TABLE, "growth", hours(1000), UNTIL)))
    assert found == [
        "CustomersTable: on demand is best, 0.55 USD a month; provisioned 1 to 100 costs 0.57; "
        "provisioned 25 to 100 costs 14.24.",
        "Of the write capacity that the strategy's range provisions 1.1% was used in 336 hours; "
        "provisioned capacity is cheaper above 28.9%.",
        "It is provisioned. Change strategy.yaml, Tables, growth: {BillingMode: PAY_PER_REQUEST}, "
        "for all tables.",
    ]


def test_the_hours_are_those_of_the_table_and_each_of_its_indexes() -> None:
    text = "CustomersTable crm-customers table_capacity=0 indexes=2; Authorizer fn memory=128;"
    inventory = parse_inventory(text)
    assert set(inventory.resources) == {"Authorizer"}, "no capacity that the controller changes"
    found = consumption_of(inventory.tables[TABLE])
    assert [one.name for one in found["write"]] == ["ConsumedWriteCapacityUnits"] * 3
    assert [one.dimensions for one in found["read"]] == [
        (("TableName", "crm-customers"),),
        (("TableName", "crm-customers"), ("GlobalSecondaryIndexName", "gsi1")),
        (("TableName", "crm-customers"), ("GlobalSecondaryIndexName", "gsi2")),
    ]
    assert {(one.namespace, one.stat) for one in found["read"]} == {("AWS/DynamoDB", "Sum")}
