"""The resolved templates compared with the scaling strategy, whose sentences are quoted."""

import pytest

from tests.template.stack import PHASES, ROOT, functions, load, of_worker, resources, system
from zebros.cloudformation import Account, TemplateError, Usage, resolve

# "Lambda default memory / concurrency: 128 MB / 100, 256 MB / 200, 512 MB, as growth". The strategy
# gives no concurrency for growth and enterprise; ours leaves an account its 100 of 1,000.
MEMORY = {"mvp": 128, "startup": 256, "growth": 512, "enterprise": 512}
CONCURRENCY = {"mvp": 100, "startup": 200, "growth": 400, "enterprise": 800}
# "Customer APIs 256 MB, Opportunity APIs 256 MB, Reporting APIs 1 GB, Notification functions
# 128 MB."
# "Function sizing wins; the phase gives the default for functions not listed."
SIZES = {
    "CustomersApi": 256,
    "OpportunitiesApi": 256,
    "ReportingApi": 1024,
    "NotificationsApi": 128,
    "NotificationsEvents": 128,
    "NotificationsRelay": 128,
    "NotificationsSocket": 128,
}
# Ours: the authorizer is on every request's way, and the lake writer compresses batches.
OWN_SIZES = {"Authorizer": 256, "ReportingLake": 256}
# "Fargate report tasks: 1 task, 0.25 vCPU / 0.5 GB; 1-3; 2-10 across AZs"; "standard reports
# 0.5 vCPU / 1 GB".
TASKS = {"mvp": (1, 1), "startup": (1, 3), "growth": (2, 10), "enterprise": (2, 10)}
TASK_SIZES = {"mvp": (256, 512)}
STANDARD_SIZE = (512, 1024)


@pytest.mark.parametrize("phase", PHASES)
def test_a_function_has_its_own_size_or_the_phase_s_default(phase: str) -> None:
    for name, function in functions(Phase=phase).items():
        wanted = (SIZES | OWN_SIZES).get(name, MEMORY[phase])
        assert function["MemorySize"] == wanted, name


@pytest.mark.parametrize("phase", PHASES)
def test_the_phase_s_concurrency_is_shared_out_among_all_functions(phase: str) -> None:
    shares = {n: f["ReservedConcurrentExecutions"] for n, f in functions(Phase=phase).items()}
    assert 0.97 * CONCURRENCY[phase] <= sum(shares.values()) <= CONCURRENCY[phase]
    waited_for = min(shares[name] for name in ("Authorizer", "CustomersApi", "OpportunitiesApi"))
    for name, share in shares.items():
        if not name.endswith("Api"):
            assert share <= waited_for, f"{name} could starve what people wait for"


def test_an_account_with_a_low_quota_reserves_nothing() -> None:
    assert load()["Parameters"]["ReserveConcurrency"]["Default"] == "no"
    for name, function in functions(ReserveConcurrency="no").items():
        assert "ReservedConcurrentExecutions" not in function, name


@pytest.mark.parametrize("phase", PHASES)
def test_a_queue_never_invokes_a_consumer_beyond_its_share(phase: str) -> None:
    mappings = resources("AWS::Lambda::EventSourceMapping", Phase=phase)
    queues = {n: m for n, m in mappings.items() if "ScalingConfig" in m}
    assert len(queues) == 5
    for name, mapping in queues.items():
        share = functions(Phase=phase)[mapping["FunctionName"]["Ref"]]
        most = mapping["ScalingConfig"]["MaximumConcurrency"]
        assert 2 <= most <= share["ReservedConcurrentExecutions"], name
        if name != "ReportingLakeSource":
            assert most == share["ReservedConcurrentExecutions"], name


def test_the_parameter_offers_exactly_the_phases() -> None:
    assert load()["Parameters"]["Phase"]["AllowedValues"] == list(PHASES)
    assert load()["Parameters"]["Phase"]["Default"] == "mvp"


@pytest.mark.parametrize("phase", PHASES)
def test_report_tasks_have_the_phase_s_number_and_size(phase: str) -> None:
    (target,) = of_worker("AWS::ApplicationAutoScaling::ScalableTarget", Phase=phase).values()
    assert (target["MinCapacity"], target["MaxCapacity"]) == TASKS[phase]
    (task,) = of_worker("AWS::ECS::TaskDefinition", Phase=phase).values()
    assert (task["Cpu"], task["Memory"]) == TASK_SIZES.get(phase, STANDARD_SIZE)


