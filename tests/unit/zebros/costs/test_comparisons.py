"""Alternatives: capacity modes, ways out of a VPC, Spot."""

from decimal import Decimal
from typing import Any

import pytest

from tests.template.stack import ROOT
from tests.unit.zebros.costs.design import rule, system, usage
from zebros.cloudformation import resolve
from zebros.costs import Prices, Usage
from zebros.costs.charges import Design
from zebros.costs.comparisons import Comparison, break_even, compare, service, table, ways_out

PRICES = Prices.load()
LOAD = usage(
    rules={"tables": rule(writes=1, reads=1, data=1)},
    read_units=1,
    write_units=5,
    index_write_units=2,
    network_gb=100,
    zones=2,
    endpoint_services=6,
)
# A million write units and 800,000 read units a month.


def test_provisioned_capacity_pays_from_28_9_percent_of_its_use() -> None:
    """0.4745 USD for a unit and month, against 2.628 million requests: 1.6425 USD."""
    assert round(break_even(PRICES) * 100, 1) == Decimal("28.9")
    assert round(break_even(PRICES, "read") * 100, 1) == Decimal("28.9")
    assert break_even(PRICES) == Decimal("0.00065") / (3600 * Decimal("0.000000625"))


def compared(**properties: Any) -> Comparison:
    return table("Table", {"Replicas": [{}], **properties}, Design(system(), LOAD), PRICES)


def test_a_table_on_demand_is_compared_with_the_least_capacity() -> None:
    found = compared(BillingMode="PAY_PER_REQUEST")
    # 1,000,000 x 0.625 + 800,000 x 0.125 a million; 1.087 write units in business hours (0.76
    # writes a second at 70 %), one at night, and one read unit: 0.4953 + 0.0949.
    assert found.options == {"on demand": Decimal("0.73"), "provisioned": Decimal("0.59")}
    assert (found.current, found.cheapest) == ("on demand", "provisioned")
    assert "break-even 28.9%" in found.note


def fixed(units: int) -> dict[str, Any]:
    return {
        "WriteProvisionedThroughputSettings": {"WriteCapacityUnits": units},
        "Replicas": [{"ReadProvisionedThroughputSettings": {"ReadCapacityUnits": units}}],
    }


def test_a_provisioned_table_is_compared_with_its_requests() -> None:
    found = compared(**fixed(10))
    assert found.options == {"on demand": Decimal("0.73"), "provisioned": Decimal("5.69")}
    assert (found.current, found.cheapest) == ("provisioned", "on demand")
    assert found.note.startswith("write capacity used 3.8%,"), "1,000,000 of 26,280,000"


def test_the_way_out_of_a_vpc_depends_on_zones_services_and_traffic() -> None:
    found = ways_out(Design(system(), LOAD), PRICES)
    # 2 x (32.85 + 3.65) + 4.50, against 12 x 7.30 + 1.00.
    assert found.options == {
        "NAT gateways": Decimal("77.50"),
        "interface endpoints": Decimal("88.60"),
    }
    assert (found.current, found.cheapest) == ("", "NAT gateways")
    assert found.subject == "way out of a VPC, 2 zones, 6 services"


@pytest.mark.parametrize(
    ("kind", "properties", "current"),
    [
        ("AWS::EC2::NatGateway", {}, "NAT gateways"),
        ("AWS::EC2::VPCEndpoint", {"VpcEndpointType": "Interface"}, "interface endpoints"),
        ("AWS::EC2::VPCEndpoint", {"VpcEndpointType": "Gateway"}, ""),
        ("AWS::EC2::VPCEndpoint", {}, ""),
    ],
)
def test_the_templates_way_out_is_named(
    kind: str, properties: dict[str, Any], current: str
) -> None:
    found = ways_out(Design(system(Out=(kind, properties)), LOAD), PRICES)
    assert found.current == current


@pytest.mark.parametrize(
    ("weights", "current", "mixed"),
    [
        ({"FARGATE": 1}, "on demand", None),
        ({"FARGATE_SPOT": 1}, "Spot", None),
        ({"FARGATE_SPOT": 3, "FARGATE": 1}, "75% Spot", "17.92"),
    ],
)
def test_a_service_is_compared_with_spot(
    weights: dict[str, int], current: str, mixed: str | None
) -> None:
    providers = [{"CapacityProvider": name, "Weight": w} for name, w in weights.items()]
    properties = {
        "TaskDefinition": {"Ref": "Task"},
        "DesiredCount": 2,
        "CapacityProviderStrategy": providers,
    }
    task: Any = ("AWS::ECS::TaskDefinition", {"Cpu": 512, "Memory": 1024})
    found = service("Worker", properties, Design(system(Task=task), LOAD), PRICES)
    # 29.55 + 2 x 3.24 on demand; 9.74 + 2 x 1.07 on Spot.
    assert found.options["on demand"] == Decimal("36.04")
    assert found.options["Spot"] == Decimal("11.88")
    assert found.current == current
    assert found.options.get("75% Spot") == (Decimal(mixed) if mixed else None)
    assert found.note == "2.0 tasks on average"


def test_a_phase_has_a_comparison_for_each_table_and_service() -> None:
    load = Usage.load("growth")
    found = resolve(ROOT / "template.yaml", {"Phase": "growth", **load.parameters})
    subjects = [one.subject for one in compare(found, load, PRICES)]
    for name in (*found.of_type("AWS::DynamoDB::GlobalTable"), *found.of_type("AWS::ECS::Service")):
        assert name in subjects
    assert len([one for one in subjects if one.startswith("way out")]) == 1
