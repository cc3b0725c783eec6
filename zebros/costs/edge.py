"""Pricing of what requests pass: APIs, firewall, CDN, DNS and load balancer."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from zebros.costs.charges import Charge, Design, prices
from zebros.costs.usage import HOURS, gb

_METHODS = frozenset({"get", "put", "post", "delete", "options", "head", "patch"})


def _answered_gb(design: Design) -> Decimal:
    return gb(design.usage.requests, kb=design.usage["response_kb"])


@prices("AWS::ApiGateway::RestApi")
def rest_api(_name: str, _properties: dict[str, Any], design: Design) -> Iterator[Charge]:
    """Requests, and the answers' way to the internet; to CloudFront it is free."""
    yield Charge("api_gateway.rest_requests", design.usage.requests)
    if not design.system.of_type("AWS::CloudFront::Distribution"):
        yield Charge("network.data_out", _answered_gb(design))


@prices("AWS::ApiGateway::Stage")
def stage(_name: str, properties: dict[str, Any], design: Design) -> Iterator[Charge]:
    """Detailed metrics of each method, and traces."""
    if properties.get("CacheClusterEnabled"):
        raise ValueError("the cache of a stage has no price")
    detailed = [one for one in properties.get("MethodSettings", []) if one.get("MetricsEnabled")]
    if detailed:
        usage = design.usage
        active = usage["active_methods"] * usage.busy_hours / HOURS
        methods = _methods(properties, design)
        yield Charge("cloudwatch.metrics", methods * usage["method_metrics"] * active)
    if properties.get("TracingEnabled"):
        yield Charge("xray.traces", design.usage.requests * design.usage["trace_share"])


def _methods(properties: dict[str, Any], design: Design) -> Decimal:
    body = design.properties(properties["RestApiId"]["Ref"]).get("Body", {})
    methods = [
        method
        for path in body.get("paths", {}).values()
        for method in path
        if method.lower() in _METHODS
    ]
    return Decimal(len(methods))


@prices("AWS::ApiGatewayV2::Api")
def socket_api(_name: str, properties: dict[str, Any], design: Design) -> Iterator[Charge]:
    """Messages and connection minutes of a WebSocket API."""
    if properties.get("ProtocolType") != "WEBSOCKET":
        raise ValueError("an HTTP API has no price")
    usage = design.usage
    yield Charge("api_gateway.socket_messages", usage.sessions * usage["messages_per_user"])
    yield Charge("api_gateway.socket_minutes", usage.sessions * usage["session_hours"] * 60)


@prices("AWS::WAFv2::WebACL")
def firewall(_name: str, properties: dict[str, Any], design: Design) -> Iterator[Charge]:
    """The ACL, its rules and rule groups, and requests."""
    yield Charge("waf.access_lists", Decimal(1))
    yield Charge("waf.rules", Decimal(len(properties.get("Rules", []))))
    yield Charge("waf.requests", design.usage.requests)


@prices("AWS::CloudFront::Distribution")
def distribution(_name: str, _properties: dict[str, Any], design: Design) -> Iterator[Charge]:
    """HTTPS requests and what is sent to people in North America and Europe."""
    yield Charge("cloudfront.requests", design.usage.requests)
    yield Charge("cloudfront.data_out", _answered_gb(design))


@prices("AWS::Route53::HostedZone")
def zone(_name: str, _properties: dict[str, Any], _design: Design) -> Iterator[Charge]:
    """The zone."""
    yield Charge("route53.zones", Decimal(1))


@prices("AWS::Route53::RecordSet")
def record(_name: str, properties: dict[str, Any], design: Design) -> Iterator[Charge]:
    """Queries; those for an alias of an AWS resource are free."""
    if "AliasTarget" not in properties:
        yield Charge("route53.queries", design.usage.requests * design.usage["dns_share"])


@prices("AWS::Route53::HealthCheck")
def health_check(_name: str, properties: dict[str, Any], _design: Design) -> Iterator[Charge]:
    """A check of an endpoint in AWS, and its optional features."""
    config = properties["HealthCheckConfig"]
    features = (
        config["Type"].startswith("HTTPS"),
        "STR_MATCH" in config["Type"],
        config.get("RequestInterval", 30) != 30,
        config.get("MeasureLatency", False),
    )
    yield Charge("route53.health_checks", Decimal(1))
    if any(features):
        yield Charge("route53.health_check_features", Decimal(sum(features)))


@prices("AWS::ElasticLoadBalancingV2::LoadBalancer")
def balancer(_name: str, properties: dict[str, Any], design: Design) -> Iterator[Charge]:
    """Hours and capacity of an application load balancer, and its public addresses."""
    if properties.get("Type", "application") != "application":
        raise ValueError(f"a {properties['Type']} load balancer has no price")
    yield Charge("balancer.hours", HOURS)
    yield Charge("balancer.capacity", design.usage["balancer_units"] * HOURS)
    if properties.get("Scheme", "internet-facing") == "internet-facing":
        yield Charge("network.public_addresses", len(properties["Subnets"]) * HOURS)
