"""Workers and small reports, resolved and compared with the scaling strategy, which is quoted."""

from typing import Any, NamedTuple

import pytest

from kernel.runtime.settings import DiskSettings
from kernel.tasks.retry import RetryPolicy
from kernel.tasks.worker.pulse import LONGEST_SILENCE_S
from reporting.settings import TierSettings
from tests.template.stack import (
    EVERYTHING,
    PHASES,
    ROOT,
    functions,
    listed,
    load,
    resources,
    statements,
    statements_of,
    system,
)
from worker.settings import WorkerSettings
from zebros.cloudformation import Account, TemplateError, resolve

# "Fargate report tasks: 1 task, 0.25 vCPU / 0.5 GB; 1-3; 2-10 across AZs; reporting, analytics,
# import/export as separate services". There is no job of exports.
TASKS = {"mvp": (1, 1), "startup": (1, 3), "growth": (2, 10), "enterprise": (2, 10)}
SERVICES = {
    "mvp": {"StandardWorker"},
    "startup": {"StandardWorker"},
    "growth": {"StandardWorker"},
    "enterprise": {"StandardWorker", "AnalyticsWorker", "ImportWorker"},
}
# Of the tiers of tasks "standard reports 0.5 vCPU / 1 GB", "data import 1 vCPU / 2 GB", "advanced
# analytics 4 vCPU / 8 GB"; at mvp "0.25 vCPU / 0.5 GB".
SIZES = {
    "StandardWorker": (512, 1024),
    "ImportWorker": (1024, 2048),
    "AnalyticsWorker": (4096, 8192),
}
MVP_SIZE = (256, 512)
QUEUES = {
    "StandardWorker": "ReportTasksQueue",
    "AnalyticsWorker": "ReportAnalyticsQueue",
    "ImportWorker": "ImportTasksQueue",
}
ROLES = {"StandardWorker": "TaskRole", "AnalyticsWorker": "TaskRole"}
ROLES["ImportWorker"] = "ImportTaskRole"
# "CPU utilisation > 70 % -> more Fargate tasks"; "memory utilisation > 70 % -> more" memory, of
# tasks: more of them; "report queue > 10 tasks -> more Fargate tasks".
BUSY_PERCENT, BACKLOG = 70, 10
IMPORT_BACKLOG = 1
"""Ours: an import may take six hours, and a task waits for a worker for an hour at most."""
# "Analytics APIs 3 GB": a new account allows at most 3,008 MB.
FUNCTION_MEMORY = 3008
# Measured (docs/adr/0020): MB and files of the lake.
FUNCTION_LIMIT, STANDARD_LIMIT = (1000, 40_000), (3000, 80_000)
MODULE = ROOT / "infra" / "modules" / "worker.yaml"
ALL = tuple(QUEUES)


def of_service(service: str, kind: str, **parameters: str) -> dict[str, dict[str, Any]]:
    """The resources of a type of one service of workers, without the service's prefix."""
    found = system(**parameters).in_stack(f"zebros/Worker/{service}")
    return {n.removeprefix(service): r.properties for n, r in found.items() if r.type == kind}


def one(service: str, kind: str, **parameters: str) -> dict[str, Any]:
    (found,) = of_service(service, kind, **parameters).values()
    return found


def services(**parameters: str) -> set[str]:
    """The services of workers that exist."""
    stacks = system(**parameters).stacks
    return {name.rpartition("/")[2] for name, path in stacks.items() if path == MODULE}


def environment(service: str, **parameters: str) -> dict[str, Any]:
    """The variables of a service's container."""
    (container,) = one(service, "AWS::ECS::TaskDefinition", **parameters)["ContainerDefinitions"]
    return {variable["Name"]: variable["Value"] for variable in container["Environment"]}


def policies(service: str) -> dict[str, dict[str, Any]]:
    """The scaling policies of a service by name, without what all have in common."""
    found = {}
    for policy in of_service(service, "AWS::ApplicationAutoScaling::ScalingPolicy").values():
        assert policy["PolicyType"] == "TargetTrackingScaling"
        assert policy["ScalingTargetId"] == {"Ref": f"{service}ScalableTarget"}
        found[policy["PolicyName"]] = policy["TargetTrackingScalingPolicyConfiguration"]
    return found


