"""How a table is billed best: on demand, or provisioned with a range, from its own hours.

A table is billed in one way with all its indexes, for reads and writes.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from scaling.model.capacity import MIN_HOURS, CapacityAdvice, Range, UnitPrices, advise_capacity
from scaling.model.costs import document

WEEKS = timedelta(days=28)
"""Hours that are read; CloudWatch has those of 15 months."""
HOUR = timedelta(hours=1)
ON_DEMAND, PROVISIONED = "on demand", "provisioned"
_ON_DEMAND = "PAY_PER_REQUEST"
type Consumed = Mapping[str, Sequence[Mapping[datetime, float]]]
"""By kind of unit, for the table and each index: the units of each hour that has any."""


class TableOption(NamedTuple):
    """One way to bill a table."""

    mode: str
    low: int | None
    """The range of units of the table and of each index, when provisioned."""
    high: int | None
    usd: Decimal
    """A month, for what the hours consumed."""
    throttled_hours: int
    """Hours with more than the range allows, of any index."""


class TableAdvice(NamedTuple):
    """The advice for a table."""

    table: str
    hours: int
    """Of the last four weeks, since the first with any use; MIN_HOURS are needed."""
    current: str
    options: tuple[TableOption, ...]
    """The best first; empty for too few hours."""
    utilisation: Decimal
    """The part of the strategy's provisioned write capacity that was used."""
    break_even: Decimal
    """Above this part provisioned capacity is cheaper."""
    change: str | None
    """The figure to change, so that the best is deployed; None when it is."""


def table_advice(table: str, phase: str, consumed: Consumed, until: datetime) -> TableAdvice:
    """The advice for a table with a range in the strategy, from the hours before `until`.

    An hour without a value had no use, once there was any. Raises KeyError for another table.
    """
    current = ON_DEMAND if document()["billing"][phase] == _ON_DEMAND else PROVISIONED
    bounds = _bounds(table)
    known = [hour for several in consumed.values() for one in several for hour in one]
    start = min(known, default=until)
    hours = [start + number * HOUR for number in range(int((until - start) / HOUR))]
    series = {
        kind: [[Decimal(str(one.get(hour, 0))) for hour in hours] for one in several]
        for kind, several in consumed.items()
    }
    if len(hours) < MIN_HOURS:
        return TableAdvice(table, len(hours), current, (), Decimal(0), _break_even(), None)
    options = sorted(
        _options(series, bounds),
        key=lambda one: (
            one.throttled_hours > 0,
            round(one.usd, 2),
            not _is_deployed(one, current, bounds),
        ),
    )
    used = _sum(_advise(series["write"], "write", bounds))
    return TableAdvice(
        table,
        len(hours),
        current,
        tuple(options),
        used.utilisation,
        _break_even(),
        _change(table, phase, current, options[0], bounds),
    )


def _options(series: Mapping[str, list[list[Decimal]]], bounds: Range) -> Iterator[TableOption]:
    lowest = Range(1, bounds.high, bounds.target)
    usd = Decimal(0)
    for own in (bounds, lowest):
        found = [_sum(_advise(series[kind], kind, own)) for kind in series]
        usd = sum((one.on_demand for one in found), Decimal(0))
        yield TableOption(
            PROVISIONED,
            own.low,
            own.high,
            sum((one.provisioned for one in found), Decimal(0)),
            max(one.throttled_hours for one in found),
        )
    yield TableOption(ON_DEMAND, None, None, usd, 0)


def _advise(several: list[list[Decimal]], kind: str, bounds: Range) -> list[CapacityAdvice]:
    prices = UnitPrices(**document()["prices"][kind])
    found = (advise_capacity(hours, prices, bounds) for hours in several)
    return [one for one in found if one is not None]


def _sum(several: list[CapacityAdvice]) -> CapacityAdvice:
    """A table with its indexes; the utilisation is that of all their units together."""
    provisioned = sum((one.provisioned for one in several), Decimal(0))
    used = sum((one.utilisation * one.provisioned for one in several), Decimal(0))
    return CapacityAdvice(
        sum((one.on_demand for one in several), Decimal(0)),
        provisioned,
        used / provisioned if provisioned else Decimal(0),
        several[0].break_even,
        max(one.throttled_hours for one in several),
    )


def _bounds(table: str) -> Range:
    given = document()["ranges"][table]
    return Range(given["low"], given["high"], Decimal(document()["utilisation"]) / 100)


def _break_even() -> Decimal:
    return UnitPrices(**document()["prices"]["write"]).break_even


def _is_deployed(one: TableOption, current: str, bounds: Range) -> bool:
    return one.mode == current and one.low in (None, bounds.low)


def _change(table: str, phase: str, current: str, best: TableOption, bounds: Range) -> str | None:
    if _is_deployed(best, current, bounds):
        return None
    if best.mode == ON_DEMAND:
        return f"strategy.yaml, Tables, {phase}: {{BillingMode: {_ON_DEMAND}}}, for all tables"
    name = table.removesuffix("Table")
    figures = f"strategy.yaml, Capacity, {name}: {{Min: {best.low}, Max: {best.high}}}"
    if current == PROVISIONED:
        return figures
    mode = f"strategy.yaml, Tables, {phase}: {{BillingMode: PROVISIONED}}, for all tables"
    return f"{mode}; {figures}"
