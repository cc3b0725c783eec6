"""The stack of the scaling controller: what it may change, what starts it, and who may see it."""

import json
import re
from typing import Any

import pytest
import yaml

from scaling.events import Setting
from scaling.model.inventory import Inventory, Resource, parse_inventory
from scaling.model.parameters import parameter_of
from scaling.model.policy_file import policy_of
from scaling.model.readings import Target
from scaling.model.series import KNOWN_RULES
from tests.template.stack import (
    EVERYTHING,
    PHASES,
    ROOT,
    functions,
    load,
    resources,
    statements,
    system,
)
from zebros.cloudformation import Account, resolve

MEMORIES = {
    f"{name}Memory": str(640 + 64 * place)
    for place, name in enumerate(
        (
            *("Authorizer", "Customers", "Opportunities", "Activities"),
            *("Reporting", "Imports", "Notifications"),
        )
    )
}
TABLES = {"Customers": 2, "Contacts": 3, "Opportunities": 3, "Activities": 1}
"""The number of indexes of each table with a range."""


def inventory(**parameters: str) -> Inventory:
    """What the parameter of Systems Manager says, with logical ids in place of names."""
    (found,) = resources("AWS::SSM::Parameter", **parameters).values()
    return parse_inventory(text_of(found["Value"]))


def text_of(value: Any) -> str:
    """A text whose references are the logical ids that they name."""
    text = value if isinstance(value, str) else value["Fn::Sub"]
    if isinstance(text, list):
        text, variables = text
        for name, one in variables.items():
            text = text.replace(f"${{{name}}}", text_of(one))
    return re.sub(r"\$\{([\w.]+)\}", r"\1", text)


def of(name: str, **parameters: str) -> Resource:
    return inventory(**parameters).resources[name]


@pytest.mark.parametrize("parameters", [*({"Phase": one} for one in PHASES), MEMORIES], ids=str)
def test_the_controller_knows_the_memory_and_concurrency_that_are_deployed(
    parameters: dict[str, str],
) -> None:
    deployed = functions(**parameters)
    apis = [name for name in deployed if name.endswith("Api") and name != "ScalingApi"]
    for name in (*apis, "Authorizer"):
        found = of(name, **parameters)
        assert found.id == name
        assert found.deployed[Setting.MEMORY] == int(deployed[name]["MemorySize"]), name
    for name in (*apis, "Authorizer"):
        found = of(name, **parameters)
        reserved = deployed[name]["ReservedConcurrentExecutions"]
        assert found.deployed[Setting.CONCURRENCY] == found.number("executions") == reserved


def test_nothing_is_reserved_where_functions_reserve_nothing() -> None:
    found = inventory(ReserveConcurrency="no")
    assert not [one for one in found.targets() if one.setting is Setting.CONCURRENCY]
    assert found.resources["CustomersApi"].number("executions") == 120, "the cost stays the same"


@pytest.mark.parametrize("phase", PHASES)
def test_the_controller_knows_the_provisioned_ranges(phase: str) -> None:
    ranges = {
        str(one["ResourceId"]): one["MaxCapacity"]
        for one in resources("AWS::ApplicationAutoScaling::ScalableTarget", Phase=phase).values()
        if one["ServiceNamespace"] == "lambda"
    }
    known = [one for one in inventory(Phase=phase).targets() if one.setting is Setting.PROVISIONED]
    assert len(known) == len(ranges)
    for target in known:
        deployed = of(target.resource, Phase=phase).deployed[Setting.PROVISIONED]
        assert [v for k, v in ranges.items() if target.resource in k] == [deployed]


@pytest.mark.parametrize("phase", PHASES)
def test_the_controller_knows_the_ranges_of_tables(phase: str) -> None:
    found = inventory(Phase=phase).resources
    known = {name for name in TABLES if f"{name}Table" in found}
    assert known == (set() if phase == "mvp" else set(TABLES))
    for name in known:
        table = resources("AWS::DynamoDB::GlobalTable", Phase=phase)[f"{name}Table"]
        scaling = table["WriteProvisionedThroughputSettings"]["WriteCapacityAutoScalingSettings"]
        one = found[f"{name}Table"]
        assert one.id == table["TableName"]
        assert one.deployed[Setting.CAPACITY] == int(scaling["MaxCapacity"])
        assert one.number("indexes") == len(table["GlobalSecondaryIndexes"]) == TABLES[name]


def test_on_the_local_platform_there_are_no_tables_to_scale() -> None:
    local = Account(account_id="000000000000")
    deployed = resolve(ROOT / "template.yaml", EVERYTHING | {"ReplicaRegion": ""}, account=local)
    (found,) = deployed.of_type("AWS::SSM::Parameter").values()
    settings = {one.setting for one in parse_inventory(text_of(found["Value"])).targets()}
    assert Setting.MEMORY in settings
    assert Setting.CAPACITY not in settings


