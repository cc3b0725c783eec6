"""Stores, messaging, edge, network and operations, on hand-made resources."""

from decimal import Decimal
from typing import Any

import pytest

from tests.unit.zebros.costs.design import charged, one, rule, usage
from zebros.errors import BadInput

KB_PER_GB = Decimal(1024**2)
BYTES_PER_GB = Decimal(1024**3)


def test_a_database_cluster_pays_for_storage_and_io() -> None:
    load = usage(database_gb=5, database_io=900)
    assert one("AWS::RDS::DBCluster", load) == {"aurora.storage": 5, "aurora.io_requests": 900}


def test_a_database_instance_pays_for_capacity_between_minimum_and_maximum() -> None:
    range_ = {"MinCapacity": 2, "MaxCapacity": 4}
    found = charged(
        "Reader",
        Cluster=("AWS::RDS::DBCluster", {"ServerlessV2ScalingConfiguration": range_}),
        Reader=(
            "AWS::RDS::DBInstance",
            {"DBInstanceClass": "db.serverless", "DBClusterIdentifier": {"Ref": "Cluster"}},
        ),
    )
    assert found == {"aurora.capacity": (2 + 2 * Decimal("0.25")) * 730}


@pytest.mark.parametrize(
    ("sizes", "nodes"),
    [
        ({"NumCacheClusters": 2}, 2),
        ({"NumNodeGroups": 3, "ReplicasPerNodeGroup": 1}, 6),
        ({"NumNodeGroups": 3, "ReplicasPerNodeGroup": 0}, 3),
        ({}, 1),
    ],
)
def test_a_cache_is_charged_by_node(sizes: dict[str, int], nodes: int) -> None:
    found = one(
        "AWS::ElastiCache::ReplicationGroup",
        Engine="valkey",
        CacheNodeType="cache.t4g.small",
        **sizes,
    )
    assert found == {"elasticache.valkey.cache.t4g.small": nodes * 730}


BUCKET = "AWS::S3::Bucket"
STORED = usage(
    rules={"buckets": rule(data="0.5")},
    files_gb=730,
    files_growth_gb=20,
    object_mb=2,
    frequent_share="0.2",
)
# 365 GB in this bucket, one for each day of a year; 10 GB a month in 5,120 objects.


def lifecycle(*transitions: tuple[int, str], status: str = "Enabled") -> dict[str, Any]:
    moves = [{"TransitionInDays": days, "StorageClass": name} for days, name in transitions]
    return {"LifecycleConfiguration": {"Rules": [{"Status": status, "Transitions": moves}]}}


def test_a_bucket_stores_everything_in_standard() -> None:
    assert one(BUCKET, STORED) == {"s3.STANDARD": 365, "s3.writes": 5120, "s3.reads": 6120}


def test_objects_change_their_class_with_their_age() -> None:
    found = one(BUCKET, STORED, **lifecycle((265, "GLACIER_IR"), (65, "STANDARD_IA")))
    assert found["s3.STANDARD"] == pytest.approx(65)
    assert found["s3.STANDARD_IA"] == pytest.approx(200)
    assert found["s3.GLACIER_IR"] == pytest.approx(100)


def test_a_move_after_a_year_or_by_a_disabled_rule_changes_nothing() -> None:
    for rules in (lifecycle((365, "GLACIER")), lifecycle((1, "GLACIER"), status="Disabled")):
        assert one(BUCKET, STORED, **rules)["s3.STANDARD"] == 365


def test_a_rule_s_single_transition_counts_too() -> None:
    move = {"TransitionInDays": 0, "StorageClass": "STANDARD_IA"}
    rules = {"LifecycleConfiguration": {"Rules": [{"Status": "Enabled", "Transition": move}]}}
    found = one(BUCKET, STORED, **rules)
    assert found["s3.STANDARD_IA"] == 365
    assert "s3.STANDARD" not in found


def test_intelligent_tiering_has_two_tiers_and_a_fee_by_object() -> None:
    found = one(BUCKET, STORED, **lifecycle((65, "INTELLIGENT_TIERING")))
    assert found["s3.STANDARD"] == pytest.approx(65)
    assert found["s3.INTELLIGENT_TIERING"] == pytest.approx(60)
    assert found["s3.INTELLIGENT_TIERING_IA"] == pytest.approx(240)
    assert found["s3.monitoring"] == pytest.approx(300 * 1024 / 2)


def test_a_replicated_bucket_pays_for_the_way_and_the_second_write() -> None:
    found = one(BUCKET, STORED, ReplicationConfiguration={})
    assert found["network.data_between_regions"] == 10
    assert found["s3.writes"] == 2 * 5120