@pytest.mark.parametrize("phase", PHASES)
def test_a_phase_has_its_services_each_with_its_number_and_size_of_tasks(phase: str) -> None:
    assert services(Phase=phase) == SERVICES[phase]
    for service in SERVICES[phase]:
        target = one(service, "AWS::ApplicationAutoScaling::ScalableTarget", Phase=phase)
        assert (target["MinCapacity"], target["MaxCapacity"]) == TASKS[phase]
        task = one(service, "AWS::ECS::TaskDefinition", Phase=phase)
        wanted = MVP_SIZE if phase == "mvp" else SIZES[service]
        assert (task["Cpu"], task["Memory"]) == wanted
        given = environment(service, Phase=phase)
        # The container does not see the task's limits; the query engine reads these.
        assert (given["TASK_CPU_UNITS"], given["TASK_MEMORY_MEGABYTES"]) == wanted


@pytest.mark.parametrize("service", ALL)
def test_a_worker_that_hangs_is_replaced_within_minutes(service: str) -> None:
    (container,) = one(service, "AWS::ECS::TaskDefinition")["ContainerDefinitions"]
    check = container["HealthCheck"]
    assert check == {
        "Command": ["CMD", "python3", "-m", "worker.health"],
        "Interval": 30,
        "Timeout": 20,  # Python takes seconds to start on a busy task
        "Retries": 3,
        "StartPeriod": 60,
    }
    assert container["Essential"] is True, "without its worker a task is replaced"
    silent_s = LONGEST_SILENCE_S + check["Retries"] * check["Interval"]
    assert 180 <= silent_s <= 300
    image = (ROOT / "worker" / "Dockerfile").read_text(encoding="utf-8")
    assert 'CMD ["python3", "-m", "worker.health"]' in image


@pytest.mark.parametrize("service", ALL)
def test_the_scalable_target_is_the_service_and_never_has_less_than_one_task(service: str) -> None:
    target = one(service, "AWS::ApplicationAutoScaling::ScalableTarget")
    assert target["ServiceNamespace"] == "ecs"
    assert target["ScalableDimension"] == "ecs:service:DesiredCount"
    assert target["ResourceId"] == {"Fn::Sub": f"service/${{Cluster}}/${{{service}Service.Name}}"}
    assert load("infra/modules/worker.yaml")["Parameters"]["MinTasks"]["MinValue"] == 1


@pytest.mark.parametrize("service", ALL)
def test_workers_scale_by_cpu_by_memory_and_by_the_backlog_of_a_task(service: str) -> None:
    found = policies(service)
    assert set(found) == {"cpu", "memory", "backlog-per-task"}
    for name, metric in (("cpu", "CPU"), ("memory", "Memory")):
        assert found[name]["TargetValue"] == BUSY_PERCENT
        predefined = found[name]["PredefinedMetricSpecification"]["PredefinedMetricType"]
        assert predefined == f"ECSServiceAverage{metric}Utilization"
    backlog = IMPORT_BACKLOG if service == "ImportWorker" else BACKLOG
    assert found["backlog-per-task"]["TargetValue"] == backlog
    for name, policy in found.items():
        cooldowns = (policy["ScaleOutCooldown"], policy["ScaleInCooldown"])
        assert cooldowns == (30 if name == "backlog-per-task" else 60, 300), "out fast, in slowly"
        assert policy.get("DisableScaleIn", False) is False


