"""Required of every template: encryption, least privilege, dead-letter queues, retention."""

import json
import re
from typing import Any

import pytest

from tests.template.stack import (
    functions,
    listed,
    load,
    resources,
    statements,
    system,
    templates,
)

TEMPLATES = (*templates(), "examples/subscriber/template.yaml")
TABLES = resources("AWS::DynamoDB::GlobalTable")
QUEUES = resources("AWS::SQS::Queue")
MAPPINGS = resources("AWS::Lambda::EventSourceMapping")


def mappings_of(name: str) -> list[dict[str, Any]]:
    return [m for m in MAPPINGS.values() if m["FunctionName"] == {"Ref": name}]


def slowest_mappings_of(name: str) -> list[dict[str, Any]]:
    """The mappings of a function when every parameter makes them wait as long as possible."""
    longest = str(load("template.yaml")["Parameters"]["LakeFlushSeconds"]["MaxValue"])
    found = resources("AWS::Lambda::EventSourceMapping", LakeFlushSeconds=longest).values()
    return [m for m in found if m["FunctionName"] == {"Ref": name}]


def all_statements(name: str) -> list[tuple[str, dict[str, Any]]]:
    found = []
    for logical_id, resource in load(name)["Resources"].items():
        properties = resource.get("Properties", {})
        policies = whichever(properties.get("Policies", []))
        groups = [p.get("PolicyDocument", p) for p in policies]
        groups.append(properties.get("PolicyDocument", {}))
        groups.append(properties.get("AssumeRolePolicyDocument", {}))
        found += [(logical_id, s) for g in groups for s in whichever(g.get("Statement", []))]
    return found


def whichever(values: Any) -> list[dict[str, Any]]:
    """The members of a list, also those that a condition decides about."""
    found: list[dict[str, Any]] = []
    for one in listed(values):
        branches = one["Fn::If"][1:] if "Fn::If" in one else [one]
        found += [branch for branch in branches if branch != {"Ref": "AWS::NoValue"}]
    return found


OF_NO_RESOURCE = {
    "application-autoscaling:DescribeScalableTargets",
    "application-autoscaling:DescribeScheduledActions",
    "cloudwatch:GetMetricData",
}
"""Actions that read, and for which AWS knows no rights for single resources."""


