"""Every reference leads to the kind of resource, and to the attribute, that its property needs."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.template.stack import (
    ROOT,
    functions,
    listed,
    load,
    resources,
    statements,
    system,
    templates,
)
from zebros.cloudformation import Account, resolve
from zebros.cloudformation.checks import dicts
from zebros.cloudformation.texts import pieces_of

BUCKET, BUS, LOGS, QUEUE, ROLE, TABLE = (
    "AWS::S3::Bucket",
    "AWS::Events::EventBus",
    "AWS::Logs::LogGroup",
    "AWS::SQS::Queue",
    "AWS::IAM::Role",
    "AWS::DynamoDB::GlobalTable",
)
FUNCTION, MACHINE = "AWS::Lambda::Function", "AWS::StepFunctions::StateMachine"
ROLE_ARN = {(ROLE, "Arn")}
SUBNET, GROUP = {("AWS::EC2::Subnet", "Ref")}, {("AWS::EC2::SecurityGroup", "GroupId")}
LEADS_TO: dict[str, set[tuple[str, str]]] = {
    "ApiId": {("AWS::ApiGatewayV2::Api", "Ref")},
    "AuthorizerId": {("AWS::ApiGatewayV2::Authorizer", "Ref")},
    "Bucket": {(BUCKET, "Ref")},
    "CloudWatchRoleArn": ROLE_ARN,
    "Cluster": {("AWS::ECS::Cluster", "Ref"), ("AWS::ECS::Cluster", "Arn")},
    "DeploymentId": {("AWS::ApiGateway::Deployment", "Ref")},
    "DBClusterIdentifier": {("AWS::RDS::DBCluster", "Ref")},
    "DBClusterParameterGroupName": {("AWS::RDS::DBClusterParameterGroup", "Ref")},
    "DBSubnetGroupName": {("AWS::RDS::DBSubnetGroup", "Ref")},
    "DestinationArn": {(LOGS, "Arn")},
    "EventBusName": {(BUS, "Ref")},
    "EventSourceArn": {(QUEUE, "Arn"), (TABLE, "StreamArn")},
    "ExecutionRoleArn": ROLE_ARN,
    "FunctionName": {(FUNCTION, "Ref"), (FUNCTION, "Arn"), ("AWS::Lambda::Alias", "Ref")},
    "GatewayId": {("AWS::EC2::InternetGateway", "Ref")},
    "InternetGatewayId": {("AWS::EC2::InternetGateway", "Ref")},
    "ListenerArn": {("AWS::ElasticLoadBalancingV2::Listener", "Ref")},
    "LoadBalancerArn": {("AWS::ElasticLoadBalancingV2::LoadBalancer", "Ref")},
    "Layers": {("AWS::Lambda::LayerVersion", "Ref")},
    "Queues": {(QUEUE, "Ref")},
    "RestApiId": {("AWS::ApiGateway::RestApi", "Ref")},
    "Role": ROLE_ARN,
    "RoleArn": ROLE_ARN,
    "Roles": {(ROLE, "Ref")},
    "RouteTableId": {("AWS::EC2::RouteTable", "Ref")},
    "RouteTableIds": {("AWS::EC2::RouteTable", "Ref")},
    "ScalingTargetId": {("AWS::ApplicationAutoScaling::ScalableTarget", "Ref")},
    "SecurityGroupIds": GROUP | {("AWS::EC2::SecurityGroup", "Ref")},
    "SecurityGroups": GROUP | {("AWS::EC2::SecurityGroup", "Ref")},
    "SubnetId": SUBNET,
    "SubnetIds": SUBNET,
    "Subnets": SUBNET,
    "TaskDefinition": {("AWS::ECS::TaskDefinition", "Ref")},
    "TaskRoleArn": ROLE_ARN,
    "VpcId": {("AWS::EC2::VPC", "Ref")},
    "awslogs-group": {(LOGS, "Ref")},
    "deadLetterTargetArn": {(QUEUE, "Arn")},
}
"""The type and attribute (or Ref) that the reference of a property leads to."""
ELSEWHERE = {
    ("AWS::ApiGateway::UsagePlan", "ApiId"): {("AWS::ApiGateway::RestApi", "Ref")},
    ("AWS::CloudFront::Distribution", "Bucket"): {(BUCKET, "RegionalDomainName")},
}
"""The same for properties that lead to something else in resources of one type."""
FENCE = "FENCE_TABLE_NAME"
"""Empty in a system with one region (test_fence.py)."""
OF_VARIABLES = {
    "_?TABLE_NAME": {(TABLE, "Ref")},
    "_BUCKET": {(BUCKET, "Ref")},
    "BUS_NAME": {(BUS, "Ref")},
    "QUEUE_URL": {(QUEUE, "Ref")},
    "SECRET_ARN": {("AWS::SecretsManager::Secret", "Ref")},
    "STATE_MACHINE_ARN": {(MACHINE, "Ref")},
    "SOCKET_ENDPOINT": {("AWS::ApiGatewayV2::Api", "Ref")},
}
"""The same for environment variables, by the end of their name."""


TABLES = {table["TableName"]: name for name, table in resources(TABLE).items()}
"""The tables' logical ids by their names, which the templates fix."""
TABLE_ARN = re.compile(r"arn:aws:dynamodb:us-east-1:123456789012:table/([\w-]+)(/index/\*)?")


