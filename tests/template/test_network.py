"""The network: zones, subnets, routes, endpoints, who is in it, in every phase.

"network: two or three AZs, functions in a VPC only from growth on; endpoints against NAT: the sum
decides, shown". The strategy: "2-10 across AZs"; "system logs 90 days".
"""

import ipaddress
import json
import re
from typing import Any

import pytest

from tests.template.stack import DOMAIN, PHASES, ROOT, functions, listed, load, resources, system
from zebros.cloudformation import Account, System, TemplateError, resolve

ZONES = {"mvp": 2, "startup": 2, "growth": 2, "enterprise": 3}
# One is enough while an outage of a zone may stop functions; at enterprise, one for each zone.
NATS = {"mvp": 0, "startup": 0, "growth": 1, "enterprise": 3}
IN_VPC = ("growth", "enterprise")
SUBNET = "AWS::EC2::Subnet"
ANYWHERE = "0.0.0.0/0"


def names(value: Any) -> list[str]:
    """The resources that a value refers to, in order."""
    found = re.findall(r'"Ref": "(\w+)"|\$\{(\w+)\}', json.dumps(value))
    return [ref or variable for ref, variable in found]


def subnets(kind: str, phase: str) -> dict[str, dict[str, Any]]:
    """The public or private subnets of a phase."""
    found = resources(SUBNET, Phase=phase)
    return {name: subnet for name, subnet in found.items() if name.startswith(kind)}


def routes(subnet: str, phase: str) -> list[dict[str, Any]]:
    """The routes of a subnet's table."""
    tables = [
        one["RouteTableId"]
        for one in resources("AWS::EC2::SubnetRouteTableAssociation", Phase=phase).values()
        if one["SubnetId"] == {"Ref": subnet}
    ]
    assert len(tables) == 1, subnet
    found = resources("AWS::EC2::Route", Phase=phase).values()
    return [route for route in found if route["RouteTableId"] == tables[0]]


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("kind", ["Public", "Private"])
def test_every_kind_of_subnet_is_in_as_many_zones_as_the_phase_has(kind: str, phase: str) -> None:
    found = subnets(kind, phase)
    zones = [subnet["AvailabilityZone"] for subnet in found.values()]
    assert sorted(zones) == [f"us-east-1{letter}" for letter in "abc"[: ZONES[phase]]]
    assert {str(subnet["VpcId"]) for subnet in found.values()} == {str({"Ref": "Vpc"})}


def test_a_subnet_is_found_by_its_name() -> None:
    (vpc,) = resources("AWS::EC2::VPC").values()
    (tag,) = vpc["Tags"]
    assert tag == {"Key": "Name", "Value": "zebros-Servers-Network"}
    for name, subnet in resources(SUBNET).items():
        kind, zone = name.removesuffix(name[-1]).removesuffix("Subnet").lower(), name[-1].lower()
        assert subnet["Tags"] == [{"Key": "Name", "Value": f"{tag['Value']}-{kind}-{zone}"}]


def test_subnets_are_parts_of_the_network_that_do_not_overlap() -> None:
    (vpc,) = resources("AWS::EC2::VPC").values()
    whole = ipaddress.ip_network(vpc["CidrBlock"])
    assert whole.is_private
    assert vpc["EnableDnsSupport"] is vpc["EnableDnsHostnames"] is True
    blocks = [ipaddress.ip_network(one["CidrBlock"]) for one in resources(SUBNET).values()]
    assert all(block.subnet_of(whole) and block.num_addresses >= 1024 for block in blocks)
    for i, block in enumerate(blocks):
        assert not any(block.overlaps(other) for other in blocks[i + 1 :])


@pytest.mark.parametrize("phase", PHASES)
def test_a_public_subnet_reaches_the_internet_by_the_internet_gateway(phase: str) -> None:
    (gateway,) = resources("AWS::EC2::VPCGatewayAttachment", Phase=phase).values()
    assert gateway == {"VpcId": {"Ref": "Vpc"}, "InternetGatewayId": {"Ref": "InternetGateway"}}
    for name in subnets("Public", phase):
        (route,) = routes(name, phase)
        assert route["DestinationCidrBlock"] == ANYWHERE
        assert route["GatewayId"] == {"Ref": "InternetGateway"}
    assert "InternetGatewayAttachment" in system().resources["InternetRoute"].depends_on


