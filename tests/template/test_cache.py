"""The caches of the resolved templates compared with the scaling strategy, which is quoted."""

import re
from typing import Any

import pytest

from tests.template.stack import (
    PHASES,
    ROOT,
    functions,
    listed,
    load,
    resources,
    statements,
    system,
)
from zebros.cloudformation import Account, resolve

# "cache: none | none | ElastiCache, 2 nodes (sessions) | Redis cluster".
NODES = {"growth": (1, 2), "enterprise": (3, 6)}
"""Shards and nodes; ours: the cluster has three shards, each with a replica."""
CACHE_TYPES = {"growth": "cache.t4g.small", "enterprise": "cache.m7g.large"}
# "+ DAX" at growth, "DAX multi-AZ" at enterprise: AWS spreads three nodes over three zones.
DAX = {"growth": ("dax.t3.small", 1), "enterprise": ("dax.r5.large", 3)}
LARGE = tuple(NODES)
SMALL = ("mvp", "startup")
APIS = ("CustomersApi", "OpportunitiesApi", "ActivitiesApi", "ReportingApi", "NotificationsApi")
APIS += ("ImportsApi", "ScalingApi")
WITH_CACHE = {*APIS, "Authorizer"}
WITH_DAX = {"CustomersApi": "Customers", "OpportunitiesApi": "Opportunities"}
ENDPOINT = "valkeys://${Cache.ConfigurationEndPoint.Address}:${Cache.ConfigurationEndPoint.Port}"


def only(kind: str, **parameters: str) -> dict[str, Any]:
    (found,) = resources(kind, **parameters).values()
    return found


def environment(name: str, **parameters: str) -> dict[str, Any]:
    found: dict[str, Any] = functions(**parameters)[name]["Environment"]["Variables"]
    return found


@pytest.mark.parametrize("phase", LARGE)
def test_valkey_has_the_phase_s_nodes(phase: str) -> None:
    group = only("AWS::ElastiCache::ReplicationGroup", Phase=phase)
    shards, nodes = NODES[phase]
    assert group["Engine"] == "valkey"
    assert group["NumNodeGroups"] == shards
    assert group["NumNodeGroups"] * (1 + group["ReplicasPerNodeGroup"]) == nodes
    assert group["CacheNodeType"] == CACHE_TYPES[phase]


@pytest.mark.parametrize("phase", LARGE)
def test_a_replica_in_another_zone_takes_over(phase: str) -> None:
    group = only("AWS::ElastiCache::ReplicationGroup", Phase=phase)
    assert group["MultiAZEnabled"] is True
    assert group["AutomaticFailoverEnabled"] is True
    assert group["AutoMinorVersionUpgrade"] is True
    assert group["ReplicasPerNodeGroup"] >= 1
    assert group["CacheSubnetGroupName"] == {"Ref": "CacheSubnets"}
    assert len(private_subnets("AWS::ElastiCache::SubnetGroup", phase)) >= 2


def private_subnets(kind: str, phase: str) -> set[str]:
    """The network's private subnets in a subnet group."""
    found = str(only(kind, Phase=phase)["SubnetIds"])
    known = resources("AWS::EC2::Subnet", Phase=phase)
    named = {name for name in known if re.search(rf"\b{name}\b", found)}
    assert not [name for name in named if name.startswith("Public")]
    return named


def test_more_shards_come_without_a_replacement() -> None:
    """The mode cannot be changed in place; with it, the number of shards can."""
    for phase in LARGE:
        assert only("AWS::ElastiCache::ReplicationGroup", Phase=phase)["ClusterMode"] == "enabled"
        parameters = only("AWS::ElastiCache::ParameterGroup", Phase=phase)
        assert parameters["CacheParameterGroupFamily"] == "valkey8"
        assert parameters["Properties"] == {
            "cluster-enabled": "yes",
            "maxmemory-policy": "allkeys-lru",
        }
    cache = load("infra/cache.yaml")["Resources"]["Cache"]
    assert cache["UpdatePolicy"] == {"UseOnlineResharding": True}
    assert cache["Properties"]["EngineVersion"].startswith("8.")