def references(value: Any) -> Iterator[tuple[str, str]]:
    """The logical id and attribute (or Ref) of every reference inside of a value."""
    match value:
        case str() if value in TABLES:
            yield TABLES[value], "Ref"
        case str() if (arn := TABLE_ARN.fullmatch(value)) and arn[1] in TABLES:
            yield TABLES[arn[1]], "Arn"
        case {"Ref": str(name)}:
            yield name, "Ref"
        case {"Fn::GetAtt": [str(name), str(attribute)]}:
            yield name, attribute
        case {"Fn::Sub": str()}:
            for piece in pieces_of(value):
                yield from references(piece) if isinstance(piece, dict) else ()
        case dict():
            for one in value.values():
                yield from references(one)
        case list():
            for one in value:
                yield from references(one)


def targets(value: Any) -> set[tuple[str, str]]:
    """The type and attribute (or Ref) to which each reference leads."""
    return {
        (system().resources[name].type, attribute)
        for name, attribute in references(value)
        if name in system().resources
    }


@pytest.mark.parametrize("name", system().resources)
def test_a_reference_leads_to_the_kind_of_resource_that_the_property_needs(name: str) -> None:
    resource = system().resources[name]
    for part in dicts(resource.properties):
        for key, usual in LEADS_TO.items():
            wanted = ELSEWHERE.get((resource.type, key), usual)
            if isinstance(part.get(key), dict | list):
                assert targets(part[key]) <= wanted, key


@pytest.mark.parametrize("name", functions())
def test_a_variable_has_the_kind_of_value_that_its_name_says(name: str) -> None:
    variables = functions()[name].get("Environment", {}).get("Variables", {})
    for variable, value in variables.items():
        for ending, wanted in OF_VARIABLES.items():
            if re.search(f"{ending}$", variable) and variable != FENCE:
                assert targets(value) == wanted, variable


OF_DIMENSIONS = {
    "ClusterName": {("AWS::ECS::Cluster", "Ref")},
    "FunctionName": {(FUNCTION, "Ref")},
    "QueueName": {(QUEUE, "QueueName")},
    "ServiceName": {("AWS::ECS::Service", "Name")},
    "StateMachineArn": {(MACHINE, "Ref")},
    "TableName": {(TABLE, "Ref")},
}


def test_a_dimension_of_a_metric_has_the_value_that_its_name_says() -> None:
    for name, resource in system().resources.items():
        for part in dicts(resource.properties):
            for dimension in part.get("Dimensions", []):
                if isinstance(dimension["Value"], dict) and dimension["Name"] in OF_DIMENSIONS:
                    wanted = OF_DIMENSIONS[dimension["Name"]]
                    assert targets(dimension["Value"]) == wanted, (name, dimension)


@pytest.mark.parametrize("name", functions())
def test_what_a_function_s_role_says_is_a_permission(name: str) -> None:
    assert {statement["Effect"] for statement in statements(name)} <= {"Allow"}


def test_the_rest_api_has_the_name_of_the_system_in_its_document() -> None:
    assert resources("AWS::ApiGateway::RestApi")["Api"]["Body"]["info"]["title"] == "zebros"