def test_tables_with_replicas_are_left_alone() -> None:
    found = inventory(ReplicaRegion="eu-central-1")
    assert not [one for one in found.targets() if one.setting is Setting.CAPACITY]


@pytest.mark.parametrize("phase", PHASES)
def test_the_controller_knows_the_workers(phase: str) -> None:
    targets = {
        name.removesuffix("ScalableTarget"): one["MaxCapacity"]
        for name, one in resources(
            "AWS::ApplicationAutoScaling::ScalableTarget", Phase=phase
        ).items()
        if one["ServiceNamespace"] == "ecs" and "Worker" in name
    }
    known = [one for one in inventory(Phase=phase).targets() if one.setting is Setting.TASKS]
    assert {one.resource for one in known} == {f"{name}Service" for name in targets}
    queues = {"StandardWorker": "ReportTasksQueue", "AnalyticsWorker": "ReportAnalyticsQueue"}
    queues["ImportWorker"] = "ImportTasksQueue"
    for name, most in targets.items():
        one = of(f"{name}Service", Phase=phase)
        task = system(Phase=phase).resources[f"{name}Task"].properties
        assert one.deployed[Setting.TASKS] == int(most)
        assert (one.number("cpu"), one.number("ram")) == (int(task["Cpu"]), int(task["Memory"]))
        assert one.more["queue"].startswith(queues[name])
        assert one.id.startswith("Cluster/")
        assert name in one.id


def test_without_workers_there_are_none() -> None:
    found = inventory(Phase="mvp", WorkerImage="")
    assert not [one for one in found.targets() if one.setting is Setting.TASKS]


@pytest.mark.parametrize("phase", PHASES)
def test_the_controller_knows_the_cache(phase: str) -> None:
    caches = resources("AWS::ElastiCache::ReplicationGroup", Phase=phase)
    assert ("Cache" in inventory(Phase=phase).resources) == bool(caches)
    for cache in caches.values():
        one = of("Cache", Phase=phase)
        assert one.deployed[Setting.REPLICAS] == cache["ReplicasPerNodeGroup"]
        assert one.number("shards") == cache["NumNodeGroups"]
        assert one.more["node"] == cache["CacheNodeType"]
        assert one.id == "Cache"


@pytest.mark.parametrize("phase", PHASES)
def test_the_inventory_fits_into_a_parameter(phase: str) -> None:
    (found,) = resources("AWS::SSM::Parameter", Phase=phase).values()
    names = 40 * text_of(found["Value"]).count(";")  # of the longest physical names
    assert len(text_of(found["Value"])) + names < 4096


def test_every_rule_of_the_policy_has_metrics() -> None:
    assert {rule.name for rule in policy_of("growth", 0).rules} == set(KNOWN_RULES)


def test_what_makes_a_change_permanent_exists() -> None:
    strategy = yaml.safe_load((ROOT / "strategy.yaml").read_text(encoding="utf-8"))
    for target in inventory().targets():
        text = parameter_of(target, 512)
        if target.setting is Setting.MEMORY:
            name, _, value = text.partition("=")
            assert (name in load()["Parameters"], value) == (True, "512")
        else:
            section = text.removeprefix("strategy.yaml, ").partition(":")[0]
            assert section in strategy, text
            assert target.resource in text
    assert parameter_of(Target(Setting.MEMORY, "CustomersApi"), 384) == "CustomersMemory=384"


def test_alarms_of_this_system_that_are_raised_start_the_controller() -> None:
    rule = resources("AWS::Events::Rule")["ScalingAlarms"]
    assert rule["EventPattern"] == {
        "source": ["aws.cloudwatch"],
        "detail-type": ["CloudWatch Alarm State Change"],
        "detail": {"alarmName": [{"prefix": "zebros-"}], "state": {"value": ["ALARM"]}},
    }
    assert "EventBusName" not in rule, "CloudWatch sends to the default bus"


@pytest.mark.parametrize("name", ["ScalingAlarms", "ScalingSchedule"])
def test_a_rule_may_start_the_controller_and_nothing_else(name: str) -> None:
    (target,) = resources("AWS::Events::Rule")[name]["Targets"]
    assert target["Arn"] == {"Ref": "ScalingFlow"}
    assert target["RoleArn"] == {"Fn::GetAtt": ["ScalingStartRole", "Arn"]}
    role = resources("AWS::IAM::Role")["ScalingStartRole"]
    (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "events.amazonaws.com"}
    assert trust["Action"] == "sts:AssumeRole"
    assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": "123456789012"}}
    (policy,) = role["Policies"]
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert statement == {
        "Effect": "Allow",
        "Action": "states:StartExecution",
        "Resource": {"Ref": "ScalingFlow"},
    }


def test_the_controller_looks_once_an_hour() -> None:
    rule = resources("AWS::Events::Rule")["ScalingSchedule"]
    assert rule["ScheduleExpression"] == "rate(1 hour)"