@pytest.mark.parametrize("service", ALL)
def test_the_backlog_is_that_of_the_service_s_own_queue_and_tasks(service: str) -> None:
    backlog = policies(service)["backlog-per-task"]["CustomizedMetricSpecification"]["Metrics"]
    metrics = {m["Id"]: m["MetricStat"] for m in backlog if "MetricStat" in m}
    waiting, running = metrics["waiting"]["Metric"], metrics["running"]["Metric"]
    assert (waiting["Namespace"], waiting["MetricName"]) == (
        "AWS/SQS",
        "ApproximateNumberOfMessagesVisible",
    )
    # The most that waited within a minute, but no task that ran for a part of it only.
    assert (metrics["waiting"]["Stat"], metrics["running"]["Stat"]) == ("Maximum", "Average")
    queue = {"Fn::GetAtt": [QUEUES[service], "QueueName"]}
    assert waiting["Dimensions"] == [{"Name": "QueueName", "Value": queue}]
    assert (running["Namespace"], running["MetricName"]) == (
        "ECS/ContainerInsights",
        "RunningTaskCount",
    )
    assert running["Dimensions"] == [
        {"Name": "ClusterName", "Value": {"Ref": "Cluster"}},
        {"Name": "ServiceName", "Value": {"Fn::GetAtt": [f"{service}Service", "Name"]}},
    ]
    (math,) = [m for m in backlog if "Expression" in m]
    assert [m["Id"] for m in backlog if m["ReturnData"]] == [math["Id"]]
    assert resources("AWS::ECS::Cluster")["Cluster"]["ClusterSettings"] == [
        {"Name": "containerInsights", "Value": "enabled"}
    ], "it publishes RunningTaskCount"


@pytest.mark.parametrize(
    ("waiting", "running", "scales_out"),
    [(1, 0, True), (0, 0, False), (10, 1, False), (11, 1, True), (20, 2, False), (21, 2, True)],
)
def test_one_waiting_task_starts_the_first_worker_and_more_than_ten_another(
    waiting: int, running: int, scales_out: bool
) -> None:
    backlog = policies("StandardWorker")["backlog-per-task"]
    (math,) = [m for m in backlog["CustomizedMetricSpecification"]["Metrics"] if "Expression" in m]
    expression = math["Expression"]
    expression = expression["Fn::Sub"] if isinstance(expression, dict) else expression
    scope = {
        "IF": lambda condition, yes, no: yes() if condition else no(),
        "FILL": lambda value, other: other if value is None else value,
        "waiting": waiting,
        "running": running or None,  # without a task there is no metric
    }
    name, rest = expression.split("(", 1)
    condition, yes, no = rest.removesuffix(")").rsplit(", ", 2)
    lazy = f"{name}({condition}, lambda: {yes}, lambda: {no})"
    value = eval(lazy, scope)
    assert (value > backlog["TargetValue"]) == scales_out
    assert running or value == 2 * waiting * BACKLOG


@pytest.mark.parametrize("service", ALL)
def test_workers_are_on_spot_first_in_two_zones_and_accept_no_connection(service: str) -> None:
    found = one(service, "AWS::ECS::Service")
    weights = {c["CapacityProvider"]: c["Weight"] for c in found["CapacityProviderStrategy"]}
    assert weights == {"FARGATE_SPOT": 3, "FARGATE": 1}
    assert set(weights) == set(resources("AWS::ECS::Cluster")["Cluster"]["CapacityProviders"])
    network = found["NetworkConfiguration"]["AwsvpcConfiguration"]
    assert len(subnet_zones(network["Subnets"])) >= 2
    assert network["AssignPublicIp"] == "ENABLED", "no NAT gateway is needed"
    assert network["SecurityGroups"] == [{"Ref": f"{service}EgressOnly"}]
    group = one(service, "AWS::EC2::SecurityGroup")
    assert "SecurityGroupIngress" not in group
    assert [
        (e["IpProtocol"], e["FromPort"], e["ToPort"]) for e in group["SecurityGroupEgress"]
    ] == [("tcp", 443, 443)]
    assert group["VpcId"] == {"Ref": "Vpc"}


def subnet_zones(subnets: Any) -> set[str]:
    """The availability zones of a service's subnets."""
    known = resources("AWS::EC2::Subnet")
    return {known[one["Ref"]]["AvailabilityZone"] for one in subnets}


