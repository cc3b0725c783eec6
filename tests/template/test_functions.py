"""Versions, aliases, provisioned concurrency and memory of functions, in every phase.

"Lambda: growth on: alias, provisioned concurrency with utilisation tracking and business-hours
schedules for authorizer and the APIs people wait for. Enterprise: Lambda Power Tuning, its result
read by a tool into the memory parameters, never applied behind the template's back."
"""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from kernel.runtime.contexts import contexts
from tests.template.stack import (
    DOMAIN,
    PHASES,
    ROOT,
    SECONDARY,
    functions,
    load,
    resources,
    system,
)
from zebros.cloudformation import Account, System, resolve
from zebros.cloudformation.load import load as load_file

ALIAS = "Aliaslive"
"""SAM's name of the alias `live`, after the function's name."""
CALLED_BY_GATEWAYS = {
    *("Authorizer", "Docs", "NotificationsSocket"),
    *(f"{context.capitalize()}Api" for context in contexts()),
}
# "for authorizer and the APIs people wait for"
WAITED_FOR = {"Authorizer", "CustomersApi", "OpportunitiesApi", "ActivitiesApi"}
# "Growth on". Environments at the start of a weekday, most by day, least and most by night.
BY_DAY = {"growth": (2, 10), "enterprise": (5, 40)}
BY_NIGHT = {"growth": (0, 0), "enterprise": (1, 5)}
TARGET = "AWS::ApplicationAutoScaling::ScalableTarget"
POLICY = "AWS::ApplicationAutoScaling::ScalingPolicy"
NOT_IN_A_VERSION = {"CodeSigningConfigArn", "ReservedConcurrentExecutions", "Tags"}
"""What belongs to the function and not to its versions."""


def targets(phase: str) -> dict[str, dict[str, Any]]:
    """The scalable target of provisioned concurrency by function."""
    found = resources(TARGET, Phase=phase).values()
    return {
        re.fullmatch(r"function:\$\{(\w+)\}:live", target["ResourceId"]["Fn::Sub"])[1]: target
        for target in found
        if target["ServiceNamespace"] == "lambda"
    }


@pytest.mark.parametrize("phase", PHASES)
def test_what_gateways_call_has_an_alias_of_its_published_version(phase: str) -> None:
    aliases = resources("AWS::Lambda::Alias", Phase=phase)
    assert set(aliases) == {f"{name}{ALIAS}" for name in CALLED_BY_GATEWAYS}
    versions = resources("AWS::Lambda::Version", Phase=phase)
    for name in CALLED_BY_GATEWAYS:
        alias = aliases[f"{name}{ALIAS}"]
        assert (alias["Name"], alias["FunctionName"]) == ("live", {"Ref": name})
        version, attribute = alias["FunctionVersion"]["Fn::GetAtt"]
        assert attribute == "Version"
        assert versions[version]["FunctionName"] == {"Ref": name}


@pytest.mark.parametrize("phase", PHASES)
def test_gateways_call_no_function_but_by_its_alias(phase: str) -> None:
    """A call of the function itself would miss what is provisioned for the alias."""
    uris = [
        text
        for resource in system(Phase=phase).resources.values()
        if resource.type.startswith("AWS::ApiGateway")
        for text in re.findall(r"functions/([^/]+)/invocations", json.dumps(resource.properties))
    ]
    assert set(uris) == {f"${{{name}{ALIAS}}}" for name in CALLED_BY_GATEWAYS}
    for permission in resources("AWS::Lambda::Permission", Phase=phase).values():
        assert permission["FunctionName"]["Ref"].removesuffix(ALIAS) in CALLED_BY_GATEWAYS
        assert permission["FunctionName"]["Ref"].endswith(ALIAS)


def test_queues_and_streams_invoke_the_latest_code() -> None:
    """Nobody waits for them, so nothing is provisioned, and a version has no use."""
    for mapping in resources("AWS::Lambda::EventSourceMapping").values():
        assert mapping["FunctionName"]["Ref"] in functions()


def published(found: System, name: str) -> tuple[str, Any]:
    """What makes CloudFormation publish a version: its logical id, or a new description."""
    version = found.resources[f"{name}{ALIAS}"].properties["FunctionVersion"]["Fn::GetAtt"][0]
    return version, found.resources[version].properties["Description"]


def configuration(found: System, name: str) -> dict[str, Any]:
    """What a version of a function is made of."""
    function = found.of_type("AWS::Lambda::Function")[name]
    return {key: value for key, value in function.items() if key not in NOT_IN_A_VERSION}