def named(value: Any) -> set[str]:
    """The resources that are named inside of a value."""
    return {name for name, _ in references(value)}


WITHOUT_PERMISSION = {"CACHE_ENDPOINT", "STANDARD_QUEUE_URL", "ANALYTICS_QUEUE_URL"}
WITHOUT_PERMISSION |= {"IMPORT_QUEUE_URL"}
"""A password opens the cache; the state machine, not the function, sends to the queues."""


@pytest.mark.parametrize("name", functions())
def test_a_function_may_use_exactly_what_its_environment_and_its_sources_name(name: str) -> None:
    variables = functions()[name].get("Environment", {}).get("Variables", {})
    found = named([v for key, v in variables.items() if key not in WITHOUT_PERMISSION])
    for mapping in resources("AWS::Lambda::EventSourceMapping").values():
        if named(mapping["FunctionName"]) == {name}:
            found |= named(mapping["EventSourceArn"]) | named(mapping.get("DestinationConfig", {}))
    allowed = named([one["Resource"] for one in statements(name)])
    assert allowed == found


@pytest.mark.parametrize("name", functions())
def test_a_function_with_lists_reads_the_indexes_of_each_of_its_tables(name: str) -> None:
    for statement in statements(name):
        if "dynamodb:Query" in listed(statement["Action"]):
            found = set(listed(statement["Resource"]))
            whole = {one.removesuffix("/index/*") for one in found}
            assert found in (whole, whole | {f"{table}/index/*" for table in whole})


CONTEXTS = ("Customers", "Opportunities", "Activities", "Reporting", "Imports", "Notifications")


@pytest.mark.parametrize("context", CONTEXTS)
def test_a_context_s_variables_name_its_own_resources(context: str) -> None:
    tables = {"CONTACTS_TABLE_NAME": "ContactsTable"}
    for name, function in functions().items():
        if not name.startswith(context):
            continue
        for variable, value in function.get("Environment", {}).get("Variables", {}).items():
            if variable.endswith("TABLE_NAME") and variable != FENCE:
                assert named(value) == {tables.get(variable, f"{context}Table")}, name
            elif variable == "QUEUE_URL":
                assert value == {"Ref": f"{name}Queue"}, name


def test_the_lake_and_the_files_are_not_mixed_up() -> None:
    for name, function in functions().items():
        for variable, value in function.get("Environment", {}).get("Variables", {}).items():
            if variable in ("LAKE_BUCKET", "FILES_BUCKET"):
                assert value == {"Ref": f"{variable.split('_')[0].capitalize()}Bucket"}, name


def test_a_bucket_s_policy_protects_that_bucket_and_what_is_in_it() -> None:
    for name, policy in resources("AWS::S3::BucketPolicy").items():
        bucket = policy["Bucket"]["Ref"]
        assert name.startswith(bucket)
        for statement in policy["PolicyDocument"]["Statement"]:
            assert named(statement["Resource"]) <= {bucket}, name


ARN = re.compile(
    r"arn:aws:(?P<service>[a-z0-9-]+):(?P<region>us-east-1|\*)?:(?P<account>\d{12}|aws|lambda)?:.+"
)
WITHOUT_REGION = {"iam", "s3", "route53", "cloudfront"}


def test_every_arn_is_one() -> None:
    """Partition, region and account are in their places; services without a region have none."""
    for name, resource in system().resources.items():
        for text in texts(resource.properties):
            if not text.startswith("arn:") or text.startswith("arn:aws:states:::"):
                continue  # Step Functions' own integrations have neither region nor account
            found = ARN.fullmatch(text)
            assert found, f"{name}: {text}"
            assert bool(found["region"]) == (found["service"] not in WITHOUT_REGION), text
            if found["service"] == "apigateway":
                called, stage = "lambda:path/2015-03-31/functions/", ":/restapis/${Api}/stages/"
                assert text.partition("us-east-1:")[2].startswith((called, stage)), text
            elif found["service"] == "execute-api":
                assert found["account"] == "123456789012", text
            elif found["service"] == "s3":
                assert not found["account"], text