@pytest.mark.parametrize("service", ALL)
def test_a_worker_reads_the_queue_of_its_tier_and_stops_within_spot_s_notice(service: str) -> None:
    given = environment(service)
    assert given["TASK_QUEUE_URL"] == {"Ref": QUEUES[service]}
    assert (given["LAKE_BUCKET"], given["FILES_BUCKET"]) == (
        {"Ref": "LakeBucket"},
        {"Ref": "FilesBucket"},
    )
    assert given["REPORTING_TABLE_NAME"] == "zebros-reporting"
    assert given["IMPORTS_TABLE_NAME"] == "zebros-imports"
    for name in ("Customers", "Opportunities"):
        assert given[f"{name.upper()}_API_ARN"] == {"Ref": f"{name}ApiAliaslive"}
    task = one(service, "AWS::ECS::TaskDefinition")
    assert (task["NetworkMode"], task["RequiresCompatibilities"]) == ("awsvpc", ["FARGATE"])
    (container,) = task["ContainerDefinitions"]
    assert container["StopTimeout"] == 110, "Spot gives 120 seconds"
    assert given["AWS_DEFAULT_REGION"] == "us-east-1"
    assert task["Family"] == f"zebros-Worker-{service}"
    assert container["Image"] == EVERYTHING["WorkerImage"]
    assert task["TaskRoleArn"] == {"Fn::GetAtt": [ROLES[service], "Arn"]}
    assert task["ExecutionRoleArn"] == {"Fn::GetAtt": ["ExecutionRole", "Arn"]}
    log = container["LogConfiguration"]["Options"]
    assert log["awslogs-group"] == {"Ref": "Logs"}
    assert log["awslogs-region"] == "us-east-1"
    assert one(service, "AWS::ECS::Service")["TaskDefinition"] == {"Ref": f"{service}Task"}
    assert one(service, "AWS::ECS::Service")["Cluster"] == {"Ref": "Cluster"}


@pytest.mark.parametrize("service", ALL)
def test_an_image_that_does_not_start_fails_the_deployment_within_minutes(service: str) -> None:
    """Without the circuit breaker CloudFormation waits for hours for tasks that never run."""
    found = one(service, "AWS::ECS::Service")
    deployment = found["DeploymentConfiguration"]
    assert deployment["DeploymentCircuitBreaker"] == {"Enable": True, "Rollback": True}
    # A new task before an old one ends, and none is needed: a queue can wait.
    assert (deployment["MinimumHealthyPercent"], deployment["MaximumPercent"]) == (0, 200)
    assert "DesiredCount" not in found, "every update would undo the scaling"


@pytest.mark.parametrize("service", ALL)
def test_a_task_s_disk_has_room_for_its_cache_and_its_temporary_files(service: str) -> None:
    given = environment(service)
    used = given["CACHE_MEGABYTES"] + given["TEMPORARY_MEGABYTES"]
    storage = one(service, "AWS::ECS::TaskDefinition").get("EphemeralStorage", {"SizeInGiB": 20})
    # The image and the system take some: Fargate's 20 GB include them.
    assert used <= storage["SizeInGiB"] * 1000 * 0.9
    cache = 50_000 if service == "AnalyticsWorker" else 2 * STANDARD_LIMIT[0]
    assert given["CACHE_MEGABYTES"] >= cache, "the largest lake, and another one"
    # Measured: a task of 512 MB spills 1.7 times the size of the files.
    assert given["TEMPORARY_MEGABYTES"] >= 0.8 * given["CACHE_MEGABYTES"]
    assert {"CACHE_MEGABYTES", "TEMPORARY_MEGABYTES"} <= settings(DiskSettings)


def test_a_worker_of_imports_has_the_disk_of_a_standard_one() -> None:
    """It has the upload, of 512 MB at most, and the rejected lines."""
    own, standard = environment("ImportWorker"), environment("StandardWorker")
    for name in ("CACHE_MEGABYTES", "TEMPORARY_MEGABYTES"):
        assert own[name] == standard[name]


def settings(model: type[NamedTuple]) -> set[str]:
    """The variables of a settings class."""
    return {name.upper() for name in model._fields}


def test_analytics_has_a_disk_beyond_the_twenty_gigabytes_that_are_included() -> None:
    assert one("AnalyticsWorker", "AWS::ECS::TaskDefinition")["EphemeralStorage"] == {
        "SizeInGiB": 100
    }
    for service in ("StandardWorker", "ImportWorker"):
        assert "EphemeralStorage" not in one(service, "AWS::ECS::TaskDefinition")
    disk = load("infra/modules/worker.yaml")["Parameters"]["DiskGigabytes"]
    assert (disk["MinValue"], disk["MaxValue"]) == (20, 200), "what Fargate offers"