def test_only_the_steps_may_change_settings() -> None:
    changing = re.compile(
        r"lambda:(Update|Publish|Put)|application-autoscaling:(Register|Put)"
        r"|elasticache:(In|De)crease"
    )
    who = {name for name in functions() if changing.search(json.dumps(statements(name)))}
    assert who == {"ScalingSteps"}


def test_the_adviser_may_read_the_hours_of_tables() -> None:
    allowed = [one for one in statements("ScalingApi") if "GetMetricData" in str(one["Action"])]
    # The call has no rights for single resources.
    assert [one["Resource"] for one in allowed] == ["*"]


def test_rights_to_change_are_of_this_system_s_resources() -> None:
    found = {
        str(action): str(one["Resource"])
        for one in statements("ScalingSteps")
        for action in (one["Action"] if isinstance(one["Action"], list) else [one["Action"]])
    }
    place = "us-east-1:123456789012"
    for action, resource in found.items():
        if action.startswith("lambda:"):
            assert resource == f"arn:aws:lambda:{place}:function:zebros-*", action
    assert found["elasticache:IncreaseReplicaCount"].endswith(f"{place}:replicationgroup:*")
    assert found["cloudwatch:DescribeAlarms"] == f"arn:aws:cloudwatch:{place}:alarm:*"
    assert found["ecs:DescribeServices"] == f"arn:aws:ecs:{place}:service/*"
    caches = found["elasticache:DescribeReplicationGroups"]
    assert caches == f"arn:aws:elasticache:{place}:replicationgroup:*"
    assert found["application-autoscaling:RegisterScalableTarget"].endswith("scalable-target/*")
    (ranges,) = (one for one in statements("ScalingSteps") if "scalable-target/*" in str(one))
    services = {"application-autoscaling:service-namespace": ["lambda", "ecs", "dynamodb"]}
    assert ranges["Condition"] == {"StringEquals": services}
    assert found["ssm:GetParameter"] == str(
        [
            {"Fn::Sub": f"arn:aws:ssm:{place}:parameter/${{ScalingTargets}}"},
            f"arn:aws:ssm:{place}:parameter/zebros-scaling-curves",
        ]
    )
    (parameter,) = resources("AWS::SSM::Parameter").values()
    assert parameter["Name"] == "zebros-scaling-targets", "without a slash, which would be twice"


def test_the_api_reads_what_the_steps_read() -> None:
    read = re.compile("(Get|Describe)")
    api, steps = (
        {
            (str(action), str(one["Resource"]))
            for one in statements(name)
            for action in ([one["Action"]] if isinstance(one["Action"], str) else one["Action"])
            if read.search(str(action)) and not str(action).startswith(("dynamodb", "secrets"))
        }
        for name in ("ScalingApi", "ScalingSteps")
    )
    more = {action for action, _ in steps - api}
    assert more == {"cloudwatch:DescribeAlarms", "lambda:GetAlias"}
    assert api < steps


@pytest.mark.parametrize("name", ["ScalingApi", "ScalingSteps"])
def test_mode_budget_tenant_and_phase_are_parameters(name: str) -> None:
    given = functions(
        Phase="growth", ScalingMode="apply", ScalingBudget="250", OperatorTenant="acme"
    )[name]["Environment"]["Variables"]
    assert given["SCALING_MODE"] == "apply"
    assert str(given["SCALING_BUDGET"]) == "250"
    assert (given["OPERATOR_TENANT"], given["PHASE"]) == ("acme", "growth")
    assert given["SYSTEM_NAME"] == "zebros"
    assert given["SCALING_TARGETS_PARAMETER"] == {"Ref": "ScalingTargets"}


def test_tiers_of_tenants_and_refused_moves_are_of_the_operator_s_tenant() -> None:
    for name in ("ScalingApi", "ScalingSteps", "ScalingEvents", "ScalingMaintenance"):
        given = functions(OperatorTenant="acme")[name]["Environment"]["Variables"]
        assert given["OPERATOR_TENANT"] == "acme", name


def test_the_controller_lists_tenants_by_an_index() -> None:
    """Its hourly run compares the tiers of all of them."""
    tables = str(next(one for one in statements("ScalingSteps") if "dynamodb" in str(one)))
    assert "table/zebros-scaling/index/*" in tables


def test_the_steps_have_time_for_an_update_of_a_function() -> None:
    assert functions()["ScalingSteps"]["Timeout"] == 120


def test_the_inbox_knows_whose_administrators_it_notifies() -> None:
    made = functions(OperatorTenant="acme").items()
    given = {name: one["Environment"]["Variables"] for name, one in made}
    knows = {name for name, one in given.items() if one.get("OPERATOR_TENANT") == "acme"}
    assert knows == {
        *("NotificationsApi", "ScalingApi", "ScalingEvents", "ScalingMaintenance", "ScalingSteps")
    }


@pytest.mark.parametrize("phase", PHASES)
def test_without_a_worker_there_is_none_to_scale(phase: str) -> None:
    found = inventory(Phase=phase, WorkerImage="")
    assert not [one for one in found.targets() if one.setting is Setting.TASKS]
