"""Pricing of NAT gateways, endpoints and public addresses."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from zebros.costs.charges import Charge, Design, prices
from zebros.costs.usage import HOURS


def _traffic(design: Design, found: int) -> Decimal:
    """GB through one of several gateways or endpoints."""
    return design.usage["network_gb"] / found


@prices("AWS::EC2::NatGateway")
def nat_gateway(_name: str, _properties: dict[str, Any], design: Design) -> Iterator[Charge]:
    """Hours, and a share of the traffic."""
    yield Charge("network.nat_hours", HOURS)
    gateways = len(design.system.of_type("AWS::EC2::NatGateway"))
    yield Charge("network.nat_data", _traffic(design, gateways))


def interface_endpoints(design: Design) -> list[dict[str, Any]]:
    """The endpoints that are charged; those of S3 and DynamoDB are gateways, and free."""
    found = design.system.of_type("AWS::EC2::VPCEndpoint").values()
    return [one for one in found if one.get("VpcEndpointType", "Gateway") != "Gateway"]


@prices("AWS::EC2::VPCEndpoint")
def endpoint(_name: str, properties: dict[str, Any], design: Design) -> Iterator[Charge]:
    """Hours in each Availability Zone, and a share of the traffic."""
    kind = properties.get("VpcEndpointType", "Gateway")
    if kind == "Gateway":
        return
    if kind != "Interface":
        raise ValueError(f"an endpoint of type {kind} has no price")
    yield Charge("network.endpoint_hours", len(properties["SubnetIds"]) * HOURS)
    traffic = _traffic(design, len(interface_endpoints(design)))
    yield Charge("network.endpoint_data", traffic)


@prices("AWS::EC2::EIP")
def address(_name: str, _properties: dict[str, Any], _design: Design) -> Iterator[Charge]:
    """A public address, in use or not."""
    yield Charge("network.public_addresses", HOURS)