def test_every_resource_of_a_role_s_permission_is_an_arn() -> None:
    found = system().resources
    ref_is_arn = {"AWS::SecretsManager::Secret", "AWS::StepFunctions::StateMachine"}
    ref_is_arn.add("AWS::Lambda::Alias")
    for name, resource in found.items():
        policies = [resource.properties] if resource.type == "AWS::IAM::Policy" else []
        if resource.type == "AWS::IAM::Role":
            policies = resource.properties.get("Policies", [])
        for statement in (one for p in policies for one in p["PolicyDocument"]["Statement"]):
            for one in listed(statement["Resource"]):
                match one:
                    case {"Ref": str(other)}:
                        assert found[other].type in ref_is_arn, f"{name}: {one}"
                    case {"Fn::GetAtt": [_, attribute]}:
                        assert attribute in ("Arn", "StreamArn"), f"{name}: {one}"
                    case {"Fn::Sub": str(text)} | str(text):
                        assert text.startswith(
                            ("arn:aws:", "${LakeBucket.Arn}", "${FilesBucket.Arn}", "*")
                        )
                    case _:
                        pytest.fail(f"{name}: {one}")


def texts(value: Any) -> Iterator[str]:
    """Every text inside of a value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from texts(one)


def test_a_lambda_integration_calls_a_function() -> None:
    for name, resource in system().resources.items():
        for text in texts(resource.properties):
            if "/2015-03-31/functions/" in text:
                called = re.search(r"functions/\$\{(\w+)Aliaslive\}/invocations$", text)
                assert called, f"{name}: {text}"
                assert called[1] in functions(), name


def test_hosts_are_in_the_region_and_names_begin_with_the_system_s() -> None:
    for name, resource in system().resources.items():
        for text in texts(resource.properties):
            if "execute-api" in text and "://" in text:
                assert text.partition(".execute-api.")[2].startswith("us-east-1.amazonaws.com/")
            if text.startswith("com.amazonaws."):
                assert text.startswith("com.amazonaws.us-east-1."), name


NAMED = {
    "Bus": ("Name", "zebros-events"),
    "BusArchive": ("ArchiveName", "zebros-events"),
    "Api": ("Name", "zebros"),
    "Socket": ("Name", "zebros-live"),
}


@pytest.mark.parametrize("name", NAMED)
def test_shared_resources_have_the_name_of_the_root_stack(name: str) -> None:
    """Two systems in one account do not collide, and people find a system's bus by its name."""
    key, wanted = NAMED[name]
    assert system().resources[name].properties[key] == wanted


def test_the_archive_keeps_the_events_of_the_bus() -> None:
    archive = system().resources["BusArchive"].properties
    assert archive["SourceArn"] == {"Fn::GetAtt": ["Bus", "Arn"]}
    assert archive["RetentionDays"] == 365


def test_the_outputs_lead_to_what_their_names_say() -> None:
    outputs = system(Phase="startup").outputs
    wanted = {
        "ApiUrl": {"Fn::Sub": "https://${Api}.execute-api.us-east-1.amazonaws.com/v1"},
        "SocketUrl": {"Fn::Sub": "wss://${Socket}.execute-api.us-east-1.amazonaws.com/live"},
        "BusName": {"Ref": "Bus"},
        "ArchiveName": {"Ref": "BusArchive"},
        "LakeBucketName": {"Ref": "LakeBucket"},
        "FilesBucketName": {"Ref": "FilesBucket"},
        "ReportTasksQueueUrl": {"Ref": "ReportTasksQueue"},
        "ReportFlowArn": {"Ref": "ReportFlow"},
    }
    assert {name: outputs[name] for name in wanted} == wanted


def test_the_socket_s_routes_call_its_function_after_the_authorizer() -> None:
    found = system().resources
    assert "${NotificationsSocketAliaslive}" in str(found["SocketIntegration"].properties)
    assert "${AuthorizerAliaslive}" in str(found["SocketAuthorizer"].properties)
    for route in resources("AWS::ApiGatewayV2::Route").values():
        assert route["Target"] == {"Fn::Sub": "integrations/${SocketIntegration}"}
    arn = "arn:aws:execute-api:us-east-1:123456789012:${Socket}/"
    permitted = {
        "SocketPermission": ("NotificationsSocketAliaslive", f"{arn}*"),
        "SocketAuthorizerPermission": (
            "AuthorizerAliaslive",
            f"{arn}authorizers/${{SocketAuthorizer}}",
        ),
    }
    for name, (function, source) in permitted.items():
        permission = found[name].properties
        assert named(permission["FunctionName"]) == {function}
        assert permission["SourceArn"] == {"Fn::Sub": source}
    used = {route["RouteKey"] for route in resources("AWS::ApiGatewayV2::Route").values()}
    assert used == {"$connect", "$disconnect", "$default"}