def test_files_grow_by_month() -> None:
    assert one(BUCKET, STORED.after(2))["s3.STANDARD"] == (730 + 2 * 20) / 2


QUEUED = usage(
    rules={"queues": rule(calls="events", factor="0.5")},
    pollers=5,
    empty_receives=180,
    requests_per_message=3,
)


def test_a_queue_of_a_function_is_polled_day_and_night() -> None:
    found = charged(
        "Events",
        QUEUED,
        Events=("AWS::SQS::Queue", {"RedrivePolicy": {}}),
        Source=(
            "AWS::Lambda::EventSourceMapping",
            {"EventSourceArn": {"Fn::GetAtt": ["Events", "Arn"]}},
        ),
    )
    assert found == {"sqs.requests": 200_000 * 3 + 5 * 180 * 730}


def test_a_worker_polls_its_queue_and_nobody_a_dead_letter_queue() -> None:
    work = one("AWS::SQS::Queue", QUEUED, RedrivePolicy={})
    assert work == {"sqs.requests": 200_000 * 3 + 180 * 730}
    assert one("AWS::SQS::Queue", QUEUED) == {"sqs.requests": 200_000 * 3}


def test_topics_and_schedules_are_charged_by_message() -> None:
    assert one("AWS::SNS::Topic", usage(topic_messages=9)) == {"sns.requests": 9}
    schedule = one("AWS::Scheduler::Schedule", usage(schedule_runs=8))
    assert schedule == {"eventbridge.scheduler": 8}


def test_the_bus_is_charged_by_event() -> None:
    assert one("AWS::Events::EventBus") == {"eventbridge.events": 400_000}


def test_the_archive_processes_every_event_and_stores_those_of_its_days() -> None:
    found = one("AWS::Events::Archive", usage(event_kb=2), RetentionDays=365)
    assert found["eventbridge.archive_processing"] == 800_000 / KB_PER_GB
    assert found["eventbridge.archive_storage"] == pytest.approx(12 * 800_000 / KB_PER_GB)


def test_a_state_machine_is_charged_by_transition() -> None:
    load = usage(rules={"machines": rule(calls="reports", factor=12)})
    assert one("AWS::StepFunctions::StateMachine", load) == {"step_functions.transitions": 12_000}


EDGE = usage(
    response_kb=4,
    trace_share="0.1",
    method_metrics=5,
    active_methods="0.5",
    messages_per_user=30,
    session_hours=8,
    dns_share="0.05",
    balancer_units=2,
)
ANSWERS_GB = 4_000_000 / KB_PER_GB


def test_the_api_is_charged_by_request_and_answer() -> None:
    assert one("AWS::ApiGateway::RestApi", EDGE) == {
        "api_gateway.rest_requests": 1_000_000,
        "network.data_out": ANSWERS_GB,
    }


def test_answers_through_cloudfront_are_charged_there() -> None:
    both: dict[str, Any] = {
        "Api": ("AWS::ApiGateway::RestApi", {}),
        "Cdn": ("AWS::CloudFront::Distribution", {}),
    }
    assert charged("Api", EDGE, **both) == {"api_gateway.rest_requests": 1_000_000}
    assert charged("Cdn", EDGE, **both) == {
        "cloudfront.requests": 1_000_000,
        "cloudfront.data_out": ANSWERS_GB,
    }


def test_a_passive_region_has_few_requests_and_no_writes() -> None:
    load = usage(role="secondary", response_kb=4)
    assert one("AWS::ApiGateway::RestApi", load)["api_gateway.rest_requests"] == 100_000
    assert one("AWS::Events::EventBus", load) == {"eventbridge.events": 0}
    assert (load.writes, load.reports, load.sessions, load.reads) == (0, 0, 0, 100_000)


def test_detailed_metrics_are_charged_by_method_in_use() -> None:
    paths = {"/a": {"get": {}, "post": {}, "parameters": []}, "/b": {"DELETE": {}, "x-y": {}}}
    resources: dict[str, Any] = {
        "Api": ("AWS::ApiGateway::RestApi", {"Body": {"paths": paths}}),
        "V1": (
            "AWS::ApiGateway::Stage",
            {"RestApiId": {"Ref": "Api"}, "MethodSettings": [{"MetricsEnabled": True}]},
        ),
    }
    # Three methods of five metrics, half of them in use in half of the hours.
    assert charged("V1", EDGE, **resources) == {"cloudwatch.metrics": 3 * 5 * Decimal("0.25")}
    resources["V1"][1]["MethodSettings"] = [{"MetricsEnabled": False}]
    assert charged("V1", EDGE, **resources) == {}