def test_a_busy_worker_may_protect_its_own_tasks_and_no_others() -> None:
    for role in set(ROLES.values()):
        allowed = statements_of(role)
        (protect,) = [s for s in allowed if s["Action"] == "ecs:UpdateTaskProtection"]
        assert protect["Resource"]["Fn::Sub"].endswith(":task/${Cluster}/*")
    assert "ECS_AGENT_URI" in settings(WorkerSettings)


def received(role: str, **parameters: str) -> list[Any]:
    """The queues from which a role receives."""
    return [
        queue
        for one in statements_of(role, **parameters)
        if "sqs:ReceiveMessage" in one["Action"]
        for queue in listed(one["Resource"])
    ]


@pytest.mark.parametrize("phase", PHASES)
def test_a_role_receives_tasks_from_the_queues_of_its_services_alone(phase: str) -> None:
    arns = {name: {"Fn::GetAtt": [queue, "Arn"]} for name, queue in QUEUES.items()}
    reports = [arns["StandardWorker"], arns["AnalyticsWorker"]]
    assert received("TaskRole", Phase=phase) == reports
    if phase == "enterprise":
        assert received("ImportTaskRole", Phase=phase) == [arns["ImportWorker"]]


@pytest.mark.parametrize("phase", PHASES)
def test_only_who_carries_out_imports_may_invoke_the_apis(phase: str) -> None:
    """They trust the claims that they are given, so whoever invokes them may be anybody."""
    importer = "ImportTaskRole" if phase == "enterprise" else "TaskRole"
    who = {
        role: [listed(one["Resource"]) for one in allowed]
        for role in resources("AWS::IAM::Role", Phase=phase)
        if (
            allowed := [
                one
                for one in statements_of(role, Phase=phase)
                if "lambda:InvokeFunction" in listed(one["Action"])
                and "ApiAliaslive" in str(one["Resource"])
            ]
        )
    }
    apis = [{"Ref": f"{name}ApiAliaslive"} for name in ("Customers", "Opportunities")]
    assert who == {importer: [apis]}


@pytest.mark.parametrize("phase", PHASES)
def test_the_role_of_a_worker_answers_the_machines_of_its_tasks(phase: str) -> None:
    def answered(role: str) -> list[Any]:
        answers = ["states:SendTaskSuccess", "states:SendTaskFailure", "states:SendTaskHeartbeat"]
        found = statements_of(role, Phase=phase)
        return [one["Resource"] for one in found if one["Action"] == answers]

    reports, imports = {"Ref": "ReportFlow"}, {"Ref": "ImportFlow"}
    if phase == "enterprise":
        assert answered("TaskRole") == [reports]
        assert answered("ImportTaskRole") == [imports]
    else:
        assert answered("TaskRole") == [reports, imports]


@pytest.mark.parametrize("service", ALL)
def test_a_service_begins_when_its_tasks_have_their_rights(service: str) -> None:
    needed = load("infra/workers.yaml")["Resources"][service]["DependsOn"]
    own = {
        "StandardWorker": ["ReportRights", "ImportRights"],
        "AnalyticsWorker": ["ReportRights"],
        "ImportWorker": ["ImportRights"],
    }
    assert needed == ["WorkerRights", *own[service]]


# ---- Where reports are made ----------------------------------------------------------------------


def steps_environment(**parameters: str) -> dict[str, Any]:
    found: dict[str, Any] = functions(**parameters)["ReportingSteps"]["Environment"]["Variables"]
    return found


@pytest.mark.parametrize("phase", PHASES)
def test_the_tiers_have_the_limits_that_were_measured(phase: str) -> None:
    given = steps_environment(Phase=phase)
    limits = [
        (given[f"{tier}_LAKE_MEGABYTES"], given[f"{tier}_LAKE_FILES"])
        for tier in ("FUNCTION", "STANDARD")
    ]
    assert limits == [FUNCTION_LIMIT, STANDARD_LIMIT]
    assert {name for name in given if "LAKE_" in name or "QUEUE" in name} - {"LAKE_BUCKET"} == (
        settings(TierSettings)
    )


