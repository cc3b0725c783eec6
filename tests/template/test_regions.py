"""Primary and secondary region in the resolved templates, compared with the scaling strategy."""

import json
from functools import cache
from typing import Any

import pytest

from tests.template.stack import EVERYTHING, PHASES, ROOT, SECONDARY, load, resources, system
from zebros.cloudformation import Account, System, TemplateError, resolve

# "Primary active, secondary read replica: DynamoDB global tables, S3 cross-region replication,
# Aurora Global Database, Route 53 health checks and failover."
ROLES = ("primary", "secondary")
HOMES = {"primary": "us-east-1", "secondary": "eu-central-1"}
PARAMETERS = {"primary": {"ReplicaRegion": "eu-central-1"}, "secondary": SECONDARY}
STREAMS = {
    "CustomersRelaySource": "CustomersStreamArn",
    "CustomersRelaySecondSource": "ContactsStreamArn",
    "OpportunitiesRelaySource": "OpportunitiesStreamArn",
    "ActivitiesRelaySource": "ActivitiesStreamArn",
    "ReportingRelaySource": "ReportingStreamArn",
    "ImportsRelaySource": "ImportsStreamArn",
    "NotificationsRelaySource": "NotificationsStreamArn",
    "ScalingRelaySource": "ScalingStreamArn",
}
TABLES = {
    "CustomersRelaySource": "CustomersTable",
    "CustomersRelaySecondSource": "ContactsTable",
    "OpportunitiesRelaySource": "OpportunitiesTable",
    "ActivitiesRelaySource": "ActivitiesTable",
    "ReportingRelaySource": "ReportingTable",
    "ImportsRelaySource": "ImportsTable",
    "NotificationsRelaySource": "NotificationsTable",
    "ScalingRelaySource": "ScalingTable",
}


@cache
def region(role: str) -> System:
    """The system of one of two regions."""
    return resolve(
        ROOT / "template.yaml",
        EVERYTHING | PARAMETERS[role],
        account=Account(region=HOMES[role]),
    )


def of(name: str, role: str) -> Any:
    return region(role).resources[name].properties


def test_a_deployment_is_a_primary_without_a_second_region() -> None:
    assert load()["Parameters"]["RegionRole"]["Default"] == "primary"
    assert load()["Parameters"]["RegionRole"]["AllowedValues"] == list(ROLES)
    assert load()["Parameters"]["ReplicaRegion"]["Default"] == ""


def test_the_primary_owns_every_table_and_its_relays_publish() -> None:
    primary = region("primary")
    tables = {*TABLES.values(), "EdgeTable"}
    assert set(primary.of_type("AWS::DynamoDB::GlobalTable")) == tables
    mappings = primary.of_type("AWS::Lambda::EventSourceMapping")
    for name, table in TABLES.items():
        assert mappings[name]["EventSourceArn"] == {"Fn::GetAtt": [table, "StreamArn"]}
        assert mappings[name]["Enabled"] is True


@pytest.mark.parametrize("phase", PHASES)
def test_a_single_region_relays_in_every_phase(phase: str) -> None:
    mappings = resources("AWS::Lambda::EventSourceMapping", Phase=phase)
    assert all(mappings[name]["Enabled"] is True for name in STREAMS)


def test_a_secondary_owns_no_table_and_its_relays_wait_at_the_replicas_streams() -> None:
    """A replica's stream has what the primary has written, and its relays have published."""
    secondary = region("secondary")
    assert not secondary.of_type("AWS::DynamoDB::GlobalTable")
    mappings = secondary.of_type("AWS::Lambda::EventSourceMapping")
    for name, parameter in STREAMS.items():
        assert mappings[name]["EventSourceArn"] == SECONDARY[parameter]
        assert mappings[name]["Enabled"] is False
    others = {n: m for n, m in mappings.items() if n not in STREAMS}
    assert len(others) == 10
    assert all(mapping.get("Enabled", True) is True for mapping in others.values())


