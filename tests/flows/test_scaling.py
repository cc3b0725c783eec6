"""The scaling controller on the deployed system: an alarm's message in, a setting read back.

The local platform deploys no alarms, no reserved concurrency and no cache, so these tests create
them. It has no Application Auto Scaling: tests/component/scaling/test_triggers.py has its triggers.
"""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest

from tests.component.scaling.world import alarm
from tests.flows.conftest import Crm

DEPLOYED, AFTER, ALARM = 256, 384, "zebros-ApiLatency"
RESERVED, CACHE = 6, "flows-cache"


class Trigger(NamedTuple):
    """An alarm and what the controller does about it: the setting before and after one step."""

    alarm: str
    rule: str
    resource: str
    before: int
    after: int


TRIGGERS = (
    Trigger("FunctionMemory", "function_memory", "OpportunitiesApi", 256, 384),
    Trigger("ApiThrottles", "throttles", "ActivitiesApi", RESERVED, 9),
    Trigger("ConcurrentUsers", "cache_users", "Cache", 1, 2),
)


@pytest.fixture(scope="module")
def slow(crm: Crm) -> Iterator[None]:
    """The API of customers is slow, and the alarm is raised."""
    functions = crm.state["functions"]
    measured(crm, "AWS/Lambda", "Duration", 9000, FunctionName=functions["CustomersApi"])
    create_alarm(crm, ALARM)
    yield
    crm.client("cloudwatch").delete_alarms(AlarmNames=[ALARM])


def measured(crm: Crm, namespace: str, name: str, value: float, **dimensions: str) -> None:
    """A metric had this value twenty times a minute in the last 25 minutes."""
    watch, now = crm.client("cloudwatch"), datetime.now(UTC)
    places = [{"Name": key, "Value": one} for key, one in dimensions.items()]
    for minutes in range(25):
        at = now - timedelta(minutes=minutes)
        data = {"MetricName": name, "Dimensions": places, "Timestamp": at, "Value": value}
        watch.put_metric_data(Namespace=namespace, MetricData=[data] * 20)


def create_alarm(crm: Crm, name: str) -> None:
    """An alarm that only `raise_alarm` raises: its metric has no values, which changes nothing."""
    crm.client("cloudwatch").put_metric_alarm(
        AlarmName=name,
        Namespace="Flows",
        MetricName="Nothing",
        Statistic="Average",
        Period=300,
        EvaluationPeriods=3,
        Threshold=200,
        ComparisonOperator="GreaterThanThreshold",
        TreatMissingData="ignore",
    )


@contextmanager
def environment(crm: Crm, **changed: str) -> Iterator[None]:
    """The controller with other variables; afterwards what was deployed."""
    functions, name = crm.client("lambda"), crm.state["functions"]["ScalingSteps"]
    found = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    before = {key: str(value) for key, value in found.items()}
    for variables in (before | changed, before):
        functions.update_function_configuration(
            FunctionName=name, Environment={"Variables": variables}
        )
        if variables != before:
            yield


@pytest.fixture
def applying(crm: Crm) -> Iterator[None]:
    """The mode apply, with a budget for one step."""
    with environment(crm, SCALING_MODE="apply"):
        yield


@pytest.fixture(scope="module")
def grown(crm: Crm) -> Iterator[None]:
    """Reserved concurrency, a cache, and a controller that knows them, as in phase growth."""
    functions, caches, systems = map(crm.client, ("lambda", "elasticache", "ssm"))
    name = crm.state["functions"]["ActivitiesApi"]
    functions.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=RESERVED)
    caches.create_replication_group(
        ReplicationGroupId=CACHE,
        ReplicationGroupDescription="cache",
        Engine="valkey",
        NumNodeGroups=3,
        ReplicasPerNodeGroup=1,
    )
    parameter = "zebros-scaling-targets"
    deployed = systems.get_parameter(Name=parameter)["Parameter"]["Value"]
    assert f"ActivitiesApi {name} memory=128 concurrency=0" in deployed
    targets = deployed.replace(
        f"ActivitiesApi {name} memory=128 concurrency=0",
        f"ActivitiesApi {name} memory=128 concurrency={RESERVED}",
    )
    targets += f"Cache {CACHE} cache_replicas=1 shards=3 node=cache.t4g.small;"
    systems.put_parameter(Name=parameter, Value=targets, Type="String", Overwrite=True)
    for one in TRIGGERS:
        create_alarm(crm, f"zebros-{one.alarm}")
    physical = crm.state["functions"]
    measured(crm, "Zebros", "MemoryUtilization", 80, Function="opportunities-api")
    measured(crm, "AWS/Lambda", "Throttles", 5, FunctionName=name)
    measured(crm, "AWS/Lambda", "Invocations", 5, FunctionName=physical["Authorizer"])
    with environment(crm, PHASE="growth", SCALING_BUDGET="1000"):
        yield
    systems.put_parameter(Name=parameter, Value=deployed, Type="String", Overwrite=True)
    functions.delete_function_concurrency(FunctionName=name)
    caches.delete_replication_group(ReplicationGroupId=CACHE)
    crm.client("cloudwatch").delete_alarms(AlarmNames=[f"zebros-{one.alarm}" for one in TRIGGERS])


