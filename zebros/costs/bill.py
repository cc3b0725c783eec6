"""The bill: charges of all resources, added up by item of the price table."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal

import zebros.costs.compute
import zebros.costs.data_stores
import zebros.costs.edge
import zebros.costs.messaging
import zebros.costs.network
import zebros.costs.operations
import zebros.costs.tables  # noqa: F401  # each registers its pricing functions
from zebros.cloudformation import System
from zebros.costs.charges import PRICED, Charge, Design
from zebros.costs.prices import Price, Prices
from zebros.costs.unpriced import ALWAYS_LEFT_OUT, FREE, LEFT_OUT
from zebros.costs.usage import Assumption, Usage
from zebros.errors import BadInput

_CENT = Decimal("0.01")
_MONTHS = 12
_ACCOUNT = "(account)"
"""Stands for a resource where none is charged by itself."""


@dataclass(frozen=True, slots=True)
class Line:
    """What one item of the price table costs a month."""

    price: Price
    quantity: Decimal
    amount: Decimal
    """USD, rounded to cents; a bill's total is the sum of its lines."""
    resources: tuple[str, ...]
    """The logical ids of the resources that cause it."""


@dataclass(frozen=True, slots=True)
class Bill:
    """A month's cost of a system, and what was assumed."""

    phase: str
    role: str
    users: Decimal
    """People whose load it is."""
    lines: tuple[Line, ...]
    assumptions: tuple[Assumption, ...]
    exclusions: tuple[str, ...]
    price_dates: tuple[date, date]

    @property
    def total(self) -> Decimal:
        """USD a month."""
        return sum((line.amount for line in self.lines), Decimal(0))

    @property
    def parts(self) -> dict[str, Decimal]:
        """USD a month by service, the largest first."""
        found: dict[str, Decimal] = defaultdict(Decimal)
        for line in self.lines:
            found[line.price.part] += line.amount
        return dict(sorted(found.items(), key=lambda one: (-one[1], one[0])))


def rounded(usd: Decimal) -> Decimal:
    """An amount in whole cents."""
    return usd.quantize(_CENT, ROUND_HALF_UP)


def monthly(system: System, usage: Usage, prices: Prices) -> Bill:
    """The bill of a resolved system for a load.

    Raises BadInput for a resource type that is neither priced nor listed as free or left out, for
    an item that the price table does not have, and for a resource that cannot be priced.
    """
    design = Design(system, usage)
    quantities: dict[str, Decimal] = defaultdict(Decimal)
    causes: dict[str, list[str]] = defaultdict(list)
    for name in system.resources:
        for charge in charges(name, design):
            quantities[charge.item] += charge.quantity
            causes[charge.item].append(name)
    for charge in account_charges(design):
        quantities[charge.item] += charge.quantity
        causes[charge.item].append(_ACCOUNT)
    lines = [
        Line(price := prices[item], quantity, rounded(price.amount(quantity)), tuple(causes[item]))
        for item, quantity in quantities.items()
        if quantity
    ]
    kinds = {resource.type for resource in system.resources.values()}
    return Bill(
        usage.phase,
        usage.role,
        usage.assumptions["users"].value,
        tuple(sorted(lines, key=lambda line: (line.price.part, -line.amount, line.price.item))),
        tuple(usage.assumptions[name] for name in sorted(usage.used)),
        (*ALWAYS_LEFT_OUT, *(LEFT_OUT[kind] for kind in sorted(kinds & set(LEFT_OUT)))),
        prices.dates,
    )


def charges(name: str, design: Design) -> list[Charge]:
    """What a resource is charged for. Raises BadInput when that is not known."""
    resource = design.system.resources[name]
    if resource.type in FREE or resource.type in LEFT_OUT:
        return []
    pricing = PRICED.get(resource.type)
    if pricing is None:
        raise BadInput(
            f"{name} cannot be priced: there is no pricing function for {resource.type}.",
            hint="Add one to zebros/costs, or list the type in zebros/costs/unpriced.py.",
        )
    try:
        return list(pricing(name, resource.properties, design))
    except (KeyError, ValueError, TypeError) as error:
        reason = f"it has no {error.args[0]}" if isinstance(error, KeyError) else str(error)
        raise BadInput(f"{name} ({resource.type}) cannot be priced: {reason}.") from error


def account_charges(design: Design) -> list[Charge]:
    """What functions and tasks cause that no resource stands for: the metrics that they emit."""
    if not design.system.of_type("AWS::Lambda::Function"):
        return []
    return [Charge("cloudwatch.metrics", design.usage["custom_metrics"])]


def projection(system: System, usage: Usage, prices: Prices) -> tuple[Decimal, ...]:
    """The totals of the next twelve months: only stored data grows."""
    return tuple(monthly(system, usage.after(month), prices).total for month in range(_MONTHS))