def test_a_secondary_s_relays_may_read_the_replicas_streams() -> None:
    policies = region("secondary").of_type("AWS::IAM::Policy")
    readable = [
        arn
        for name, policy in policies.items()
        if name.endswith("RelayReadStreams")
        for arn in policy["PolicyDocument"]["Statement"][0]["Resource"]
    ]
    assert sorted(readable) == sorted(SECONDARY[name] for name in STREAMS.values())


def test_both_regions_have_the_same_functions_bus_archive_and_queues() -> None:
    primary, secondary = region("primary"), region("secondary")
    same = (
        "AWS::Lambda::Function",
        "AWS::Events::EventBus",
        "AWS::Events::Archive",
        "AWS::Events::Rule",
        "AWS::SQS::Queue",
        "AWS::S3::Bucket",
        "AWS::ApiGateway::RestApi",
    )
    for kind in same:
        # Nothing changes settings in a secondary, whose table is a replica.
        own = {"DistributionLogs", "ScalingAlarms", "ScalingSchedule"}
        assert set(primary.of_type(kind)) - own == set(secondary.of_type(kind)), kind


def test_nothing_of_a_secondary_may_start_the_controller() -> None:
    primary, secondary = (set(region(one).of_type("AWS::IAM::Role")) for one in ROLES)
    assert "ScalingStartRole" in primary - secondary


def test_functions_of_a_secondary_use_the_replicas_by_the_tables_names() -> None:
    for name in ("CustomersApi", "ReportingApi"):
        one, other = (of(name, role)["Environment"]["Variables"] for role in ROLES)
        tables = {key: value for key, value in one.items() if key.endswith("TABLE_NAME")}
        assert tables
        assert tables.items() <= other.items(), name


def test_nothing_starts_by_a_schedule_in_a_secondary() -> None:
    kinds = {resource.type for resource in region("secondary").resources.values()}
    assert "AWS::Scheduler::Schedule" not in kinds
    rules = region("secondary").of_type("AWS::Events::Rule").values()
    assert not [rule for rule in rules if "ScheduleExpression" in rule]


# --- buckets -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bucket", "parameter"),
    [("LakeBucket", "ReplicaLakeBucketName"), ("FilesBucket", "ReplicaFilesBucketName")],
)
def test_a_bucket_is_replicated_with_its_deletions(bucket: str, parameter: str) -> None:
    found = resources("AWS::S3::Bucket")[bucket]
    assert found["VersioningConfiguration"] == {"Status": "Enabled"}
    assert found["ReplicationConfiguration"] == {
        "Role": {"Fn::GetAtt": ["ReplicationRole", "Arn"]},
        "Rules": [
            {
                "Id": "to-the-other-region",
                "Status": "Enabled",
                "Priority": 0,
                "Filter": {"Prefix": ""},
                "DeleteMarkerReplication": {"Status": "Enabled"},
                "Destination": {"Bucket": f"arn:aws:s3:::{EVERYTHING[parameter]}"},
            }
        ],
    }


def test_both_buckets_have_versions_before_replication_and_in_both_roles() -> None:
    alone = resolve(ROOT / "template.yaml")
    for name in ("LakeBucket", "FilesBucket"):
        assert "ReplicationConfiguration" not in alone.resources[name].properties
        for found in (alone, region("secondary")):
            bucket = found.resources[name].properties
            assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
            expiry = {rule["Id"]: rule for rule in bucket["LifecycleConfiguration"]["Rules"]}
            assert expiry["expire-deleted-objects"] == {
                "Id": "expire-deleted-objects",
                "Status": "Enabled",
                "NoncurrentVersionExpiration": {"NoncurrentDays": 30},
                "ExpiredObjectDeleteMarker": True,
            }
    assert "ReplicationRole" not in alone.resources
    assert "ReplicationPolicy" not in alone.resources