def test_a_traced_stage_pays_for_the_sampled_requests() -> None:
    assert one("AWS::ApiGateway::Stage", EDGE, TracingEnabled=True) == {"xray.traces": 100_000}


def test_a_websocket_api_is_charged_by_message_and_minute() -> None:
    assert one("AWS::ApiGatewayV2::Api", EDGE, ProtocolType="WEBSOCKET") == {
        "api_gateway.socket_messages": 2_000 * 30,
        "api_gateway.socket_minutes": 2_000 * 480,
    }


def test_a_firewall_is_charged_by_rule_and_request() -> None:
    # infracost, wafv2_web_acl_test.golden: an ACL, a rule and a million requests: 5 + 1 + 0.60.
    found = one("AWS::WAFv2::WebACL", EDGE, Rules=[{}, {}, {}])
    assert found == {"waf.access_lists": 1, "waf.rules": 3, "waf.requests": 1_000_000}


def test_queries_for_an_alias_are_free() -> None:
    assert one("AWS::Route53::RecordSet", EDGE, AliasTarget={}) == {}
    assert one("AWS::Route53::RecordSet", EDGE) == {"route53.queries": 50_000}
    assert one("AWS::Route53::HostedZone") == {"route53.zones": 1}


@pytest.mark.parametrize(
    ("config", "features"),
    [
        # infracost, route53_health_check_test.golden: simple, https, ssl_string_match, ... 0 to 4.
        ({"Type": "HTTP"}, None),
        ({"Type": "HTTPS"}, 1),
        ({"Type": "HTTPS_STR_MATCH"}, 2),
        ({"Type": "HTTPS_STR_MATCH", "MeasureLatency": True}, 3),
        ({"Type": "HTTPS_STR_MATCH", "MeasureLatency": True, "RequestInterval": 10}, 4),
        ({"Type": "HTTP", "RequestInterval": 30, "MeasureLatency": False}, None),
    ],
)
def test_a_health_check_is_charged_with_its_features(
    config: dict[str, Any], features: int | None
) -> None:
    found = one("AWS::Route53::HealthCheck", HealthCheckConfig=config)
    assert found["route53.health_checks"] == 1
    assert found.get("route53.health_check_features") == features


@pytest.mark.parametrize(("scheme", "addresses"), [("internet-facing", 1460), ("internal", None)])
def test_a_load_balancer_has_hours_capacity_and_addresses(
    scheme: str, addresses: int | None
) -> None:
    kind = "AWS::ElasticLoadBalancingV2::LoadBalancer"
    found = one(kind, EDGE, Scheme=scheme, Subnets=["a", "b"])
    assert (found["balancer.hours"], found["balancer.capacity"]) == (730, 1460)
    assert found.get("network.public_addresses") == addresses
    assert one(kind, EDGE, Subnets=["a"])["network.public_addresses"] == 730


NETWORK = usage(network_gb=60)


def test_nat_gateways_share_the_traffic() -> None:
    gateway: Any = ("AWS::EC2::NatGateway", {})
    found = charged("A", NETWORK, A=gateway, B=gateway)
    assert found == {"network.nat_hours": 730, "network.nat_data": 30}


def test_an_interface_endpoint_is_charged_in_each_zone() -> None:
    interface: Any = (
        "AWS::EC2::VPCEndpoint",
        {"VpcEndpointType": "Interface", "SubnetIds": ["a", "b"]},
    )
    free: Any = ("AWS::EC2::VPCEndpoint", {"VpcEndpointType": "Gateway"})
    plain: Any = ("AWS::EC2::VPCEndpoint", {})
    parts = {"A": interface, "B": interface, "C": interface, "Free": free, "Plain": plain}
    assert charged("A", NETWORK, **parts) == {
        "network.endpoint_hours": 1460,
        "network.endpoint_data": 20,
    }
    assert charged("Free", NETWORK, **parts) == charged("Plain", NETWORK, **parts) == {}


def test_an_elastic_address_is_charged() -> None:
    assert one("AWS::EC2::EIP") == {"network.public_addresses": 730}


LOGGED = usage(
    rules={"functions": rule(calls="writes", factor=1)},
    log_bytes=1000,
    access_log_bytes=500,
    log_compression="0.2",
)
GROUP = "AWS::Logs::LogGroup"


