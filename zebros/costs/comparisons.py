"""What the alternatives would cost: capacity modes, ways out of a VPC, Spot."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from zebros.cloudformation import System
from zebros.costs.bill import rounded
from zebros.costs.charges import Charge, Design
from zebros.costs.compute import spot_share, task_size, tasks
from zebros.costs.network import interface_endpoints
from zebros.costs.prices import Prices
from zebros.costs.tables import Capacity, loads, provisioned
from zebros.costs.usage import HOURS, Usage

_SECONDS = Decimal(3600)
_UNBOUNDED = Capacity(Decimal(1), Decimal(10**9))
"""Capacity of a table that is on demand now: from the smallest possible unit up."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Alternatives for one thing, in USD a month."""

    subject: str
    current: str
    """The name of the option that the templates have; empty when they have neither."""
    options: dict[str, Decimal]
    note: str = ""

    @property
    def cheapest(self) -> str:
        """The name of the cheapest option."""
        return min(self.options, key=lambda name: self.options[name])


def compare(system: System, usage: Usage, prices: Prices) -> tuple[Comparison, ...]:
    """All comparisons for a system and load."""
    design = Design(system, usage)
    return (*_tables(design, prices), ways_out(design, prices), *_services(design, prices))


def break_even(prices: Prices, kind: str = "write") -> Decimal:
    """The average utilisation above which provisioned capacity is cheaper than on demand.

    One unit, fully used, does 3,600 requests an hour.
    """
    on_demand = prices[f"dynamodb.{kind}_requests"].amount(_SECONDS)
    return prices[f"dynamodb.{kind}_capacity"].amount(Decimal(1)) / on_demand


def _tables(design: Design, prices: Prices) -> Iterator[Comparison]:
    for name, properties in design.system.of_type("AWS::DynamoDB::GlobalTable").items():
        yield table(name, properties, design, prices)


def table(name: str, properties: dict[str, Any], design: Design, prices: Prices) -> Comparison:
    """On demand against provisioned for a table with its indexes, in its own region."""
    on_demand, capacity, used, bought = (Decimal(0) for _ in range(4))
    ranges = provisioned(properties, properties["Replicas"][0])
    for load, range_ in zip(loads(name, properties, design), ranges, strict=True):
        for kind, units, own in zip(
            ("write", "read"), (load.write, load.read), range_ or (_UNBOUNDED,) * 2, strict=True
        ):
            hours = own.unit_hours(units, design)
            on_demand += prices[f"dynamodb.{kind}_requests"].amount(units)
            capacity += prices[f"dynamodb.{kind}_capacity"].amount(hours)
            if kind == "write":
                used, bought = used + units, bought + hours * _SECONDS
    return Comparison(
        name,
        "on demand" if ranges[0] is None else "provisioned",
        {"on demand": rounded(on_demand), "provisioned": rounded(capacity)},
        f"write capacity used {used / bought:.1%}, break-even {break_even(prices):.1%}",
    )


def ways_out(design: Design, prices: Prices) -> Comparison:
    """NAT gateways against interface endpoints, for functions in a VPC."""
    usage = design.usage
    zones, services, traffic = usage["zones"], usage["endpoint_services"], usage["network_gb"]
    options = {
        "NAT gateways": [
            Charge("network.nat_hours", zones * HOURS),
            Charge("network.nat_data", traffic),
            Charge("network.public_addresses", zones * HOURS),
        ],
        "interface endpoints": [
            Charge("network.endpoint_hours", zones * services * HOURS),
            Charge("network.endpoint_data", traffic),
        ],
    }
    current = "interface endpoints" if interface_endpoints(design) else ""
    if design.system.of_type("AWS::EC2::NatGateway"):
        current = "NAT gateways"
    return Comparison(
        f"way out of a VPC, {zones} zones, {services} services",
        current,
        {name: rounded(_sum(charges, prices)) for name, charges in options.items()},
        "gateway endpoints of S3 and DynamoDB are free; endpoints also keep out the internet",
    )


def _services(design: Design, prices: Prices) -> Iterator[Comparison]:
    for name, properties in design.system.of_type("AWS::ECS::Service").items():
        yield service(name, properties, design, prices)


def service(name: str, properties: dict[str, Any], design: Design, prices: Prices) -> Comparison:
    """On demand against the templates' mixture and Spot alone."""
    running = tasks(name, properties, design)
    cpu, memory = (size * running * HOURS for size in task_size(properties, design))
    on_demand = prices["fargate.cpu"].amount(cpu) + prices["fargate.memory"].amount(memory)
    spot = prices["fargate.spot_cpu"].amount(cpu) + prices["fargate.spot_memory"].amount(memory)
    share = spot_share(properties, running)
    options = {"on demand": rounded(on_demand), "Spot": rounded(spot)}
    current = {0: "on demand", 1: "Spot"}.get(int(share) if share in (0, 1) else -1)
    if current is None:
        current = f"{share:.0%} Spot"
        options[current] = rounded(on_demand * (1 - share) + spot * share)
    return Comparison(name, current, options, f"{running:.1f} tasks on average")


def _sum(charges: list[Charge], prices: Prices) -> Decimal:
    found = [prices[charge.item].amount(charge.quantity) for charge in charges]
    return sum(found, Decimal(0))