def test_replication_may_read_these_buckets_and_write_the_others() -> None:
    role = resources("AWS::IAM::Role")["ReplicationRole"]
    (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert (trust["Effect"], trust["Action"]) == ("Allow", "sts:AssumeRole")
    assert trust["Principal"] == {"Service": "s3.amazonaws.com"}
    policy = resources("AWS::IAM::Policy")["ReplicationPolicy"]
    assert policy["Roles"] == [{"Ref": "ReplicationRole"}]
    listing, reading, writing = policy["PolicyDocument"]["Statement"]
    buckets = ("LakeBucket", "FilesBucket")
    assert listing == {
        "Effect": "Allow",
        "Action": ["s3:GetReplicationConfiguration", "s3:ListBucket"],
        "Resource": [{"Fn::GetAtt": [name, "Arn"]} for name in buckets],
    }
    assert reading == {
        "Effect": "Allow",
        "Action": [
            "s3:GetObjectVersionForReplication",
            "s3:GetObjectVersionAcl",
            "s3:GetObjectVersionTagging",
        ],
        "Resource": [{"Fn::Sub": f"${{{name}.Arn}}/*"} for name in buckets],
    }
    assert writing == {
        "Effect": "Allow",
        "Action": ["s3:ReplicateObject", "s3:ReplicateDelete", "s3:ReplicateTags"],
        "Resource": ["arn:aws:s3:::replica-lake/*", "arn:aws:s3:::replica-files/*"],
    }


# --- records and health checks -------------------------------------------------------------------


@pytest.mark.parametrize("role", ROLES)
def test_each_region_is_checked_by_its_own_name(role: str) -> None:
    name = f"{HOMES[role]}.crm.example.com"
    (check,) = region(role).of_type("AWS::Route53::HealthCheck").values()
    assert check["HealthCheckConfig"] == {
        "Type": "HTTPS",
        "FullyQualifiedDomainName": name,
        "Port": 443,
        "ResourcePath": "/v1/health",
        "EnableSNI": True,
        "RequestInterval": 10,
        "FailureThreshold": 3,
    }
    assert of("RegionDomain", role) == {
        "DomainName": name,
        "RegionalCertificateArn": EVERYTHING["CertificateArn"],
        "SecurityPolicy": "TLS_1_2",
        "EndpointConfiguration": {"Types": ["REGIONAL"]},
    }
    assert of("RegionMapping", role) == {
        "DomainName": {"Ref": "RegionDomain"},
        "BasePath": "v1",
        "RestApiId": {"Ref": "Api"},
        "Stage": "v1",
    }
    assert of("RegionRecord", role) == {
        "HostedZoneId": EVERYTHING["HostedZoneId"],
        "Name": name,
        "Type": "A",
        "AliasTarget": {
            "DNSName": {"Fn::GetAtt": ["RegionDomain", "RegionalDomainName"]},
            "HostedZoneId": {"Fn::GetAtt": ["RegionDomain", "RegionalHostedZoneId"]},
        },
    }
    assert check["HealthCheckTags"] == [{"Key": "Name", "Value": f"zebros-{HOMES[role]}"}]


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("label", ["origin", "live"])
def test_records_fail_over_to_the_secondary(role: str, label: str) -> None:
    found = of({"origin": "OriginRecord", "live": "SocketRecord"}[label], role)
    assert found["Name"] == f"{label}.crm.example.com"
    assert found["SetIdentifier"] == role
    assert found["Failover"] == role.upper()
    assert found["HealthCheckId"] == {"Ref": "RegionHealth"}


def test_a_single_region_has_plain_records_and_no_health_check() -> None:
    assert not resources("AWS::Route53::HealthCheck")
    for record in resources("AWS::Route53::RecordSet").values():
        assert not {"Failover", "SetIdentifier", "HealthCheckId"} & set(record)


def test_cloudfront_and_the_public_record_belong_to_the_primary() -> None:
    assert len(region("primary").of_type("AWS::CloudFront::Distribution")) == 2
    secondary = region("secondary")
    kinds = {resource.type for resource in secondary.resources.values()}
    assert not kinds & {"AWS::CloudFront::Distribution", "AWS::WAFv2::LoggingConfiguration"}
    names = {record["Name"] for record in secondary.of_type("AWS::Route53::RecordSet").values()}
    labels = ("origin", "live", "eu-central-1")
    assert names == {f"{label}.crm.example.com" for label in labels}


# --- who may reach a secondary -------------------------------------------------------------------


def test_a_secondary_knows_the_primary_s_secret_by_its_replica() -> None:
    assert of("OriginSecret", "primary")["ReplicaRegions"] == [{"Region": "eu-central-1"}]
    assert "ReplicaRegions" not in system().resources["OriginSecret"].properties
    assert "OriginSecret" not in region("secondary").resources
    first = of("OriginAcl", "secondary")["Rules"][0]["Statement"]
    assert '"{{resolve:secretsmanager:zebros-origin}}"' in json.dumps(first)
    association = of("ApiAclAssociation", "secondary")
    assert association["WebACLArn"] == {"Fn::GetAtt": ["OriginAcl", "Arn"]}


def test_a_secondary_s_api_is_read_only() -> None:
    (_, rule) = of("OriginAcl", "secondary")["Rules"]
    assert (rule["Name"], rule["Priority"]) == ("read-only", 1)
    assert rule["VisibilityConfig"] == {
        "SampledRequestsEnabled": True,
        "CloudWatchMetricsEnabled": True,
        "MetricName": "read-only",
    }
    match = rule["Statement"]["NotStatement"]["Statement"]["RegexMatchStatement"]
    assert match == {
        "FieldToMatch": {"Method": {}},
        "RegexString": "^(GET|HEAD|OPTIONS)$",
        "TextTransformations": [{"Priority": 0, "Type": "NONE"}],
    }
    response = rule["Action"]["Block"]["CustomResponse"]
    assert response["ResponseCode"] == 503
    assert {one["Name"]: one["Value"] for one in response["ResponseHeaders"]} == {
        "retry-after": "60",
        "access-control-allow-origin": "*",
    }
    body = of("OriginAcl", "secondary")["CustomResponseBodies"][response["CustomResponseBodyKey"]]
    assert body["ContentType"] == "APPLICATION_JSON"
    problem = json.loads(body["Content"])
    assert (problem["type"], problem["status"]) == ("urn:zebros:problem:not-ready", 503)
    assert set(problem) == {"type", "title", "status", "detail"}
    assert len(of("OriginAcl", "primary")["Rules"]) == 1


# --- wrong input ---------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", STREAMS.values())
def test_a_secondary_without_its_primary_s_outputs_is_rejected(missing: str) -> None:
    with pytest.raises(TemplateError, match="secondary needs the stream ARN of each table"):
        resolve(ROOT / "template.yaml", EVERYTHING | SECONDARY | {missing: ""})


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({**SECONDARY, "Phase": "growth"}, "RegionRole secondary needs Phase enterprise"),
        (
            {**SECONDARY, "ReplicaRegion": "eu-central-1"},
            "ReplicaRegion is for the primary region, whose stack owns every replica",
        ),
        ({"ReplicaFilesBucketName": ""}, "ReplicaLakeBucketName needs ReplicaFilesBucketName"),
        ({"ReplicaLakeBucketName": ""}, "ReplicaFilesBucketName needs ReplicaLakeBucketName"),
        ({"ReplicaRegion": "us-east-1"}, "ReplicaRegion is the stack's own region"),
    ],
)
def test_a_wrong_pair_of_regions_is_rejected(parameters: dict[str, str], message: str) -> None:
    with pytest.raises(TemplateError, match=message):
        resolve(ROOT / "template.yaml", EVERYTHING | parameters)