@pytest.mark.parametrize("phase", PHASES)
def test_a_private_subnet_reaches_the_internet_only_by_a_nat_gateway(phase: str) -> None:
    """Functions are in a private subnet, where they would reach nothing without it."""
    gateways = resources("AWS::EC2::NatGateway", Phase=phase)
    figures = load("infra/network.yaml")["Mappings"]["Network"][phase]
    assert len(gateways) == NATS[phase] == figures["Nats"]
    used = set()
    for name, subnet in subnets("Private", phase).items():
        found = routes(name, phase)
        assert len(found) == (1 if NATS[phase] else 0)
        for route in found:
            assert route["DestinationCidrBlock"] == ANYWHERE
            assert "GatewayId" not in route
            nat = route["NatGatewayId"]["Ref"]
            used.add(nat)
            public = subnets("Public", phase)[gateways[nat]["SubnetId"]["Ref"]]
            if NATS[phase] == ZONES[phase]:
                assert public["AvailabilityZone"] == subnet["AvailabilityZone"], (
                    "the loss of a zone stops nothing in another"
                )
    assert used == set(gateways)


@pytest.mark.parametrize("phase", PHASES)
def test_every_nat_gateway_has_an_address_of_its_own(phase: str) -> None:
    addresses = resources("AWS::EC2::EIP", Phase=phase)
    assert len(addresses) == NATS[phase]
    allocated = []
    for name, nat in resources("AWS::EC2::NatGateway", Phase=phase).items():
        address, attribute = nat["AllocationId"]["Fn::GetAtt"]
        assert attribute == "AllocationId"
        allocated.append(address)
        after = system(Phase=phase).resources[name].depends_on
        assert {"InternetRoute", f"{nat['SubnetId']['Ref']}Routes"} <= set(after)
    assert sorted(allocated) == sorted(addresses)
    for name, address in addresses.items():
        assert address["Domain"] == "vpc"
        assert system(Phase=phase).resources[name].depends_on == ("InternetGatewayAttachment",)


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("service", ["s3", "dynamodb"])
def test_tables_and_objects_are_reached_without_a_nat_gateway_from_every_subnet(
    service: str, phase: str
) -> None:
    (endpoint,) = (
        one
        for one in resources("AWS::EC2::VPCEndpoint", Phase=phase).values()
        if one["ServiceName"] == f"com.amazonaws.us-east-1.{service}"
    )
    assert (endpoint["VpcEndpointType"], endpoint["VpcId"]) == ("Gateway", {"Ref": "Vpc"})
    tables = names(endpoint["RouteTableIds"])
    assert sorted(tables) == sorted(resources("AWS::EC2::RouteTable", Phase=phase))


def test_no_interface_endpoint_is_paid_for_beside_the_nat_gateways() -> None:
    """docs/network.md has the sum."""
    for phase in PHASES:
        kinds = {
            e["VpcEndpointType"] for e in resources("AWS::EC2::VPCEndpoint", Phase=phase).values()
        }
        assert kinds == {"Gateway"}


@pytest.mark.parametrize("phase", PHASES)
def test_functions_are_in_the_private_subnets_from_growth_on(phase: str) -> None:
    for name, function in functions(Phase=phase).items():
        if phase not in IN_VPC:
            assert "VpcConfig" not in function, name
            continue
        settings = function["VpcConfig"]
        assert names(settings["SubnetIds"]) == list(subnets("Private", phase)), name
        assert settings["SecurityGroupIds"] == [{"Ref": "FunctionsSecurityGroup"}]


@pytest.mark.parametrize("name", functions())
def test_code_of_a_function_may_manage_no_network_interface(name: str) -> None:
    """SAM grants it to every role, for the Lambda service; also before growth."""
    role = functions()[name]["Role"]["Fn::GetAtt"][0]
    managed = json.dumps(resources("AWS::IAM::Role")[role]["ManagedPolicyArns"])
    assert "AWSLambdaVPCAccessExecutionRole" in managed
    for phase in PHASES:
        denied = [
            statement
            for policy in resources("AWS::IAM::Policy", Phase=phase).values()
            if {"Ref": role} in policy["Roles"]
            for statement in policy["PolicyDocument"]["Statement"]
            if statement["Effect"] == "Deny"
        ]
        (statement,) = denied
        assert statement["Action"] == "ec2:*"
        assert statement["Resource"] == "*"
        called_by = statement["Condition"]["ArnLike"]["lambda:SourceFunctionArn"]
        assert called_by == "arn:aws:lambda:*:123456789012:function:*", (
            "calls of the Lambda service itself have no source function"
        )