@pytest.mark.parametrize("name", TEMPLATES)
def test_no_statement_allows_every_action_or_resource(name: str) -> None:
    for logical_id, statement in all_statements(name):
        if statement["Effect"] == "Deny":
            continue  # forbidding everything is fine
        for resource in listed(statement.get("Resource", [])):
            named = set(listed(statement["Action"])) <= OF_NO_RESOURCE
            assert (resource == "*") == named, logical_id
        for action in listed(statement["Action"]):
            assert "*" not in action, f"{logical_id}: {action}"


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_encrypted_recoverable_and_expires_temporary_items(name: str) -> None:
    table = TABLES[name]
    assert table["SSESpecification"]["SSEEnabled"] is True
    for replica in table["Replicas"]:
        assert replica["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] is True
    assert table["StreamSpecification"] == {"StreamViewType": "NEW_AND_OLD_IMAGES"}
    assert table["TimeToLiveSpecification"] == {"AttributeName": "ttl", "Enabled": True}
    whole = system().resources[name]
    assert whole.deletion_policy == whole.update_replace_policy == "Retain"


@pytest.mark.parametrize("name", resources("AWS::S3::Bucket"))
def test_a_bucket_is_private_encrypted_and_tls_only(name: str) -> None:
    bucket = resources("AWS::S3::Bucket")[name]
    assert all(bucket["PublicAccessBlockConfiguration"].values())
    assert bucket["BucketEncryption"]
    (policy,) = [
        p for p in resources("AWS::S3::BucketPolicy").values() if p["Bucket"] == {"Ref": name}
    ]
    deny, *others = policy["PolicyDocument"]["Statement"]
    assert all("Service" in allowed["Principal"] for allowed in others), "AWS's own services only"
    assert (deny["Effect"], deny["Action"]) == ("Deny", "s3:*")
    assert deny["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert len(deny["Resource"]) == 2, "the bucket and what is in it"
    assert system().resources[name].deletion_policy == "Retain"


def test_every_queue_that_feeds_a_consumer_has_a_dead_letter_queue() -> None:
    for name, queue in QUEUES.items():
        if name.endswith("DeadLetters"):
            assert queue["MessageRetentionPeriod"] == 1209600, "14 days to notice and redrive"
            continue
        redrive = queue["RedrivePolicy"]
        (dead, _) = redrive["deadLetterTargetArn"]["Fn::GetAtt"]
        assert dead in QUEUES, name
        assert dead.endswith("DeadLetters")
        assert 2 <= redrive["maxReceiveCount"] <= 10


@pytest.mark.parametrize("name", QUEUES)
def test_a_queue_is_encrypted(name: str) -> None:
    assert QUEUES[name]["SqsManagedSseEnabled"] is True


@pytest.mark.parametrize("name", functions())
def test_an_asynchronous_function_has_a_dead_letter_queue(name: str) -> None:
    function = functions()[name]
    assert "Events" not in function, (
        "sources get a mapping of their own: SAM would let them read all queues"
    )
    for mapping in mappings_of(name):
        assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
        source, attribute = mapping["EventSourceArn"]["Fn::GetAtt"]
        if attribute == "StreamArn":
            target = mapping["DestinationConfig"]["OnFailure"]["Destination"]
            assert target["Fn::GetAtt"] == [f"{name}DeadLetters", "Arn"]
            # The relay itself finds the queue by this name (kernel/messaging/set_aside.py).
            named = {"Fn::Sub": f"${{{name}}}-dead-letters"}
            assert QUEUES[f"{name}DeadLetters"]["QueueName"] == named
            assert mapping["BisectBatchOnFunctionError"] is True
            assert 0 < mapping["MaximumRetryAttempts"] <= 300, "one record must not block a shard"
            # A stream keeps records for a day; the rest of it is for `zebros events redrive`.
            assert mapping["MaximumRecordAgeInSeconds"] <= 12 * 3600
        else:
            assert "RedrivePolicy" in QUEUES[source]


def test_only_the_events_of_every_table_are_relayed() -> None:
    relayed = []
    for mapping in MAPPINGS.values():
        source, attribute = mapping["EventSourceArn"]["Fn::GetAtt"]
        if attribute == "StreamArn":
            relayed.append(source)
            (found,) = mapping["FilterCriteria"]["Filters"]
            pattern = json.loads(found["Pattern"])
            assert pattern["eventName"] == ["INSERT"]
            assert pattern["dynamodb"]["Keys"]["sk"]["S"] == [{"prefix": "EVENT#"}]
            assert mapping["StartingPosition"] == "TRIM_HORIZON", "LATEST would skip events"
            # Parallel batches keep the order of one item (pk and sk), but every event is a
            # separate item, so two events of one record could overtake each other.
            assert mapping.get("ParallelizationFactor", 1) == 1
    assert sorted(relayed) == sorted(TABLES.keys() - {"EdgeTable"}), "the registry has no events"


def test_a_message_stays_invisible_longer_than_its_function_may_run() -> None:
    for name, function in functions().items():
        for mapping in slowest_mappings_of(name):
            source, _ = mapping["EventSourceArn"]["Fn::GetAtt"]
            if source in QUEUES:
                window = mapping.get("MaximumBatchingWindowInSeconds", 0)
                needed = 6 * function["Timeout"] + window
                assert QUEUES[source]["VisibilityTimeout"] >= needed, name


def test_only_relays_put_events_with_their_own_source() -> None:
    speakers = {}
    for name in functions():
        for statement in statements(name):
            if "events:PutEvents" in listed(statement["Action"]):
                # The key has one value per entry: all must match, and one must exist.
                assert statement["Condition"]["Null"] == {"events:source": "false"}
                each = statement["Condition"]["ForAllValues:StringEquals"]
                speakers[name] = each["events:source"]
                assert statement["Resource"] == {"Fn::GetAtt": ["Bus", "Arn"]}
    contexts = (
        *("customers", "opportunities", "activities", "reporting", "imports", "notifications"),
        "scaling",
    )
    assert speakers == {f"{c.capitalize()}Relay": f"zebros.{c}" for c in contexts}


def test_the_bus_takes_events_from_relays_only() -> None:
    """Whatever rights another role of the account has; a missing tag is not equal to "yes"."""
    policy = resources("AWS::Events::EventBusPolicy")["BusPolicy"]
    assert policy == {
        "EventBusName": {"Ref": "Bus"},
        "StatementId": "only-relays-publish",
        "Statement": {
            "Effect": "Deny",
            "Principal": "*",
            "Action": "events:PutEvents",
            "Resource": "arn:aws:events:us-east-1:123456789012:event-bus/zebros-events",
            "Condition": {"StringNotEquals": {"aws:PrincipalTag/publishes-events": "yes"}},
        },
    }
    given = resources("AWS::Events::EventBusPolicy", ExistingBus="yes", ReplicaRegion="")
    assert given["BusPolicy"] == policy | {"EventBusName": "zebros-events"}
    tag = {"Key": "publishes-events", "Value": "yes"}
    tagged = {
        name for name, role in resources("AWS::IAM::Role").items() if tag in role.get("Tags", [])
    }
    contexts = (
        *("Customers", "Opportunities", "Activities", "Reporting", "Imports", "Notifications"),
        "Scaling",
    )
    assert tagged == {f"{context}RelayRole" for context in contexts}


def test_a_function_reaches_only_the_tables_of_its_own_context() -> None:
    own = {"Customers": {"CustomersTable", "ContactsTable"}, "": {"EdgeTable"}}
    for name in functions():
        found = re.findall(r":table/([\w-]+)", json.dumps(statements(name)))
        assert set(found) <= {table["TableName"] for table in TABLES.values()}, name
        reached = {table for table in TABLES if TABLES[table]["TableName"] in found}
        context = next(
            (
                c
                for c in (
                    *("Customers", "Opportunities", "Activities"),
                    *("Reporting", "Imports", "Notifications", "Scaling"),
                )
                if name.startswith(c)
            ),
            "",
        )
        assert reached <= own.get(context, {f"{context}Table"}), name


def test_no_function_may_scan() -> None:
    for name in TEMPLATES:
        assert "dynamodb:Scan" not in json.dumps(load(name))


def test_every_function_keeps_its_logs_for_ninety_days() -> None:
    kept = {
        str(group["LogGroupName"]["Fn::Sub"]): group["RetentionInDays"]
        for group in resources("AWS::Logs::LogGroup").values()
        if "Fn::Sub" in group.get("LogGroupName", ())
    }
    for name in functions():
        assert kept[f"/aws/lambda/${{{name}}}"] == 90


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_log_group_has_a_retention(name: str) -> None:
    for logical_id, resource in load(name)["Resources"].items():
        if resource["Type"] == "AWS::Logs::LogGroup":
            assert resource["Properties"]["RetentionInDays"] == 90, logical_id


def test_the_api_has_one_stage() -> None:
    (stage,) = resources("AWS::ApiGateway::Stage").values()
    assert stage["StageName"] == "v1"


def test_every_route_uses_the_authorizer_unless_it_is_public() -> None:
    body = resources("AWS::ApiGateway::RestApi")["Api"]["Body"]
    token = body["securityDefinitions"]["Token"]
    assert (token["in"], token["name"]) == ("header", "Authorization")
    authorizer = token["x-amazon-apigateway-authorizer"]
    assert authorizer["type"] == "token"
    assert authorizer["authorizerResultTtlInSeconds"] == 300
    assert "/functions/${AuthorizerAliaslive}/invocations" in authorizer["authorizerUri"]["Fn::Sub"]
    operations = [
        (path, operation)
        for path, by_method in body["paths"].items()
        for method, operation in by_method.items()
        if method != "options"
    ]
    wanted = [{"Token": []}, {"UsagePlanKey": []}]
    assert all(one.get("security", wanted) == wanted for _, one in operations)
    public = {path for path, operation in operations if "security" not in operation}
    assert public == {"/openapi.json", "/asyncapi.json", "/health"}


def test_a_websocket_connection_uses_the_authorizer() -> None:
    routes = resources("AWS::ApiGatewayV2::Route").values()
    (connect,) = [r for r in routes if r["RouteKey"] == "$connect"]
    assert connect["AuthorizationType"] == "CUSTOM"


def test_the_authorizer_reads_the_registry_and_writes_keys_alone() -> None:
    """A function that everybody reaches must not be able to add a tenant."""
    arn = "arn:aws:dynamodb:us-east-1:123456789012:table/zebros-edge"
    found = [one for one in statements("Authorizer") if "dynamodb" in json.dumps(one["Action"])]
    assert found == [
        {"Effect": "Allow", "Action": "dynamodb:GetItem", "Resource": arn},
        {
            "Effect": "Allow",
            "Action": "dynamodb:PutItem",
            "Resource": arn,
            "Condition": {
                "ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["KEYS#*"]},
                "Null": {"dynamodb:LeadingKeys": "false"},
            },
        },
    ]


@pytest.mark.parametrize(
    ("kind", "status", "slug"),
    [
        ("UNAUTHORIZED", 401, "unauthenticated"),
        ("ACCESS_DENIED", 403, "tenant-suspended"),
        ("AUTHORIZER_FAILURE", 503, "not-ready"),
    ],
)
def test_what_the_authorizer_does_not_allow_is_answered_by_a_problem(
    kind: str, status: int, slug: str
) -> None:
    (api,) = resources("AWS::ApiGateway::RestApi").values()
    response = api["Body"]["x-amazon-apigateway-gateway-responses"][kind]
    problem = json.loads(response["responseTemplates"]["application/json"])
    assert response["statusCode"] == str(status) == str(problem["status"])
    assert problem["type"] == f"urn:zebros:problem:{slug}"
    retry = response["responseParameters"].get("gatewayresponse.header.Retry-After")
    assert retry == ("'5'" if status == 503 else None)