@pytest.mark.parametrize(
    ("name", "properties", "size"),
    [
        ("ApiLogs", {"LogGroupName": {"Fn::Sub": "/aws/lambda/${Api}"}}, 200_000_000),
        ("ApiAccessLogs", {}, 500_000_000),
        ("SocketAccessLogs", {}, 2_000_000),
        ("WorkerLogs", {}, 1_000_000),
    ],
)
def test_logs_are_charged_by_what_writes_them(
    name: str, properties: dict[str, Any], size: int
) -> None:
    properties = {"RetentionInDays": 365, **properties}
    resources: Any = {"Api": ("AWS::Lambda::Function", {}), name: (GROUP, properties)}
    found = charged(name, LOGGED, **resources)
    assert found["cloudwatch.logs"] == size / BYTES_PER_GB
    stored = 12 * Decimal("0.2") * size / BYTES_PER_GB
    assert found["cloudwatch.log_storage"] == pytest.approx(stored)


@pytest.mark.parametrize(
    ("properties", "item", "metrics"),
    [
        # infracost, cloudwatch_metric_alarm_test.golden: standard, high, expression, anomaly.
        ({"Period": 120}, "alarms", 1),
        ({"Period": 60}, "alarms", 1),
        ({"Period": 10}, "high_resolution_alarms", 1),
        ({"Metrics": [{}, {"MetricStat": {"Period": 120}}] * 2}, "alarms", 2),
        (
            {"Metrics": [{"MetricStat": {"Period": 60}}, {"MetricStat": {"Period": 10}}]},
            "high_resolution_alarms",
            2,
        ),
        (
            {"Metrics": [{}, {"MetricStat": {"Period": 30}}], "ThresholdMetricId": "e1"},
            "high_resolution_alarms",
            3,
        ),
    ],
)
def test_an_alarm_is_charged_by_metric(properties: dict[str, Any], item: str, metrics: int) -> None:
    assert one("AWS::CloudWatch::Alarm", **properties) == {f"cloudwatch.{item}": metrics}


def test_composite_alarms_and_dashboards_are_charged_by_piece() -> None:
    composite = one("AWS::CloudWatch::CompositeAlarm")
    assert composite == {"cloudwatch.composite_alarms": 1}
    assert one("AWS::CloudWatch::Dashboard") == {"cloudwatch.dashboards": 1}


def test_a_secret_is_charged_in_each_region() -> None:
    load = usage(secret_reads=50)
    found = one("AWS::SecretsManager::Secret", load, ReplicaRegions=[{"Region": "us-west-2"}])
    assert found == {"secrets_manager.secrets": 2, "secrets_manager.requests": 50}
    assert one("AWS::SecretsManager::Secret", load)["secrets_manager.secrets"] == 1


@pytest.mark.parametrize("kind", ["AWS::KMS::Key", "AWS::KMS::ReplicaKey"])
def test_a_key_is_charged_with_its_requests(kind: str) -> None:
    assert one(kind, usage(key_requests=40)) == {"kms.keys": 1, "kms.requests": 40}


SIZED = usage(event_kb=1, log_bytes=1)


@pytest.mark.parametrize(
    ("kind", "properties", "message"),
    [
        (
            "AWS::RDS::DBCluster",
            {"StorageType": "aurora-iopt1"},
            "type aurora-iopt1 has no price",
        ),
        (
            "AWS::RDS::DBInstance",
            {"DBInstanceClass": "db.r6g.large"},
            "class db.r6g.large has no",
        ),
        ("AWS::RDS::DBInstance", {}, "instance class None has no price"),
        ("AWS::Events::Archive", {}, "an archive without RetentionDays grows for ever"),
        ("AWS::Logs::LogGroup", {}, "a log group without RetentionInDays grows for ever"),
        ("AWS::ApiGateway::Stage", {"CacheClusterEnabled": True}, "the cache of a stage has no"),
        ("AWS::ApiGatewayV2::Api", {"ProtocolType": "HTTP"}, "an HTTP API has no price"),
        ("AWS::StepFunctions::StateMachine", {"StateMachineType": "EXPRESS"}, "an express workf"),
        ("AWS::EC2::VPCEndpoint", {"VpcEndpointType": "GatewayLoadBalancer"}, "of type GatewayL"),
        ("AWS::ElasticLoadBalancingV2::LoadBalancer", {"Type": "network"}, "a network load bal"),
        ("AWS::DAX::Cluster", {"NodeType": "dax.t3.small"}, "it has no ReplicationFactor"),
        ("AWS::DAX::Cluster", {"ReplicationFactor": {"Ref": "N"}}, "{'Ref': 'N'} is not a number"),
        ("AWS::DAX::Cluster", {"ReplicationFactor": True}, "True is not a number"),
    ],
)
def test_what_has_no_price_is_rejected_by_name(
    kind: str, properties: dict[str, Any], message: str
) -> None:
    with pytest.raises(BadInput) as caught:
        one(kind, SIZED, **properties)
    assert caught.value.message.startswith(f"One ({kind}) cannot be priced: ")
    assert message in caught.value.message