def test_the_authorizer_knows_issuer_and_audience() -> None:
    variables = functions(IdentityImage="", IssuerBase="https://a.b/", Audience="me")["Authorizer"][
        "Environment"
    ]
    assert variables["Variables"]["ISSUER_BASE"] == "https://a.b/"
    assert variables["Variables"]["AUDIENCE"] == "me"


def test_a_nested_stack_has_no_output_that_nothing_uses() -> None:
    """Operators read two: docs/identity.md says what their own DNS records are to lead to."""
    outputs: set[tuple[str, str]] = set()
    used: set[tuple[str, str]] = set()
    for template in templates():
        text = str(load(template))
        for name, child in nested(template).items():
            for output in load(child).get("Outputs", {}):
                outputs.add((child, output))
                wanted = f"'{name}', 'Outputs.{output}'", f"${{{name}.Outputs.{output}}}"
                if any(one in text for one in wanted):
                    used.add((child, output))
    assert outputs - used == {
        ("infra/identity.yaml", "LoadBalancerZoneId"),
        ("infra/distribution.yaml", "IdentityDistributionDomain"),
    }


def test_the_outputs_that_operators_read_name_what_they_say() -> None:
    """Their own DNS records lead there (docs/identity.md)."""
    outputs = load("infra/distribution.yaml")["Outputs"]
    assert outputs["IdentityDistributionDomain"]["Value"] == {
        "Fn::GetAtt": ["IdentityDistribution", "DomainName"]
    }
    zone = load("infra/identity.yaml")["Outputs"]["LoadBalancerZoneId"]["Value"]
    assert zone == {"Fn::GetAtt": ["KeycloakBalancer", "CanonicalHostedZoneID"]}


def nested(template: str) -> dict[str, str]:
    """The templates of the stacks that a template contains, by logical id."""
    return {
        name: str((ROOT / template).parent.joinpath(one).resolve().relative_to(ROOT))
        for name, resource in load(template)["Resources"].items()
        for key in ("Location", "TemplateURL")
        if isinstance(one := resource.get("Properties", {}).get(key), str)
    }


def test_the_local_platform_has_no_access_logs() -> None:
    laptop = resolve(
        ROOT / "template.yaml", {"Phase": "mvp"}, account=Account(account_id="000000000000")
    ).resources
    of_logs = {"ApiAccessLogs", "SocketAccessLogs", "ApiLogging", "ApiLoggingRole"}
    assert not of_logs & set(laptop)
    assert of_logs <= set(system().resources)


def test_access_logs_are_in_the_api_s_own_group() -> None:
    found = system().resources
    stage = found["Apiv1Stage"].properties["AccessLogSetting"]
    assert stage["DestinationArn"] == {"Fn::GetAtt": ["ApiAccessLogs", "Arn"]}
    socket = found["SocketStage"].properties["AccessLogSettings"]
    assert socket["DestinationArn"] == {"Fn::GetAtt": ["SocketAccessLogs", "Arn"]}
    assert found["ApiLogging"].deletion_policy == found["ApiLoggingRole"].deletion_policy
    for name in ("ApiLogging", "ApiLoggingRole"):
        policies = (found[name].deletion_policy, found[name].update_replace_policy)
        assert policies == ("Retain", "Retain"), "the whole account's API logs use it"


def test_parts_of_the_report_s_flow_lead_to_each_other() -> None:
    flow = system().resources["ReportFlow"].properties
    called = [{"Fn::GetAtt": [name, "Arn"]} for name in ("ReportingSteps", "ReportingAnalytics")]
    queues = [{"Fn::GetAtt": [f"Report{name}Queue", "Arn"]} for name in ("Tasks", "Analytics")]
    assert flow["DefinitionSubstitutions"] == {
        "StepsFunctionArn": called[0],
        "AnalyticsFunctionArn": called[1],
    }
    role = system().resources[flow["RoleArn"]["Fn::GetAtt"][0]].properties
    allowed = {
        s["Action"]: s["Resource"]
        for p in role["Policies"]
        for s in p["PolicyDocument"]["Statement"]
    }
    assert allowed["lambda:InvokeFunction"] == called
    assert allowed["sqs:SendMessage"] == queues
    assert flow["TracingConfiguration"] == {"Enabled": True}