_TWO_REGIONS = ("ReplicaRegion", "RegionRole", "WitnessRegion")
"""Parameters that need phase enterprise."""


def changes() -> dict[str, dict[str, str]]:
    """Another value for every parameter of the root template."""
    other = {
        "AllowedOrigin": "https://other.example.com",
        "IssuerBase": "https://other.example.com/",
        "Audience": "other",
        "WorkerImage": "w:2",
        "IdentityImage": "k:2",
        "ReserveConcurrency": "no",
        "BusinessTimeZone": "Europe/Berlin",
        "ReplicaRegion": "eu-central-1",
        "SmallReports": "worker",
        "IdentityAdminCidr": "203.0.113.0/24",
        "CloudFrontPrefixListId": "pl-1",
        "AlarmEmail": "other@example.com",
        "Dashboards": "no",
        "ExistingBus": "yes",
        "Deployment": "at-once",
        "ScalingMode": "apply",
        "CodeSigningConfigArn": (
            "arn:aws:lambda:us-east-1:123456789012:code-signing-config:csc-0a1b2c3d4e5f60718"
        ),
    }
    found = {f"Phase={phase}": {"Phase": phase} for phase in PHASES}
    for name, parameter in load()["Parameters"].items():
        if name != "Phase":
            value = other.get(name, "1769" if parameter["Type"] == "Number" else "other")
            value = "7" if name.endswith("Seconds") else value
            found[name] = {name: value} if name != "RegionRole" else SECONDARY
            if name == "WitnessRegion":
                found[name] = {"ReplicaRegion": "us-west-2", name: "us-east-2"}
            if name in _TWO_REGIONS:
                found[name] = {**found[name], "Phase": "enterprise"}
            if name.startswith("Existing"):
                found[name] |= {"ReplicaLakeBucketName": "", "ReplicaFilesBucketName": ""}
    return found


@pytest.mark.parametrize("name", sorted(CALLED_BY_GATEWAYS))
@pytest.mark.parametrize("change", changes())
def test_a_parameter_that_changes_a_function_publishes_a_version_of_it(
    change: str, name: str
) -> None:
    """SAM's hash sees the template's text, no value of a parameter or a mapping."""
    changed_to = {"Phase": "growth", **changes()[change]}
    phase = changed_to["Phase"] if change in _TWO_REGIONS else "growth"
    before, after = system(Phase=phase), system(**changed_to)
    changed = configuration(before, name) != configuration(after, name)
    assert (published(before, name) != published(after, name)) == changed, (
        "an unchanged function cannot be published, and a changed one would not be live"
    )


@pytest.mark.parametrize("name", sorted(CALLED_BY_GATEWAYS))
def test_the_description_of_a_version_is_also_the_function_s(name: str) -> None:
    """Lambda publishes nothing when only the version's description has changed."""
    _, description = published(system(), name)
    assert configuration(system(), name)["Description"] == description


def test_a_description_never_exceeds_the_256_characters_that_lambda_allows() -> None:
    declared = load()["Parameters"]
    longest = {
        "Phase": max(PHASES, key=len),
        "AuthorizerMemory": "10240",
        "IssuerBase": "https://" + "i" * (declared["IssuerBase"]["MaxLength"] - 9) + "/",
        "Audience": "a" * declared["Audience"]["MaxLength"],
        "AllowedOrigin": "https://" + "a" * (declared["AllowedOrigin"]["MaxLength"] - 8),
    }
    layer = "arn:aws-us-gov:lambda:us-gov-west-1:123456789012:layer:DepsLayer:99999"
    for name in CALLED_BY_GATEWAYS:
        _, description = published(system(**longest), name)
        text = description["Fn::Sub"].replace("${FilesBucket}", "b" * 63)
        assert len(re.sub(r"\$\{\w+\}", layer, text)) <= 256, name


def changed_template(file: str, old: str, new: str) -> System:
    """The system with another text in one template."""

    def read(path: Path) -> dict[str, Any]:
        template = load_file(path)
        if path != ROOT / file:
            return template
        text = json.dumps(template)
        assert old in text
        changed: dict[str, Any] = json.loads(text.replace(old, new))
        return changed

    return resolve(ROOT / "template.yaml", {**DOMAIN, "Phase": "enterprise"}, read=read)