def memory(crm: Crm, name: str = "CustomersApi") -> int:
    """The memory of the version that requests get."""
    found = crm.client("lambda").get_function_configuration(
        FunctionName=crm.state["functions"][name], Qualifier="live"
    )
    return int(found["MemorySize"])


def setting(crm: Crm, trigger: Trigger) -> int:
    """What the platform says about the trigger's resource now."""
    if trigger.rule == "function_memory":
        return memory(crm, trigger.resource)
    if trigger.rule == "throttles":
        found = crm.client("lambda").get_function_concurrency(
            FunctionName=crm.state["functions"][trigger.resource]
        )
        return int(found["ReservedConcurrentExecutions"])
    caches = crm.client("elasticache").describe_replication_groups(ReplicationGroupId=CACHE)
    shards = caches["ReplicationGroups"][0]["NodeGroups"]
    (replicas,) = {len(one["NodeGroupMembers"]) - 1 for one in shards}
    return replicas


def raise_alarm(crm: Crm, name: str = ALARM) -> None:
    """Raise the alarm, which was not: CloudWatch sends a message to the default bus."""
    watch = crm.client("cloudwatch")
    for state in ("OK", "ALARM"):
        watch.set_alarm_state(AlarmName=name, StateValue=state, StateReason="a test")


@contextmanager
def raised(crm: Crm, trigger: Trigger) -> Iterator[None]:
    """The trigger's alarm alone, and no controller that still waits for the effect of a step."""
    flows, table = crm.client("stepfunctions"), crm.state["tables"]["ScalingTable"]
    for one in flows.list_executions(stateMachineArn=machine(crm), statusFilter="RUNNING")[
        "executions"
    ]:
        flows.stop_execution(executionArn=one["executionArn"])
    lease = {"pk": {"S": "TENANT#acme#LEASE"}, "sk": {"S": "CONTROLLER"}}
    crm.client("dynamodb").delete_item(TableName=table, Key=lease)
    raise_alarm(crm, f"zebros-{trigger.alarm}")
    yield
    crm.client("cloudwatch").set_alarm_state(
        AlarmName=f"zebros-{trigger.alarm}", StateValue="OK", StateReason="a test"
    )


def actions(crm: Crm, **wanted: str) -> list[dict[str, Any]]:
    """The actions with these fields, newest first."""
    answer = crm("GET", "/scaling/actions?limit=200")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return [one for one in found if wanted.items() <= one.items()]


def machine(crm: Crm) -> str:
    """The ARN of the state machine."""
    found = crm.client("stepfunctions").list_state_machines()["stateMachines"]
    (arn,) = [one["stateMachineArn"] for one in found if "ScalingFlow" in one["name"]]
    return str(arn)


def executions(crm: Crm) -> list[str]:
    """The states of the controller's executions, newest first."""
    found = crm.client("stepfunctions").list_executions(stateMachineArn=machine(crm))["executions"]
    return [one["status"] for one in found]


@pytest.mark.usefixtures("slow")
def test_the_mode_propose_records_what_it_would_change_and_changes_nothing(crm: Crm) -> None:
    assert memory(crm) == DEPLOYED
    raise_alarm(crm)
    crm.until(lambda: bool(actions(crm, status="proposed", resource="CustomersApi")), 60)
    (proposed,) = actions(crm, status="proposed", resource="CustomersApi")
    assert (proposed["before"], proposed["after"], proposed["rule"]) == (
        *(DEPLOYED, AFTER),
        "api_latency",
    )
    assert memory(crm) == DEPLOYED
    crm.until(lambda: executions(crm)[0] == "SUCCEEDED", 60)