def test_valkey_is_encrypted_and_asks_for_a_generated_password() -> None:
    group = only("AWS::ElastiCache::ReplicationGroup")
    assert group["TransitEncryptionEnabled"] is True
    assert group["TransitEncryptionMode"] == "required"
    assert group["AtRestEncryptionEnabled"] is True
    assert group["CacheParameterGroupName"] == {"Ref": "CacheParameters"}
    assert "{{resolve:secretsmanager:${CachePassword}:SecretString}}" in str(group["AuthToken"])
    secret = resources("AWS::SecretsManager::Secret")["CachePassword"]["GenerateSecretString"]
    # An AUTH token has 16 to 128 characters, and excludes most punctuation.
    assert secret == {"PasswordLength": 64, "ExcludePunctuation": True}


@pytest.mark.parametrize(
    ("group", "port"), [("CacheSecurityGroup", 6380), ("DaxSecurityGroup", 9111)]
)
def test_only_functions_reach_a_cache(group: str, port: int) -> None:
    (rule,) = resources("AWS::EC2::SecurityGroup")[group]["SecurityGroupIngress"]
    assert (rule["IpProtocol"], rule["FromPort"], rule["ToPort"]) == ("tcp", port, port)
    assert "'FunctionsSecurityGroup'" in str(rule["SourceSecurityGroupId"])
    assert resources("AWS::EC2::SecurityGroup")[group]["VpcId"] == {"Ref": "Vpc"}


def test_each_cache_is_in_its_own_security_group() -> None:
    cache = only("AWS::ElastiCache::ReplicationGroup")
    assert cache["SecurityGroupIds"] == [{"Ref": "CacheSecurityGroup"}]
    assert cache["Port"] == 6380
    closed = resources("AWS::EC2::SecurityGroup")["CacheSecurityGroup"]["SecurityGroupEgress"]
    nowhere = {"IpProtocol": "tcp", "FromPort": 1, "ToPort": 1, "CidrIp": "127.0.0.1/32"}
    assert [{**rule, "Description": ""} for rule in closed] == [{**nowhere, "Description": ""}]
    dax = only("AWS::DAX::Cluster")
    assert dax["SecurityGroupIds"] == [{"Fn::GetAtt": ["DaxSecurityGroup", "GroupId"]}]


@pytest.mark.parametrize("phase", LARGE)
def test_dax_has_the_phase_s_nodes(phase: str) -> None:
    cluster = only("AWS::DAX::Cluster", Phase=phase)
    assert (cluster["NodeType"], cluster["ReplicationFactor"]) == DAX[phase]
    assert cluster["SubnetGroupName"] == {"Ref": "DaxSubnets"}
    zones = private_subnets("AWS::DAX::SubnetGroup", phase)
    assert len(zones) >= 2


def test_dax_is_encrypted() -> None:
    cluster = only("AWS::DAX::Cluster")
    assert cluster["ClusterEndpointEncryptionType"] == "TLS"
    assert cluster["SSESpecification"] == {"SSEEnabled": True}


def test_dax_forgets_items_after_two_seconds_and_pages_after_five() -> None:
    """The bounds of docs/caching.md."""
    values = only("AWS::DAX::ParameterGroup")["ParameterNameValues"]
    assert values == {"record-ttl-millis": "2000", "query-ttl-millis": "5000"}
    assert only("AWS::DAX::Cluster")["ParameterGroupName"] == {"Ref": "DaxParameters"}
    text = (ROOT / "docs" / "caching.md").read_text(encoding="utf-8")
    assert "| a record through DAX | - | 2 s |" in text
    assert "| a page of a list through DAX | - | 5 s |" in text