def test_a_default_deployment_needs_no_image_and_starts_small() -> None:
    small = resolve(ROOT / "template.yaml")
    assert small.parameters["Phase"] == "mvp"
    kinds = {resource.type.split("::")[1] for resource in small.resources.values()}
    assert not kinds & {"ECS", "EC2", "ElastiCache", "DAX", "RDS", "ApplicationAutoScaling"}


def test_resources_that_only_the_cloud_has_are_left_out_locally() -> None:
    local = resolve(
        ROOT / "template.yaml",
        {"Phase": "enterprise", "WorkerImage": "worker:1"},
        account=Account(account_id="000000000000"),
    )
    kinds = {resource.type for resource in local.resources.values()}
    unknown = {"AWS::ApplicationAutoScaling::ScalableTarget", "AWS::ECS::Service"}
    assert not kinds & unknown, "the local platform knows none of these"
    assert unknown <= {resource.type for resource in system().resources.values()}


def test_the_worker_prefers_spot_and_scales_by_backlog_per_running_task() -> None:
    (service,) = of_worker("AWS::ECS::Service").values()
    weights = {c["CapacityProvider"]: c["Weight"] for c in service["CapacityProviderStrategy"]}
    assert weights["FARGATE_SPOT"] > weights["FARGATE"]
    (policy,) = of_worker("AWS::ApplicationAutoScaling::ScalingPolicy").values()
    metrics = policy["TargetTrackingScalingPolicyConfiguration"]["CustomizedMetricSpecification"]
    (expression,) = [m["Expression"] for m in metrics["Metrics"] if "Expression" in m]
    assert "waiting / running" in expression
    (container,) = of_worker("AWS::ECS::TaskDefinition").values()
    assert container["ContainerDefinitions"][0]["StopTimeout"] < 120, "Spot's notice"


def test_an_image_that_does_not_start_fails_the_deployment_within_minutes() -> None:
    """Without the circuit breaker CloudFormation waits for hours for tasks that never run."""
    (service,) = of_worker("AWS::ECS::Service").values()
    breaker = service["DeploymentConfiguration"]["DeploymentCircuitBreaker"]
    assert breaker == {"Enable": True, "Rollback": True}


def test_an_update_leaves_as_many_workers_as_the_backlog_asked_for() -> None:
    (service,) = of_worker("AWS::ECS::Service").values()
    assert "DesiredCount" not in service, "every update would reset it"


IDENTITY = {
    "IdentityImage": "keycloak:1",
    "IdentityDomainName": "id.example.com",
    "IdentityCertificateArn": "arn:aws:acm:us-east-1:123456789012:certificate/1",
    "CloudFrontPrefixListId": "pl-3b927c52",
}
WITH_ADMINS = IDENTITY | {"IdentityAdminCidr": "203.0.113.7/32"}


def configurations() -> list[tuple[dict[str, str], Account]]:
    """Every phase with every combination of options, in AWS, on a laptop, under `sam local`."""
    accounts = (Account(), Account(account_id="000000000000"), Account(stack_name="local"))
    return [
        (
            {"Phase": phase, "WorkerImage": image, "ReserveConcurrency": reserve, **identity},
            account,
        )
        for phase in PHASES
        for image in ("", "worker:1")
        for identity in ({}, IDENTITY, WITH_ADMINS)
        for reserve in ("no", "yes")
        for account in accounts
    ]


def test_every_parameter_figure_and_condition_has_a_use() -> None:
    usage = Usage()
    for parameters, account in configurations():
        resolve(ROOT / "template.yaml", parameters, account=account, usage=usage)
    assert usage.unused() == []
    assert usage.constant() == [], "a condition that is never true, or never false"


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"Phase": "large"}, "Phase cannot be 'large'; allowed are mvp, startup, growth, ent"),
        ({"LakeFlushSeconds": "0"}, "LakeFlushSeconds cannot be '0'; it must be between 1 and 300"),
        ({"LakeFlushSeconds": "soon"}, "LakeFlushSeconds cannot be 'soon'; it must be a number"),
        ({"IssuerBase": "ftp://x/"}, "IssuerBase cannot be 'ftp://x/'; it must match"),
        ({"Size": "big"}, "has no parameter Size; it has Audience, "),
    ],
)
def test_a_wrong_parameter_is_rejected_by_name(parameters: dict[str, str], message: str) -> None:
    with pytest.raises(TemplateError, match=message):
        resolve(ROOT / "template.yaml", parameters)
