"""The bill of a month: the cost of the system divided among tenants and features, to the cent.

What a driver adds is divided by each tenant's part of it: changes, active user days, seconds of
reports, stored data. What is paid without any use is divided by active user days, for whom the
system stands ready; without any, evenly. Without tenants everything is the operator's.
"""

from calendar import monthrange
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import NamedTuple

from scaling.model.costs import Driver, Feature, added, fixed
from scaling.model.shares import share_out
from scaling.model.usage import DayOfUsage, Meter
from scaling.model.usage_totals import FLOWS, Usage, carried

FIXED = "fixed"
"""The cause of what is paid without any use."""
ASSUMPTIONS = (
    "The cost of the system is what `zebros cost` computes for the metered load, unless an amount "
    "was given, such as that of the invoice; an amount is divided in the same way.",
    "What the phase costs without any use is divided by active user days, everything else by what "
    "each tenant used.",
    "The whole month counts as spent in the phase of today.",
)
_CAUSES = (FIXED, *Driver)


class BillError(ValueError):
    """There is no bill of this month; the message says why."""


class Bill(NamedTuple):
    """A month's cost in cents of USD."""

    month: date
    """Its first day."""
    days: int
    """Complete days of the month so far; the cost is of these."""
    phase: str
    cents: int
    tenants: Mapping[str, Mapping[Feature, int]]
    """Of each tenant by feature; all together are `cents`."""
    causes: Mapping[str, int]
    """By driver, and what is fixed; all together are `cents`."""

    def of_features(self) -> dict[Feature, int]:
        """The cents of each feature, of all tenants."""
        return {one: sum(parts[one] for parts in self.tenants.values()) for one in Feature}


def bill_of(
    usage: Usage, phase: str, month: date, today: date, operator: str, cents: int | None = None
) -> Bill:
    """The bill of the month that begins on `month`, until today.

    `cents` is what is to be divided in place of the computed cost. Raises BillError for a month
    without a complete day, KeyError for an unknown phase.
    """
    length = monthrange(month.year, month.month)[1]
    days = min(length, (today - month).days)
    if days <= 0:
        raise BillError(f"No day of {month:%Y-%m} is complete.")
    wanted = [month + timedelta(days=number) for number in range(days)]
    loads = {
        tenant: load
        for tenant, several in sorted(usage.items())
        if any((load := _load(several, wanted)).values())
    } or {operator: dict.fromkeys(Driver, Decimal(0))}
    weights, causes = _weights(loads, phase, Decimal(days) / length)
    if cents is None:
        usd = sum(causes.values(), Decimal(0))
        cents = int((usd * 100).to_integral_value(ROUND_HALF_UP))
    parts = share_out(cents, weights)
    tenants = {
        tenant: {feature: parts[_key(tenant, feature)] for feature in Feature} for tenant in loads
    }
    return Bill(month, days, phase, cents, tenants, share_out(cents, causes))


def _load(several: Sequence[DayOfUsage], days: Sequence[date]) -> dict[Driver, Decimal]:
    """What a tenant used on these days; of data the average."""
    values = [found for _, found in carried(several, days)]
    sums = {
        meter: sum((one.get(meter, Decimal(0)) for one in values), Decimal(0))
        for meter in (*FLOWS.values(), Meter.DATA_MB)
    }
    load = {driver: sums[meter] for driver, meter in FLOWS.items()}
    return {**load, Driver.DATA_MB: sums[Meter.DATA_MB] / len(days)}


def _weights(
    loads: Mapping[str, Mapping[Driver, Decimal]], phase: str, part: Decimal
) -> tuple[dict[str, Decimal], dict[str, Decimal]]:
    """USD of each tenant and feature, and of each cause, for this part of a month."""
    weights = {_key(tenant, feature): Decimal(0) for tenant in loads for feature in Feature}
    causes = dict.fromkeys(_CAUSES, Decimal(0))
    ready = _parts({tenant: load[Driver.USER_DAYS] for tenant, load in loads.items()})
    for cause, of_tenants, amounts in _costs(loads, phase, part, ready):
        for feature, usd in amounts.items():
            causes[cause] += usd * part
            for tenant, share in of_tenants.items():
                weights[_key(tenant, feature)] += usd * part * share
    return weights, causes


def _costs(
    loads: Mapping[str, Mapping[Driver, Decimal]],
    phase: str,
    part: Decimal,
    ready: Mapping[str, Decimal],
) -> Iterator[tuple[str, Mapping[str, Decimal], Mapping[Feature, Decimal]]]:
    """Each cause with the tenants' parts of it and its monthly cost by feature."""
    yield FIXED, ready, fixed(phase)
    for driver in Driver:
        quantities = {tenant: load[driver] for tenant, load in loads.items()}
        # Data is a level; of the others there would be so much in a whole month.
        total = sum(quantities.values(), Decimal(0))
        of_month = total if driver is Driver.DATA_MB else total / part
        yield driver, _parts(quantities), added(phase, driver, of_month)


def _parts(quantities: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """Each tenant's part of a sum; the same for all when it is nothing."""
    total = sum(quantities.values(), Decimal(0))
    if not total:
        return dict.fromkeys(quantities, Decimal(1) / len(quantities))
    return {tenant: one / total for tenant, one in quantities.items()}


def _key(tenant: str, feature: Feature) -> str:
    return f"{feature} {tenant}"
