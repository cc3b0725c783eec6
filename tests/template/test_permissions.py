"""Least privilege: a function's permissions are exactly those that its code needs."""

import re
from typing import Any

import pytest

from tests.template.reach import Reach, reach, worker
from tests.template.stack import (
    functions,
    listed,
    of_worker,
    resources,
    statements,
    statements_of,
)

OF_THE_TABLE = {"Put": "PutItem", "Add": "UpdateItem", "Delete": "DeleteItem"}
CHECK = {"Check": "ConditionCheckItem"}
TABLE_METHODS = {
    "get": "GetItem",
    "get_many": "BatchGetItem",
    "query": "Query",
    "put": "PutItem",
    "put_if": "PutItem",
    "delete": "DeleteItem",
    "add": "UpdateItem",
}
CALLS = {
    "put_events": "events:PutEvents",
    "send_message": "sqs:SendMessage",
    "receive_message": "sqs:ReceiveMessage",
    "delete_message": "sqs:DeleteMessage",
    "change_message_visibility": "sqs:ChangeMessageVisibility",
    "get_queue_url": "sqs:GetQueueUrl",
    "start_execution": "states:StartExecution",
    "send_task_success": "states:SendTaskSuccess",
    "send_task_failure": "states:SendTaskFailure",
    "send_task_heartbeat": "states:SendTaskHeartbeat",
    "get_secret_value": "secretsmanager:GetSecretValue",
    "post_to_connection": "execute-api:ManageConnections",
    "delete_connection": "execute-api:ManageConnections",
    "put_object": "s3:PutObject",
    "upload_file": "s3:PutObject",
    "get_object": "s3:GetObject",
    "head_object": "s3:GetObject",
    "list_objects_v2": "s3:ListBucket",
    "/task-protection/v1/state": "ecs:UpdateTaskProtection",
    "get_parameter": "ssm:GetParameter",
    "describe_alarms": "cloudwatch:DescribeAlarms",
    "get_metric_data": "cloudwatch:GetMetricData",
    "get_alias": "lambda:GetAlias",
    "get_function_configuration": "lambda:GetFunctionConfiguration",
    "get_function_concurrency": "lambda:GetFunctionConcurrency",
    "get_provisioned_concurrency_config": "lambda:GetProvisionedConcurrencyConfig",
    "invoke": "lambda:InvokeFunction",
    "publish_version": "lambda:PublishVersion",
    "put_function_concurrency": "lambda:PutFunctionConcurrency",
    "update_alias": "lambda:UpdateAlias",
    "update_function_configuration": "lambda:UpdateFunctionConfiguration",
    "describe_scalable_targets": "application-autoscaling:DescribeScalableTargets",
    "describe_scheduled_actions": "application-autoscaling:DescribeScheduledActions",
    "register_scalable_target": "application-autoscaling:RegisterScalableTarget",
    "put_scheduled_action": "application-autoscaling:PutScheduledAction",
    "describe_services": "ecs:DescribeServices",
    "describe_replication_groups": "elasticache:DescribeReplicationGroups",
    "increase_replica_count": "elasticache:IncreaseReplicaCount",
    "decrease_replica_count": "elasticache:DecreaseReplicaCount",
}
"""AWS calls (or the call that a link makes) and the action that each needs."""
THROUGH_DAX = {"dynamodb:GetItem": "dax:GetItem", "dynamodb:Query": "dax:Query"}
"""The actions that reads through DAX need as well."""
OF_LIBRARIES = {"AWS_ENDPOINT_URL", "POWERTOOLS_LOG_LEVEL", "PYDANTIC_DISABLE_PLUGINS"}
"""Environment variables that libraries read."""
BY_MAPPING = {
    "sqs": {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"},
    "stream": {
        "dynamodb:DescribeStream",
        "dynamodb:GetRecords",
        "dynamodb:GetShardIterator",
        "dynamodb:ListStreams",
        "sqs:SendMessage",  # messages that cannot be read go to the dead-letter queue
    },
}
"""The actions that Lambda takes with a function's role for an event source mapping."""


def needed(code: Reach) -> set[str]:
    """The actions that code calls."""
    table = {
        action
        for name, action in (OF_THE_TABLE | CHECK).items()
        if ("kernel.storage.table", name) in code.symbols
    }
    table |= {
        action
        for method, action in TABLE_METHODS.items()
        if any(re.search(rf"\b_?table(\(\))?\.{method}$", name) for name in code.dotted)
        and any(name.endswith("TABLE_NAME") for name in code.needed)
    }
    actions = {f"dynamodb:{action}" for action in table}
    if ("kernel.storage.dax", "dax_reads") in code.symbols:
        actions |= {THROUGH_DAX[action] for action in actions & THROUGH_DAX.keys()}
    if "NoSuchKey" in code.texts:
        # Without it, S3 answers 403 in place of 404 for a missing object.
        actions.add("s3:ListBucket")
    return actions | {a for call, a in CALLS.items() if call in code.attributes | code.texts}


def granted(found: list[dict[str, Any]]) -> set[str]:
    """The actions that statements allow."""
    return {str(action) for statement in found for action in listed(statement["Action"])}


def mapped(name: str) -> set[str]:
    """The actions that Lambda needs to read a function's event sources."""
    actions: set[str] = set()
    for mapping in resources("AWS::Lambda::EventSourceMapping").values():
        if mapping["FunctionName"] == {"Ref": name}:
            kind = "sqs" if "FilterCriteria" not in mapping else "stream"
            actions |= BY_MAPPING[kind]
    return actions


def code_of(name: str) -> Reach:
    return reach(functions()[name]["Handler"].rpartition(".")[0])


@pytest.mark.parametrize("name", functions())
def test_a_function_may_do_exactly_what_its_code_does(name: str) -> None:
    assert granted(statements(name)) == needed(code_of(name)) | mapped(name)


@pytest.mark.parametrize("name", functions())
def test_a_function_reads_indexes_only_when_it_has_lists(name: str) -> None:
    names_an_index = any(re.fullmatch(r"gsi\d", text) for text in code_of(name).texts)
    queries = "dynamodb:Query" in granted(statements(name))
    assert ("/index/*" in str(statements(name))) == (names_an_index and queries)


@pytest.mark.parametrize("name", functions())
def test_a_function_has_exactly_the_environment_its_code_reads(name: str) -> None:
    given = set(functions()[name].get("Environment", {}).get("Variables", {}))
    code = code_of(name)
    assert code.needed <= given, "it would fail at its first call"
    assert given <= code.needed | code.optional | OF_LIBRARIES, "no code reads it"


REPORTS, IMPORTS = "reporting.jobs", "imports.jobs"


@pytest.mark.parametrize(
    ("phase", "role", "jobs"),
    [
        ("growth", "TaskRole", {REPORTS, IMPORTS}),
        ("enterprise", "TaskRole", {REPORTS}),
        ("enterprise", "ImportTaskRole", {IMPORTS}),
    ],
)
def test_a_worker_may_do_exactly_what_the_code_of_its_tasks_does(
    phase: str, role: str, jobs: set[str]
) -> None:
    # One at a time, because a method counts as used where anything of its name is.
    wanted = set().union(*(needed(reach("worker.main", job)) for job in jobs))
    assert granted(statements_of(role, Phase=phase)) == wanted


def test_the_workers_carry_out_the_jobs_of_all_contexts() -> None:
    assert worker() is reach("worker.main", *sorted({REPORTS, IMPORTS}))


def test_the_worker_has_the_environment_its_code_reads() -> None:
    for task in of_worker("AWS::ECS::TaskDefinition").values():
        (container,) = task["ContainerDefinitions"]
        given = {variable["Name"] for variable in container["Environment"]}
        assert worker().needed <= given
        # The agent's address is set by ECS itself, inside every task.
        assert given - {"AWS_DEFAULT_REGION"} <= worker().needed | worker().optional


@pytest.mark.parametrize("found", [statements_of("TaskRole"), statements("ReportingAnalytics")])
def test_who_makes_a_report_reads_the_lake_and_the_results_and_writes_results(
    found: list[dict[str, Any]],
) -> None:
    """Without s3:ListBucket S3 answers 403 for a missing object, which the code raises."""
    lake, files = ({"Fn::Sub": f"arn:aws:s3:::${{{name}Bucket}}"} for name in ("Lake", "Files"))
    objects = {"Fn::Sub": "arn:aws:s3:::${FilesBucket}/reports/*"}
    assert {
        one["Action"]: listed(one["Resource"]) for one in found if "s3:" in str(one["Action"])
    } == {
        "s3:ListBucket": [lake, files],
        "s3:GetObject": [{"Fn::Sub": "arn:aws:s3:::${LakeBucket}/tenant=*"}, objects],
        "s3:PutObject": [objects],
    }


@pytest.mark.parametrize("found", [statements_of("ImportTaskRole"), statements("ImportsApi")])
def test_who_imports_reads_and_writes_files_of_imports_alone(found: list[dict[str, Any]]) -> None:
    """The API signs links with its own rights: whoever has a link has them, for one object."""
    objects = {"Fn::Sub": "arn:aws:s3:::${FilesBucket}/imports/*"}
    assert {
        str(one["Action"]): one["Resource"] for one in found if "s3:" in str(one["Action"])
    } == {
        "['s3:GetObject', 's3:PutObject']": objects,
        "s3:ListBucket": {"Fn::Sub": "arn:aws:s3:::${FilesBucket}"},
    }


def test_who_sends_to_connections_and_who_closes_them() -> None:
    """The consumer sends; the function of connections also closes the oldest of a user."""
    beginning = "arn:aws:execute-api:us-east-1:123456789012:${Socket}/live"
    found = {}
    for name in functions():
        for statement in statements(name):
            if statement["Action"] == ["execute-api:ManageConnections"]:
                found[name] = {one["Fn::Sub"] for one in listed(statement["Resource"])}
    assert found == {
        "NotificationsEvents": {f"{beginning}/POST/@connections/*"},
        "NotificationsSocket": {
            f"{beginning}/POST/@connections/*",
            f"{beginning}/DELETE/@connections/*",
        },
    }
