"""The resolved templates compared with the scaling strategy, whose sentences are quoted."""

import pytest

from tests.template.stack import (
    DOMAIN,
    EVERYTHING,
    IDENTITY,
    LEFT,
    PHASES,
    ROOT,
    SECONDARY,
    functions,
    load,
    resources,
    system,
)
from zebros.cloudformation import Account, TemplateError, Usage, resolve

# "Lambda default memory / concurrency: 128 MB / 100, 256 MB / 200, 512 MB, as growth". The strategy
# gives no concurrency for growth and enterprise; ours leaves an account its 100 of 1,000.
MEMORY = {"mvp": 128, "startup": 256, "growth": 512, "enterprise": 512}
CONCURRENCY = {"mvp": 100, "startup": 200, "growth": 400, "enterprise": 800}
# "Customer APIs 256 MB, Opportunity APIs 256 MB, Reporting APIs 1 GB, Analytics APIs 3 GB (a new
# account allows at most 3,008 MB), Notification functions 128 MB."
# "Function sizing wins; the phase gives the default for functions not listed."
SIZES = {
    "CustomersApi": 256,
    "OpportunitiesApi": 256,
    "ReportingApi": 1024,
    "ReportingAnalytics": 3008,
    "NotificationsApi": 128,
    "NotificationsEvents": 128,
    "NotificationsRelay": 128,
    "NotificationsSocket": 128,
    "NotificationsMaintenance": 128,
}
# Ours: the authorizer is on every request's way, the lake writer compresses batches, the steps of
# reports list the lake, links to files of imports are signed by a client of S3, and the scaling
# controller makes clients of seven services.
OWN_SIZES = {"Authorizer": 256, "ReportingLake": 256, "ReportingSteps": 1024}
OWN_SIZES |= {"ImportsApi": 256, "ScalingApi": 512, "ScalingSteps": 512}
TUNED = (
    "Authorizer",
    "Customers",
    "Opportunities",
    "Activities",
    "Reporting",
    "Imports",
    "Notifications",
)
"""What has a parameter for its memory."""


@pytest.mark.parametrize("phase", PHASES)
def test_a_function_has_its_own_size_or_the_phase_s_default(phase: str) -> None:
    for name, function in functions(Phase=phase).items():
        wanted = (SIZES | OWN_SIZES).get(name, MEMORY[phase])
        assert function["MemorySize"] == wanted, name


@pytest.mark.parametrize("phase", PHASES)
def test_the_phase_s_concurrency_is_shared_out_among_all_functions(phase: str) -> None:
    reserved = {n: f.get("ReservedConcurrentExecutions") for n, f in functions(Phase=phase).items()}
    shares = {name: share for name, share in reserved.items() if share is not None}
    assert {
        name for name in reserved if name.endswith("Maintenance") or name.startswith("Scaling")
    } == reserved.keys() - shares, (
        "an operator's commands run in what the account keeps, one at a time, and so does the"
        " controller, which works when the others are throttled"
    )
    assert sum(shares.values()) == CONCURRENCY[phase]
    waited_for = min(shares[name] for name in ("Authorizer", "CustomersApi", "OpportunitiesApi"))
    for name, share in shares.items():
        if not name.endswith("Api"):
            assert share <= waited_for, f"{name} could starve what people wait for"


def test_a_deployment_without_parameters_is_the_smallest_and_uses_no_option() -> None:
    """Whatever is not named here is empty, which switches its option off."""
    defaults = {name: one["Default"] for name, one in load()["Parameters"].items()}
    assert {name: value for name, value in defaults.items() if value not in ("", "0")} == {
        "Phase": "mvp",
        "IssuerBase": "https://id.example.com/realms/",
        "Audience": "zebros-api",
        "LakeFlushSeconds": 20,
        "GapGraceSeconds": 60,
        "SmallReports": "function",
        "ReserveConcurrency": "no",
        "RegionRole": "primary",
        "Dashboards": "auto",
        "BusinessTimeZone": "Etc/UTC",
        "ExistingBus": "no",
        "Deployment": "gradual",
        "OperatorTenant": "operator",
        "ScalingMode": "propose",
        "ScalingBudget": 100,
    }


def test_an_account_with_a_low_quota_reserves_nothing() -> None:
    assert load()["Parameters"]["ReserveConcurrency"]["Default"] == "no"
    for name, function in functions(ReserveConcurrency="no").items():
        assert "ReservedConcurrentExecutions" not in function, name


@pytest.mark.parametrize("phase", PHASES)
def test_a_queue_never_invokes_a_consumer_beyond_its_share(phase: str) -> None:
    mappings = resources("AWS::Lambda::EventSourceMapping", Phase=phase)
    queues = {n: m for n, m in mappings.items() if "ScalingConfig" in m}
    assert len(queues) == 10
    assert queues.pop("ScalingEventsSource")["ScalingConfig"] == {"MaximumConcurrency": 2}, (
        "usage has no share, and few environments for its counters"
    )
    for name, mapping in queues.items():
        share = functions(Phase=phase)[mapping["FunctionName"]["Ref"]]
        most = mapping["ScalingConfig"]["MaximumConcurrency"]
        assert 2 <= most == share["ReservedConcurrentExecutions"], name


def test_the_parameter_offers_exactly_the_phases() -> None:
    assert load()["Parameters"]["Phase"]["AllowedValues"] == list(PHASES)
    assert load()["Parameters"]["Phase"]["Default"] == "mvp"


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


WITH_ADMINS = IDENTITY | {"IdentityAdminCidr": "203.0.113.7/32"}


def configurations() -> list[tuple[dict[str, str], Account]]:
    """Every phase with every combination of options, in AWS, on a laptop, under `sam local`."""
    accounts = (Account(), Account(account_id="000000000000"), Account(stack_name="local"))
    options = [
        (
            {
                **(DOMAIN if phase in ("growth", "enterprise") else {}),
                "Phase": phase,
                **identity,
                "WorkerImage": image,
                "ReserveConcurrency": reserve,
                "ReplicaRegion": replica,
                # It needs a worker.
                "SmallReports": "worker" if image and reserve == "yes" else "function",
            },
            account,
        )
        for phase in PHASES
        for replica in (("", "eu-central-1") if phase == "enterprise" else ("",))
        for image in ("", "worker:1")
        for identity in ({}, IDENTITY, WITH_ADMINS)
        for reserve in ("no", "yes")
        for account in accounts
    ]
    edges = [
        EVERYTHING,
        EVERYTHING | {"ReplicaRegion": "eu-central-1"},
        EVERYTHING | {"ReplicaRegion": "us-west-2", "WitnessRegion": "us-east-2"},
        EVERYTHING | SECONDARY,
        LEFT,
        EVERYTHING | {"EdgeAclArn": "arn:aws:wafv2:us-east-1:123456789012:global/webacl/x/1"},
    ]
    csc = "arn:aws:lambda:us-east-1:123456789012:code-signing-config:csc-0123456789abcdefg"
    edges.append({"CodeSigningConfigArn": csc})
    tuned = {f"{name}Memory": "512" for name in TUNED}
    return [*options, *((one, Account()) for one in (*edges, tuned))]


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
        ({"Size": "big"}, "has no parameter Size; it has .*Audience, "),
    ],
)
def test_a_wrong_parameter_is_rejected_by_name(parameters: dict[str, str], message: str) -> None:
    with pytest.raises(TemplateError, match=message):
        resolve(ROOT / "template.yaml", parameters)