@pytest.mark.parametrize("context", ["edge", *contexts()])
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"CodeUri": "../"', '"CodeUri": "../new"'),
        ('"Tracing": "Active"', '"Tracing": "PassThrough"'),
        ('"PYDANTIC_DISABLE_PLUGINS": "__all__"', '"PYDANTIC_DISABLE_PLUGINS": "none"'),
    ],
)
def test_new_code_or_configuration_is_published(context: str, old: str, new: str) -> None:
    before = resolve(ROOT / "template.yaml", {**DOMAIN, "Phase": "enterprise"})
    after = changed_template(f"services/{context}/template.yaml", old, new)
    names = [
        n for n in CALLED_BY_GATEWAYS if n in before.in_stack(f"zebros/{context.capitalize()}")
    ]
    assert names
    for name in names:
        assert published(before, name) != published(after, name)


def test_a_new_layer_is_published() -> None:
    before = resolve(ROOT / "template.yaml", {**DOMAIN, "Phase": "enterprise"})
    common = changed_template("infra/shared.yaml", "../layers/deps", "../layers/new")
    for name in CALLED_BY_GATEWAYS:
        assert published(before, name) != published(common, name), name
    own = changed_template("services/edge/template.yaml", "../../layers/auth", "../../layers/new")
    assert published(before, "Authorizer") != published(own, "Authorizer")
    assert published(before, "Docs") == published(own, "Docs")


@pytest.mark.parametrize("phase", PHASES)
def test_environments_are_kept_ready_from_growth_on_for_what_people_wait_for(phase: str) -> None:
    assert set(targets(phase)) == (WAITED_FOR if phase in BY_DAY else set())
    for name in CALLED_BY_GATEWAYS:
        alias = resources("AWS::Lambda::Alias", Phase=phase)[f"{name}{ALIAS}"]
        if phase in BY_DAY and name in WAITED_FOR:
            ready = alias["ProvisionedConcurrencyConfig"]["ProvisionedConcurrentExecutions"]
            assert ready == BY_DAY[phase][0]
        else:
            assert "ProvisionedConcurrencyConfig" not in alias


@pytest.mark.parametrize("phase", BY_DAY)
@pytest.mark.parametrize("name", sorted(WAITED_FOR))
def test_provisioned_concurrency_follows_utilisation_and_business_hours(
    name: str, phase: str
) -> None:
    target = targets(phase)[name]
    assert target["ScalableDimension"] == "lambda:function:ProvisionedConcurrency"
    assert (target["MinCapacity"], target["MaxCapacity"]) == BY_DAY[phase]
    start, end = target["ScheduledActions"]
    assert start["Schedule"] == "cron(30 6 ? * MON-FRI *)", "half an hour before the first users"
    assert end["Schedule"] == "cron(0 20 ? * MON-FRI *)"
    for action, (least, most) in ((start, BY_DAY[phase]), (end, BY_NIGHT[phase])):
        assert action["ScalableTargetAction"] == {"MinCapacity": least, "MaxCapacity": most}
        assert 0 <= least <= most
    names = [action["ScheduledActionName"] for action in (start, end)]
    assert len(set(names)) == 2
    assert BY_NIGHT[phase][1] <= BY_DAY[phase][0], "idle functions are not scaled in by utilisation"


@pytest.mark.parametrize("phase", BY_DAY)
def test_every_target_tracks_a_utilisation_of_70_percent(phase: str) -> None:
    tracked = {}
    for policy in resources(POLICY, Phase=phase).values():
        settings = policy["TargetTrackingScalingPolicyConfiguration"]
        metric = settings.get("PredefinedMetricSpecification", {}).get("PredefinedMetricType")
        if metric == "LambdaProvisionedConcurrencyUtilization":
            assert policy["PolicyType"] == "TargetTrackingScaling"
            assert settings["TargetValue"] == 0.7
            tracked[policy["ScalingTargetId"]["Ref"]] = policy
    assert set(tracked) == {f"{name}ProvisionedRange" for name in WAITED_FOR}


def test_a_target_is_registered_after_its_alias_exists() -> None:
    for path in (ROOT / "services").glob("*/template.yaml"):
        for name, resource in load_file(path)["Resources"].items():
            if str(resource.get("Properties", {}).get("Location")).endswith("provisioned.yaml"):
                assert resource["DependsOn"] == name.removesuffix("Provisioned") + ALIAS


@pytest.mark.parametrize("zone", ["Etc/UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires"])
def test_business_hours_have_the_time_zone_of_the_parameter(zone: str) -> None:
    for target in targets_in(zone):
        assert {action["Timezone"] for action in target["ScheduledActions"]} == {zone}