def test_nothing_connects_to_a_function() -> None:
    group = resources("AWS::EC2::SecurityGroup")["FunctionsSecurityGroup"]
    assert group["VpcId"] == {"Ref": "Vpc"}
    assert "SecurityGroupIngress" not in group
    to_services, inside = group["SecurityGroupEgress"]
    assert {rule["IpProtocol"] for rule in (to_services, inside)} == {"tcp"}
    assert (to_services["FromPort"], to_services["ToPort"]) == (443, 443)
    assert to_services["CidrIp"] == ANYWHERE
    assert (inside["FromPort"], inside["ToPort"]) == (1024, 65535), "Valkey 6379, DAX 9111"
    assert inside["CidrIp"] == {"Fn::GetAtt": ["Vpc", "CidrBlock"]}
    for other in resources("AWS::EC2::SecurityGroupIngress").values():
        assert other["GroupId"] != {"Ref": "FunctionsSecurityGroup"}


@pytest.mark.parametrize("phase", PHASES)
def test_the_worker_is_in_every_public_subnet(phase: str) -> None:
    for service in resources("AWS::ECS::Service", Phase=phase).values():
        network = service["NetworkConfiguration"]["AwsvpcConfiguration"]
        if network.get("AssignPublicIp") == "ENABLED":
            assert names(network["Subnets"]) == list(subnets("Public", phase))
    group = resources("AWS::EC2::SecurityGroup", Phase=phase)["StandardWorkerEgressOnly"]
    assert group["VpcId"] == {"Ref": "Vpc"}


@pytest.mark.parametrize("phase", PHASES)
def test_the_traffic_is_logged_for_90_days(phase: str) -> None:
    (log,) = resources("AWS::EC2::FlowLog", Phase=phase).values()
    assert (log["ResourceType"], log["ResourceId"]) == ("VPC", {"Ref": "Vpc"})
    assert (log["TrafficType"], log["LogDestinationType"]) == ("ALL", "cloud-watch-logs")
    assert log["MaxAggregationInterval"] == 600, "a minute costs more"
    group = resources("AWS::Logs::LogGroup", Phase=phase)[log["LogGroupName"]["Ref"]]
    assert group["RetentionInDays"] == 90
    role = resources("AWS::IAM::Role", Phase=phase)[
        log["DeliverLogsPermissionArn"]["Fn::GetAtt"][0]
    ]
    (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "vpc-flow-logs.amazonaws.com"}
    assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": "123456789012"}}
    (policy,) = role["Policies"]
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert statement["Resource"] == {"Fn::GetAtt": [log["LogGroupName"]["Ref"], "Arn"]}
    actions = {"logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"}
    assert set(listed(statement["Action"])) == actions


def vpcs(**parameters: str) -> System:
    return resolve(ROOT / "template.yaml", DOMAIN | parameters)


def test_there_is_one_network_and_only_when_something_is_in_it() -> None:
    for phase in PHASES:
        without_worker = vpcs(Phase=phase, WorkerImage="").of_type("AWS::EC2::VPC")
        assert len(without_worker) == (1 if phase in IN_VPC else 0)
        assert len(vpcs(Phase=phase, WorkerImage="w:1").of_type("AWS::EC2::VPC")) == 1


def test_the_local_platform_has_no_network() -> None:
    local = resolve(
        ROOT / "template.yaml",
        {**DOMAIN, "Phase": "enterprise", "WorkerImage": "w:1"},
        account=Account(account_id="000000000000"),
    )
    assert not [name for name, one in local.resources.items() if one.type.startswith("AWS::EC2::")]
    for name, function in local.of_type("AWS::Lambda::Function").items():
        assert "VpcConfig" not in function, name


@pytest.mark.parametrize("phase", PHASES)
def test_other_stacks_find_the_subnets_of_every_zone_in_the_outputs(phase: str) -> None:
    outputs = resolve(ROOT / "infra" / "network.yaml", {"Phase": phase}).outputs
    assert outputs["VpcId"] == {"Ref": "Vpc"}
    assert outputs["FunctionsSecurityGroupId"] == {"Ref": "FunctionsSecurityGroup"}
    for kind in ("Public", "Private"):
        wanted = ",".join(f"${{{name}}}" for name in subnets(kind, phase))
        assert outputs[f"{kind}SubnetIds"] == {"Fn::Sub": wanted}


@pytest.mark.parametrize("zone", ["", "Berlin", "europe/berlin", "UTC+2"])
def test_what_is_no_time_zone_is_rejected(zone: str) -> None:
    with pytest.raises(TemplateError, match="such as Europe/Berlin"):
        vpcs(BusinessTimeZone=zone)