def test_the_flow_of_imports_is_traced_too() -> None:
    """test_workers.py has its function and its queues."""
    flow = system().resources["ImportFlow"].properties
    assert flow["TracingConfiguration"] == {"Enabled": True}


def test_every_permission_to_call_is_for_api_gateway() -> None:
    for name, permission in resources("AWS::Lambda::Permission").items():
        assert permission["Principal"] == "apigateway.amazonaws.com", name
        assert permission["Action"] == "lambda:InvokeFunction", name


def test_only_the_bus_may_send_to_a_consumer_s_queues() -> None:
    policies = resources("AWS::SQS::QueuePolicy")
    rules = {one.removesuffix("Rule") for one in resources("AWS::Events::Rule")}
    consumers = {one for one in rules if f"{one}Queue" in resources(QUEUE)}
    assert {one.removesuffix("QueuePolicy") for one in policies} == consumers
    assert len(consumers) == 9
    for name, policy in policies.items():
        consumer = name.removesuffix("QueuePolicy")
        queues = {f"{consumer}Queue", f"{consumer}DeadLetters"}
        (statement,) = policy["PolicyDocument"]["Statement"]
        assert named(policy["Queues"]) == named(statement["Resource"]) == queues
        assert (statement["Effect"], statement["Action"]) == ("Allow", "sqs:SendMessage")
        assert statement["Principal"] == {"Service": "events.amazonaws.com"}
        rule = {"Fn::GetAtt": [f"{consumer}Rule", "Arn"]}
        assert statement["Condition"] == {"ArnEquals": {"aws:SourceArn": rule}}


def test_a_relay_s_sources_wait_for_their_rights_and_the_function_s_log() -> None:
    """A mapping of a stream is refused while the function's role may not read the stream."""
    found = {
        name: one.depends_on
        for name, one in system().resources.items()
        if name.endswith(("RelaySource", "RelaySecondSource"))
    }
    assert len(found) == 8
    for name, names in found.items():
        relay = name.removesuffix("SecondSource").removesuffix("Source")
        assert names == (f"{relay}ReadStreams", f"{relay}Logs")


def test_a_queue_s_failures_go_to_its_own_dead_letter_queue() -> None:
    for name, queue in resources(QUEUE).items():
        if "RedrivePolicy" in queue:
            dead = f"{name.removesuffix('Queue')}DeadLetters"
            assert queue["RedrivePolicy"]["deadLetterTargetArn"] == {"Fn::GetAtt": [dead, "Arn"]}


def test_a_figure_is_the_same_in_every_template() -> None:
    found: dict[tuple[str, str, str], Any] = {}
    for path in templates():
        for name, keys in load(path).get("Mappings", {}).items():
            for key, figures in keys.items():
                for figure, value in figures.items():
                    assert found.setdefault((name, key, figure), value) == value, path


def test_every_role_is_assumed_by_a_service_and_its_policies_allow() -> None:
    for name, role in resources(ROLE).items():
        (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
        assert (trust["Effect"], listed(trust["Action"])) == ("Allow", ["sts:AssumeRole"]), name
        for policy in role.get("Policies", []):
            effects = {one["Effect"] for one in policy["PolicyDocument"]["Statement"]}
            assert effects == {"Allow"}, name


def test_the_workers_scale_by_the_queue_they_read() -> None:
    queues = {"StandardWorker": "ReportTasksQueue", "AnalyticsWorker": "ReportAnalyticsQueue"}
    queues["ImportWorker"] = "ImportTasksQueue"
    policies = resources("AWS::ApplicationAutoScaling::ScalingPolicy")
    for service, queue in queues.items():
        metrics = {
            dimension["Name"]: dimension["Value"]
            for part in dicts(policies[f"{service}BacklogScaling"])
            for dimension in part.get("Dimensions", [])
        }
        assert metrics["QueueName"] == {"Fn::GetAtt": [queue, "QueueName"]}
        assert metrics["ServiceName"] == {"Fn::GetAtt": [f"{service}Service", "Name"]}