def targets_in(zone: str) -> list[dict[str, Any]]:
    found = list(resources(TARGET, BusinessTimeZone=zone).values())
    scheduled = [target for target in found if "ScheduledActions" in target]
    assert len(scheduled) == len(WAITED_FOR)
    return scheduled


@pytest.mark.parametrize("phase", BY_DAY)
def test_no_more_is_provisioned_than_reserved(phase: str) -> None:
    """Lambda rejects provisioned concurrency above the function's reserved concurrency."""
    for name, target in targets(phase).items():
        reserved = functions(Phase=phase)[name]["ReservedConcurrentExecutions"]
        for range_ in (target, *(a["ScalableTargetAction"] for a in target["ScheduledActions"])):
            assert range_["MaxCapacity"] <= reserved


def test_the_local_platform_provisions_and_reserves_nothing() -> None:
    local = resolve(
        ROOT / "template.yaml",
        {"Phase": "enterprise", "ReserveConcurrency": "yes"},
        account=Account(account_id="000000000000"),
    )
    assert local.of_type(TARGET) == {}
    for name, function in local.of_type("AWS::Lambda::Function").items():
        assert "ReservedConcurrentExecutions" not in function, name
    for name, alias in local.of_type("AWS::Lambda::Alias").items():
        assert "ProvisionedConcurrencyConfig" not in alias, name
    assert set(local.of_type("AWS::Lambda::Alias")) == {f"{n}{ALIAS}" for n in CALLED_BY_GATEWAYS}


MEMORY = {
    "AuthorizerMemory": {"Authorizer"},
    "CustomersMemory": {"CustomersApi"},
    "OpportunitiesMemory": {"OpportunitiesApi"},
    "ActivitiesMemory": {"ActivitiesApi"},
    "ReportingMemory": {"ReportingApi"},
    "ImportsMemory": {"ImportsApi"},
    "NotificationsMemory": {name for name in functions() if name.startswith("Notifications")},
}
"""The functions that each memory parameter sizes."""


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("parameter", MEMORY)
def test_a_memory_parameter_sizes_exactly_its_functions(parameter: str, phase: str) -> None:
    before, after = functions(Phase=phase), functions(**{"Phase": phase, parameter: "1769"})
    changed = {name for name in before if before[name]["MemorySize"] != after[name]["MemorySize"]}
    assert changed == MEMORY[parameter]
    assert {after[name]["MemorySize"] for name in changed} == {1769}


@pytest.mark.parametrize("parameter", MEMORY)
def test_a_memory_parameter_is_off_by_default_and_at_most_10_gb(parameter: str) -> None:
    declared = load()["Parameters"][parameter]
    assert (declared["Default"], declared["MinValue"], declared["MaxValue"]) == ("0", 0, 10240)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_sam_local_finds_every_function_by_its_name_and_with_its_memory() -> None:
    """Its own resolver takes a default of the number 0 for a missing one, and sees no condition."""
    from samcli.lib.providers.sam_function_provider import SamFunctionProvider
    from samcli.lib.providers.sam_stack_provider import SamLocalStackProvider

    stacks, _ = SamLocalStackProvider.get_stacks(str(ROOT / "template.yaml"))
    provider = SamFunctionProvider(stacks)
    deployed = resolve(ROOT / "template.yaml").of_type("AWS::Lambda::Function")
    for name, function in deployed.items():
        local = provider.get(name)
        assert local is not None, name
        assert (local.memory, local.handler) == (function["MemorySize"], function["Handler"])


def test_power_tuning_is_the_public_application_and_tunes_only_our_functions() -> None:
    found = resolve(ROOT / "infra" / "tuning" / "template.yaml", {"SystemName": "crm"})
    (application,) = found.resources.values()
    location = application.properties["Location"]
    assert location["ApplicationId"].startswith("arn:aws:serverlessrepo:us-east-1:451282441545:")
    assert location["ApplicationId"].endswith(":applications/aws-lambda-power-tuning")
    assert location["SemanticVersion"] == "4.4.0"
    given = application.properties["Parameters"]
    ours = "arn:aws:lambda:us-east-1:123456789012:function:crm-*"
    assert given["lambdaResource"] == ours
    assert given["logGroupRetentionInDays"] == 90, "system logs 90 days"
    assert "autoOptimize" not in json.dumps(application.properties)


def test_no_build_of_the_system_asks_the_application_repository() -> None:
    """SAM calls it whenever it reads such a template: a build needs no network."""
    for path in system().stacks.values():
        assert "ApplicationId" not in path.read_text(encoding="utf-8"), path