@pytest.mark.parametrize(
    ("phase", "image", "standard", "analytics"),
    [
        ("mvp", "", "", ""),
        ("enterprise", "", "", ""),
        ("mvp", "worker:1", "ReportTasksQueue", "ReportTasksQueue"),
        ("growth", "worker:1", "ReportTasksQueue", "ReportTasksQueue"),
        ("enterprise", "worker:1", "ReportTasksQueue", "ReportAnalyticsQueue"),
    ],
)
def test_a_tier_s_tasks_go_to_the_queue_that_its_workers_read(
    phase: str, image: str, standard: str, analytics: str
) -> None:
    given = steps_environment(Phase=phase, WorkerImage=image)
    urls = [given["STANDARD_QUEUE_URL"], given["ANALYTICS_QUEUE_URL"]]
    assert urls == [{"Ref": name} if name else "" for name in (standard, analytics)]


def test_locally_one_worker_reads_one_queue_in_every_phase() -> None:
    local = resolve(
        ROOT / "template.yaml",
        {"Phase": "enterprise", "WorkerImage": "worker:1"},
        account=Account(account_id="000000000000"),
    )
    given = local.resources["ReportingSteps"].properties["Environment"]["Variables"]
    assert given["STANDARD_QUEUE_URL"] == {"Ref": "ReportTasksQueue"}
    assert given["ANALYTICS_QUEUE_URL"] == {"Ref": "ReportTasksQueue"}
    given = local.resources["ImportsSteps"].properties["Environment"]["Variables"]
    assert given["IMPORT_QUEUE_URL"] == {"Ref": "ReportTasksQueue"}


@pytest.mark.parametrize(
    ("phase", "image", "queue"),
    [
        ("mvp", "", ""),
        ("enterprise", "", ""),
        ("mvp", "worker:1", "ReportTasksQueue"),
        ("startup", "worker:1", "ReportTasksQueue"),
        ("growth", "worker:1", "ReportTasksQueue"),
        ("enterprise", "worker:1", "ImportTasksQueue"),
    ],
)
def test_imports_go_to_the_queue_that_their_workers_read(
    phase: str, image: str, queue: str
) -> None:
    """Before they have workers of their own, the standard workers carry them out."""
    steps = functions(Phase=phase, WorkerImage=image)["ImportsSteps"]
    given = steps["Environment"]["Variables"]["IMPORT_QUEUE_URL"]
    assert given == ({"Ref": queue} if queue else "")


@pytest.mark.parametrize("phase", PHASES)
def test_no_phase_deletes_a_queue_with_waiting_tasks(phase: str) -> None:
    queues = resources("AWS::SQS::Queue", Phase=phase, WorkerImage="")
    assert set(QUEUES.values()) <= set(queues)
    for name in ("ReportTasks", "ReportAnalytics", "ImportTasks"):
        assert queues[f"{name}Queue"]["VisibilityTimeout"] == 120
        dead = queues[f"{name}Queue"]["RedrivePolicy"]["deadLetterTargetArn"]
        assert dead == {"Fn::GetAtt": [f"{name}DeadLetters", "Arn"]}


@pytest.mark.parametrize("phase", PHASES)
def test_small_reports_have_a_function_of_three_gigabytes_in_every_phase(phase: str) -> None:
    function = functions(Phase=phase, WorkerImage="")["ReportingAnalytics"]
    assert function["MemorySize"] == FUNCTION_MEMORY
    assert function["Timeout"] == 900, "the longest that Lambda allows"
    assert function["Layers"] == ["DepsLayer", "AnalyticsLayer"]
    given = function["Environment"]["Variables"]
    used = given["CACHE_MEGABYTES"] + given["TEMPORARY_MEGABYTES"]
    assert used * 1.1 <= function["EphemeralStorage"]["Size"] <= 10_240
    assert given["TEMPORARY_MEGABYTES"] >= 2 * FUNCTION_LIMIT[0]
    assert given["CACHE_MEGABYTES"] >= 1.25 * FUNCTION_LIMIT[0], "the lake grows meanwhile"