@pytest.mark.usefixtures("slow", "applying")
def test_the_mode_apply_changes_the_setting_once_and_the_api_shows_what_differs(crm: Crm) -> None:
    before = len(executions(crm))
    for _ in range(2):
        raise_alarm(crm)
    crm.until(lambda: bool(actions(crm, status="applied", resource="CustomersApi")), 120)
    assert memory(crm) == AFTER
    time.sleep(2)
    crm.until(lambda: len(executions(crm)) == before + 2, 60)
    crm.until(lambda: executions(crm).count("RUNNING") <= 1, 60)
    assert len(actions(crm, status="applied")) == 1, "the second message acts on nothing"
    assert crm("GET", "/customers/unknown").status_code in (403, 404), "requests are served"
    answer = crm("GET", "/scaling/settings")
    assert answer.status_code == 200, answer.text
    found = {(one["setting"], one["resource"]): one for one in answer.json()["items"]}
    assert found["memory", "CustomersApi"] == {
        "setting": "memory",
        "resource": "CustomersApi",
        "value": AFTER,
        "deployed": DEPLOYED,
        "ceiling": 1024,
        "parameter": f"CustomersMemory={AFTER}",
    }
    drift = crm.zebros.json("scale", "drift")
    assert [(one["resource"], one["value"], one["parameter"]) for one in drift["settings"]] == [
        ("CustomersApi", AFTER, f"CustomersMemory={AFTER}")
    ]


@pytest.mark.usefixtures("grown")
@pytest.mark.parametrize("trigger", TRIGGERS, ids=lambda one: one.alarm)
def test_each_trigger_s_alarm_is_proposed_then_applied_and_read_back(
    crm: Crm, trigger: Trigger
) -> None:
    wanted = {"resource": trigger.resource, "rule": trigger.rule}
    steps = [(trigger.before, trigger.after)]

    def found(status: str) -> list[tuple[int, int]]:
        return [(one["before"], one["after"]) for one in actions(crm, status=status, **wanted)]

    with raised(crm, trigger):
        crm.until(lambda: found("proposed") == steps, 60)
        crm.until(lambda: executions(crm)[0] == "SUCCEEDED", 60)
    assert setting(crm, trigger) == trigger.before, "a proposal changes nothing"
    with environment(crm, SCALING_MODE="apply"), raised(crm, trigger):
        crm.until(lambda: found("applied") == steps, 60)
        assert setting(crm, trigger) == trigger.after


def test_a_message_of_an_unknown_shape_is_refused_in_a_sentence(crm: Crm) -> None:
    message = alarm("ApiLatency", configuration={"something": "new"})
    flows = crm.client("stepfunctions")
    flows.start_execution(stateMachineArn=machine(crm), input=json.dumps(message))
    crm.until(lambda: bool(actions(crm, reason="unknown_alarm")), 60)
    (refused,) = actions(crm, reason="unknown_alarm")
    assert "neither a metric alarm nor a composite one" in refused["because"]


def test_other_tenants_and_other_roles_see_nothing(crm: Crm) -> None:
    for path in ("actions", "settings", "advice", "bill"):
        path = f"/scaling/{path}"
        assert crm("GET", path, tenant="globex").status_code == 403
        assert crm("GET", path, user="manager").status_code == 403


def test_advice_and_bill_are_for_the_operator(crm: Crm) -> None:
    answer = crm("GET", "/scaling/advice")
    assert answer.status_code == 200, answer.text
    assert answer.json()["system"]["phase"] == "mvp"
    tables = {one["table"]: one for one in answer.json()["tables"]}
    names = ("Customers", "Contacts", "Opportunities", "Activities")
    assert set(tables) == {f"{name}Table" for name in names}
    assert {one["current"] for one in tables.values()} == {"on demand"}
    bill = crm("GET", "/scaling/bill").json()
    assert sum(one["cents"] for one in bill["tenants"]) == bill["cents"] > 0
    assert crm.zebros.json("scale", "bill") == bill
    printed = crm.zebros.json("scale", "advise")
    assert printed["system"] == answer.json()["system"]
