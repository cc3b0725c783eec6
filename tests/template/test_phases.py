"""The phases' figures compared with the scaling strategy, and rules that cfn-lint lacks."""

import json

import pytest

from tests.template.stack import functions, load, resources, system

# The scaling strategy: Lambda default memory and concurrency, report tasks, per phase.
STRATEGY = {
    "mvp": (128, 100, (1, 1), (256, 512)),
    "startup": (256, 200, (1, 3), (512, 1024)),
    "growth": (512, 200, (2, 10), (512, 1024)),
    "enterprise": (512, 200, (2, 10), (512, 1024)),
}
# Function sizes that override the phase's default.
SIZES = {"CustomersApi": 256, "OpportunitiesApi": 256, "ReportingApi": 1024, "Notifications": 128}


@pytest.mark.parametrize("phase", STRATEGY)
def test_a_phase_has_the_strategy_s_figures(phase: str) -> None:
    found = load()["Mappings"]["Phases"][phase]
    memory, concurrency, tasks, size = STRATEGY[phase]
    assert (found["DefaultMemory"], found["Concurrency"]) == (memory, concurrency)
    assert (found["WorkerMin"], found["WorkerMax"]) == tasks
    assert (found["WorkerCpu"], found["WorkerMemory"]) == size


def test_the_parameter_offers_exactly_the_phases() -> None:
    assert load()["Parameters"]["Phase"]["AllowedValues"] == list(STRATEGY)
    assert load()["Parameters"]["Phase"]["Default"] == "mvp"


@pytest.mark.parametrize("name", SIZES)
def test_function_sizes_win_over_the_phase(name: str) -> None:
    assert load()["Mappings"]["Classes"][name]["Memory"] == SIZES[name]
    sized = {"Fn::FindInMap": ["Classes", name, "Memory"]}
    users = [f for f, p in functions().items() if p.get("MemorySize") == sized]
    wanted = [f for f in functions() if f.startswith(name)]
    assert users
    assert set(users) <= set(wanted)


def test_no_figure_decreases_from_phase_to_phase() -> None:
    for phase in load()["Mappings"]["Phases"].values():
        assert phase["WorkerMin"] <= phase["WorkerMax"]


def test_a_default_deployment_needs_no_image_and_starts_small() -> None:
    assert load()["Parameters"]["WorkerImage"]["Default"] == ""
    assert load()["Resources"]["Worker"]["Condition"] == "HasWorker"


def test_resources_that_only_the_cloud_has_are_left_out_locally() -> None:
    conditions = load()["Conditions"]
    assert "000000000000" in json.dumps(conditions["IsCloud"])
    assert {"Condition": "IsCloud"} in conditions["HasWorker"]["Fn::And"]
    of_the_worker = system().stacks["Worker"].resources
    assert set(resources("AWS::ApplicationAutoScaling::ScalableTarget")) <= set(of_the_worker)
    for name, resource in of_the_worker.items():
        assert resource["Condition"] == "HasWorker", name


def test_the_worker_prefers_spot_and_scales_by_backlog_per_running_task() -> None:
    (service,) = resources("AWS::ECS::Service", "infra/workers.yaml").values()
    weights = {c["CapacityProvider"]: c["Weight"] for c in service["CapacityProviderStrategy"]}
    assert weights["FARGATE_SPOT"] > weights["FARGATE"]
    (policy,) = resources(
        "AWS::ApplicationAutoScaling::ScalingPolicy", "infra/workers.yaml"
    ).values()
    metrics = policy["TargetTrackingScalingPolicyConfiguration"]["CustomizedMetricSpecification"]
    (expression,) = [m["Expression"] for m in metrics["Metrics"] if "Expression" in m]
    assert "waiting / running" in expression["Fn::Sub"]
    (container,) = resources("AWS::ECS::TaskDefinition", "infra/workers.yaml").values()
    assert container["ContainerDefinitions"][0]["StopTimeout"] < 120, "Spot's notice"


def test_an_image_that_does_not_start_fails_the_deployment_within_minutes() -> None:
    """Without the circuit breaker CloudFormation waits for hours for tasks that never run."""
    (service,) = resources("AWS::ECS::Service", "infra/workers.yaml").values()
    breaker = service["DeploymentConfiguration"]["DeploymentCircuitBreaker"]
    assert breaker == {"Enable": True, "Rollback": True}


def test_an_update_leaves_as_many_workers_as_the_backlog_asked_for() -> None:
    (service,) = resources("AWS::ECS::Service", "infra/workers.yaml").values()
    assert "DesiredCount" not in service, "every update would reset it"
    (target,) = resources(
        "AWS::ApplicationAutoScaling::ScalableTarget", "infra/workers.yaml"
    ).values()
    assert (target["MinCapacity"], target["MaxCapacity"]) == (
        {"Ref": "MinTasks"},
        {"Ref": "MaxTasks"},
    )


def test_reserved_concurrency_leaves_an_account_its_unreserved_share() -> None:
    """An account's usual quota is 1,000; AWS keeps 100 unreserved for other functions."""
    by_phase = {"Fn::FindInMap": ["Phases", {"Ref": "Phase"}, "Concurrency"]}
    wanted = {"Fn::If": ["Reserves", by_phase, {"Ref": "AWS::NoValue"}]}
    reserving = [f for f, p in functions().items() if "ReservedConcurrentExecutions" in p]
    assert {"Authorizer", "CustomersApi", "OpportunitiesApi"} == set(reserving)
    for name in reserving:
        assert functions()[name]["ReservedConcurrentExecutions"] == wanted
    for phase in load()["Mappings"]["Phases"].values():
        assert len(reserving) * phase["Concurrency"] <= 1000 - 100
    assert {"Condition": "IsCloud"} in load()["Conditions"]["Reserves"]["Fn::And"]


def test_consumer_concurrency_grows_with_the_phase() -> None:
    phases = load()["Mappings"]["Phases"]
    counts = [phases[name]["Consumers"] for name in STRATEGY]
    assert counts == sorted(counts)
    assert counts[0] >= 2, "the smallest value for a queue's mapping"