def test_the_step_that_lists_the_lake_has_the_time_for_it() -> None:
    """81 pages for the files of the standard limit, and one; 0.26 s of CPU each at 1 GB."""
    pages = STANDARD_LIMIT[1] // 1000 + 1
    assert functions()["ReportingSteps"]["Timeout"] >= 0.5 * pages
    (listing,) = [s for s in statements("ReportingSteps") if s["Action"] == "s3:ListBucket"]
    assert "${LakeBucket}" in str(listing["Resource"])


def test_small_reports_can_be_left_to_workers() -> None:
    given = steps_environment(SmallReports="worker")
    assert given["FUNCTION_LAKE_MEGABYTES"] == 0
    message = "SmallReports=worker needs a worker: set WorkerImage to its image."
    with pytest.raises(TemplateError, match=message):
        resolve(ROOT / "template.yaml", {"SmallReports": "worker"})


@pytest.mark.parametrize(
    ("flow", "functions", "queues"),
    [
        (
            "ReportFlow",
            ["ReportingSteps", "ReportingAnalytics"],
            ["ReportTasksQueue", "ReportAnalyticsQueue"],
        ),
        ("ImportFlow", ["ImportsSteps"], ["ImportTasksQueue", "ReportTasksQueue"]),
    ],
)
def test_a_state_machine_may_invoke_its_functions_and_send_to_its_queues(
    flow: str, functions: list[str], queues: list[str]
) -> None:
    allowed = statements_of(system().resources[flow].properties["RoleArn"]["Fn::GetAtt"][0])
    found = {
        one["Action"]: listed(one["Resource"])
        for one in allowed
        if one["Action"] in ("lambda:InvokeFunction", "sqs:SendMessage")
    }
    arns = [[{"Fn::GetAtt": [name, "Arn"]} for name in names] for names in (functions, queues)]
    assert found == dict(zip(("lambda:InvokeFunction", "sqs:SendMessage"), arns, strict=True))


def test_the_state_machine_waits_longer_than_the_function_may_run() -> None:
    states = system().resources["ReportFlow"].properties["DefinitionString"]["States"]
    run = states["RunInFunction"]
    timeout = functions()["ReportingAnalytics"]["Timeout"]
    assert timeout < run["TimeoutSeconds"] < RetryPolicy().max_seconds
    substitutions = system().resources["ReportFlow"].properties["DefinitionSubstitutions"]
    assert run["Parameters"]["FunctionName"] == "${AnalyticsFunctionArn}"
    assert substitutions["AnalyticsFunctionArn"] == {"Fn::GetAtt": ["ReportingAnalytics", "Arn"]}


def test_the_function_may_only_write_files_and_its_own_table() -> None:
    found = statements("ReportingAnalytics")
    writes = {str(s["Action"]): s["Resource"] for s in found if "Put" in str(s["Action"])}
    assert len(writes) == 2
    assert "FilesBucket" in str(writes["s3:PutObject"])


@pytest.mark.parametrize("service", ALL)
def test_a_worker_writes_to_its_scratch_volume_alone(service: str) -> None:
    task = one(service, "AWS::ECS::TaskDefinition")
    (container,) = task["ContainerDefinitions"]
    assert container["ReadonlyRootFilesystem"] is True
    assert task["Volumes"] == [{"Name": "scratch"}], "without a host: on the task's own disk"
    mount = {"SourceVolume": "scratch", "ContainerPath": "/scratch", "ReadOnly": False}
    assert container["MountPoints"] == [mount]
    environment = {entry["Name"]: entry["Value"] for entry in container["Environment"]}
    assert environment["WORK_FOLDER"] == "/scratch", "caches and temporary files"


def test_the_worker_s_image_gives_the_scratch_folder_to_its_user() -> None:
    """A volume of Fargate takes its owner from the image's VOLUME; otherwise it is root's."""
    lines = (ROOT / "worker" / "Dockerfile").read_text(encoding="utf-8").splitlines()
    assert any(line.startswith("RUN ") and "chown 65534:65534 /scratch" in line for line in lines)
    made = next(n for n, line in enumerate(lines) if "chown 65534:65534 /scratch" in line)
    assert lines.index('VOLUME ["/scratch"]') > made
    assert "USER 65534:65534" in lines
