"""Triggers that end in Application Auto Scaling: an alarm's message in, a maximum read back.

The steps of the state machine run as they are deployed, and everything they read and change is
moto's. tests/flows/test_scaling.py has the triggers whose services the local platform has.
"""

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest

from scaling.handlers.steps import handler
from tests.component.conftest import outside
from tests.component.scaling.world import alarm

SERVICE, TABLE = "cluster/service", "zebros-customers"
TARGETS = (
    "Authorizer authorizer-fn concurrency=15 executions=15;"
    f"StandardWorkerService {SERVICE} worker_tasks=3 cpu=1024 ram=2048 queue=tasks;"
    f"CustomersTable {TABLE} table_capacity=100 indexes=2;"
)


class Target(NamedTuple):
    """One scalable target of Application Auto Scaling."""

    namespace: str
    resource: str
    dimension: str


TASKS = Target("ecs", f"service/{SERVICE}", "ecs:service:DesiredCount")
CAPACITY = [
    Target("dynamodb", f"table/{TABLE}{index}", f"dynamodb:{part}:{kind}CapacityUnits")
    for part, index in (("table", ""), ("index", "/index/gsi1"), ("index", "/index/gsi2"))
    for kind in ("Read", "Write")
]


class Trigger(NamedTuple):
    """What is measured, and the maximum that it changes, before and after one step."""

    alarm: str
    namespace: str
    metric: str
    value: float
    dimensions: dict[str, str]
    targets: list[Target]
    before: int
    after: int


_CLUSTER, _SERVICE = SERVICE.split("/")
_PLACE = {"ClusterName": _CLUSTER, "ServiceName": _SERVICE}
TRIGGERS = {
    "WorkerCpu": Trigger(*("WorkerCpu", "AWS/ECS", "CPUUtilization", 90, _PLACE), *([TASKS], 3, 4)),
    "WorkerMemory": Trigger(
        *("WorkerMemory", "AWS/ECS", "MemoryUtilization", 90, _PLACE), *([TASKS], 3, 4)
    ),
    "ReportQueue": Trigger(
        *("ReportQueue", "AWS/SQS", "ApproximateNumberOfMessagesVisible", 20),
        *({"QueueName": "tasks"}, [TASKS], 3, 4),
    ),
    "ConcurrentUsers": Trigger(
        *("ConcurrentUsers", "AWS/Lambda", "Invocations", 20),
        *({"FunctionName": "authorizer-fn"}, CAPACITY, 100, 150),
    ),
    "CustomersTableThrottles": Trigger(
        *("CustomersTableThrottles", "AWS/DynamoDB", "ThrottledRequests", 5),
        *({"TableName": TABLE, "Operation": "Query"}, CAPACITY, 100, 150),
    ),
}


@pytest.fixture
def deployed(cloud: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Workers and a table at their maxima, as AWS's own scaling leaves them under load."""
    for name, value in {
        "TABLE_NAME": "table",
        "OPERATOR_TENANT": "operator",
        "SYSTEM_NAME": "zebros",
        "PHASE": "growth",
        "SCALING_BUDGET": "100000",
        "SCALING_TARGETS_PARAMETER": "zebros-scaling-targets",
    }.items():
        monkeypatch.setenv(name, value)
    outside("ssm").put_parameter(Name="zebros-scaling-targets", Value=TARGETS, Type="String")
    role = outside("iam").create_role(RoleName="role", AssumeRolePolicyDocument="{}")["Role"]
    functions = outside("lambda")
    functions.create_function(
        FunctionName="authorizer-fn",
        Runtime="python3.13",
        Handler="x.x",
        Role=role["Arn"],
        Code={"ZipFile": b"-"},
    )
    functions.put_function_concurrency(
        FunctionName="authorizer-fn", ReservedConcurrentExecutions=15
    )
    containers = outside("ecs")
    containers.create_cluster(clusterName=_CLUSTER)
    containers.register_task_definition(
        family="task", containerDefinitions=[{"name": "x", "image": "x", "memory": 1}]
    )
    containers.create_service(
        cluster=_CLUSTER, serviceName=_SERVICE, taskDefinition="task", desiredCount=3
    )
    scaling = outside("application-autoscaling")
    for target, value in {TASKS: 3, **dict.fromkeys(CAPACITY, 100)}.items():
        scaling.register_scalable_target(
            ServiceNamespace=target.namespace,
            ResourceId=target.resource,
            ScalableDimension=target.dimension,
            MinCapacity=1,
            MaxCapacity=value,
        )
    return scaling


def measure(trigger: Trigger) -> None:
    """The metric has its value five times a minute; the table has the most that it may; alarm."""
    watch, now = outside("cloudwatch"), datetime.now(UTC)
    dimensions = [{"Name": name, "Value": value} for name, value in trigger.dimensions.items()]
    several = [(trigger.namespace, trigger.metric, trigger.value, dimensions)]
    table = [{"Name": "TableName", "Value": TABLE}]
    for kind in ("Read", "Write"):
        several.append(("AWS/DynamoDB", f"Provisioned{kind}CapacityUnits", 100, table))
    for minute in range(30):
        at = now - timedelta(minutes=minute)
        for space, name, value, places in several:
            data = {"MetricName": name, "Dimensions": places, "Timestamp": at, "Value": value}
            watch.put_metric_data(Namespace=space, MetricData=[data] * 5)
    name = f"zebros-{trigger.alarm}"
    watch.put_metric_alarm(
        AlarmName=name,
        Namespace=trigger.namespace,
        MetricName=trigger.metric,
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=0,
        ComparisonOperator="GreaterThanThreshold",
    )
    watch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="a test")


def run(trigger: Trigger) -> list[str]:
    """The steps until the controller waits or ends, as statemachines/scaling.asl.json has them."""
    done: list[str] = []
    step, more = "begin", dict[str, Any](message=alarm(trigger.alarm))
    while step not in ("wait", "done"):
        answer = handler({"step": step, "execution": "one", **more}, None)
        done.append(step)
        step = answer["next"]
        more = {"decide": {"rounds": 0}, "end": {"requests": answer["requests"]}}.get(step, {})
    return done


def maxima(scaling: Any, targets: list[Target]) -> set[int]:
    """What Application Auto Scaling says now."""
    return {
        target["MaxCapacity"]
        for one in targets
        for target in scaling.describe_scalable_targets(
            ServiceNamespace=one.namespace,
            ResourceIds=[one.resource],
            ScalableDimension=one.dimension,
        )["ScalableTargets"]
    }


@pytest.mark.parametrize("name", TRIGGERS)
def test_an_alarm_raises_the_maximum_by_one_step(
    deployed: Any, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    trigger = TRIGGERS[name]
    monkeypatch.setenv("SCALING_MODE", "apply")
    measure(trigger)
    assert maxima(deployed, trigger.targets) == {trigger.before}
    assert run(trigger) == ["begin", "verify", "decide", "apply"]
    assert maxima(deployed, trigger.targets) == {trigger.after}
    others = [one for one in (TASKS, *CAPACITY) if one not in trigger.targets]
    assert maxima(deployed, others) < {3, 100}, "nothing else changes"


@pytest.mark.parametrize("name", TRIGGERS)
def test_the_mode_propose_changes_no_maximum(deployed: Any, name: str) -> None:
    trigger = TRIGGERS[name]
    measure(trigger)
    assert run(trigger) == ["begin", "verify", "decide", "end"]
    assert maxima(deployed, trigger.targets) == {trigger.before}