def test_dax_may_only_read_the_tables_that_are_read_through_it() -> None:
    role = {"Ref": "DaxRole"}
    assert only("AWS::DAX::Cluster")["IAMRoleARN"] == {"Fn::GetAtt": ["DaxRole", "Arn"]}
    trust = resources("AWS::IAM::Role")["DaxRole"]["AssumeRolePolicyDocument"]["Statement"]
    assert [one["Principal"] for one in trust] == [{"Service": "dax.amazonaws.com"}]
    tables = {
        "Customers": ("zebros-customers", "zebros-contacts"),
        "Opportunities": ("zebros-opportunities",),
    }
    policies = {n: p for n, p in resources("AWS::IAM::Policy").items() if role in p["Roles"]}
    assert set(policies) == {f"{context}DaxAccess" for context in tables}
    for context, names in tables.items():
        (statement,) = policies[f"{context}DaxAccess"]["PolicyDocument"]["Statement"]
        assert statement["Effect"] == "Allow"
        assert set(statement["Action"]) == {
            "dynamodb:DescribeTable",
            "dynamodb:GetItem",
            "dynamodb:Query",
        }
        text = str(statement["Resource"])
        for name in names:
            assert f":table/{name}'" in text
            assert f":table/{name}/index/*'" in text
        assert len(statement["Resource"]) == 2 * len(names)


@pytest.mark.parametrize("name", functions())
def test_a_function_knows_only_the_caches_that_it_uses(name: str) -> None:
    variables = functions()[name]["Environment"]["Variables"]
    assert ("CACHE_ENDPOINT" in variables) == (name in WITH_CACHE)
    assert ("CACHE_SECRET_ARN" in variables) == (name in WITH_CACHE)
    assert ("DAX_ENDPOINT" in variables) == (name in WITH_DAX)
    if name in WITH_CACHE:
        assert variables["CACHE_ENDPOINT"] == {"Fn::Sub": ENDPOINT}
        assert variables["CACHE_SECRET_ARN"] == {"Ref": "CachePassword"}
        readable = [s for s in statements(name) if "GetSecretValue" in str(s["Action"])]
        assert {"Ref": "CachePassword"} in listed(readable[0]["Resource"])
    if name in WITH_DAX:
        assert variables["DAX_ENDPOINT"] == {"Fn::GetAtt": ["Dax", "ClusterDiscoveryEndpointURL"]}
        (through,) = [s for s in statements(name) if "dax:GetItem" in listed(s["Action"])]
        assert through["Resource"] == {"Fn::GetAtt": ["Dax", "Arn"]}


@pytest.mark.parametrize("phase", SMALL)
def test_a_small_phase_has_no_cache(phase: str) -> None:
    kinds = {resource.type.split("::")[1] for resource in system(Phase=phase).resources.values()}
    assert not kinds & {"ElastiCache", "DAX"}
    for name in WITH_CACHE:
        assert environment(name, Phase=phase)["CACHE_ENDPOINT"] == ""
    for name in WITH_DAX:
        assert environment(name, Phase=phase)["DAX_ENDPOINT"] == ""


def test_the_local_platform_has_no_cache_in_any_phase() -> None:
    for phase in PHASES:
        local = resolve(
            ROOT / "template.yaml", {"Phase": phase}, account=Account(account_id="000000000000")
        )
        kinds = {resource.type.split("::")[1] for resource in local.resources.values()}
        assert not kinds & {"ElastiCache", "DAX"}


@pytest.mark.parametrize("phase", PHASES)
def test_one_tenant_may_use_a_third_of_what_an_api_can_serve(phase: str) -> None:
    """An execution serves 20 requests of 50 ms in a second; a burst is what two seconds allow."""
    share = functions(Phase=phase)["OpportunitiesApi"]["ReservedConcurrentExecutions"]
    for name in APIS:
        variables = environment(name, Phase=phase)
        assert variables["TENANT_REQUESTS_PER_SECOND"] == share * 20 // 3, name
        assert variables["TENANT_BURST"] == 2 * variables["TENANT_REQUESTS_PER_SECOND"], name
