"""How the alias `live` moves to a new version, in the resolved templates (docs/adr/0034)."""

from typing import Any

import pytest

from tests.template.stack import PHASES, ROOT, resources, system
from zebros.cloudformation import Account, System, resolve

GRADUAL = {
    "CustomersApi": "customers",
    "OpportunitiesApi": "opportunities",
    "ActivitiesApi": "activities",
    "ReportingApi": "reporting",
    "ImportsApi": "imports",
    "NotificationsApi": "notifications",
    "Authorizer": "",
}
"""The functions that people wait for, with the context in the metrics of their requests."""
AT_ONCE = "CodeDeployDefault.LambdaAllAtOnce"
CANARY = "CodeDeployDefault.LambdaCanary10Percent10Minutes"
# "Aliases with gradual deployment and roll-back on alarms for the API functions"; which, is ours.
CONFIGS = {"mvp": AT_ONCE, "startup": CANARY, "growth": CANARY, "enterprise": CANARY}
CASES = [(phase, name) for phase in PHASES for name in GRADUAL]


def group(found: System, name: str) -> dict[str, Any]:
    return found.resources[f"{name}DeploymentGroup"].properties


def alarm_names(name: str) -> list[str]:
    kinds = ("Errors", "Duration", *(["Faults"] if GRADUAL[name] else []))
    return [f"{name}Canary{kind}" for kind in kinds]


@pytest.mark.parametrize(("phase", "name"), CASES)
def test_an_alias_moves_as_the_phase_says(phase: str, name: str) -> None:
    assert group(system(Phase=phase), name)["DeploymentConfigName"] == CONFIGS[phase]


@pytest.mark.parametrize(("phase", "name"), CASES)
def test_alarms_of_the_new_version_end_a_gradual_deployment(phase: str, name: str) -> None:
    found = group(system(Phase=phase), name)["AlarmConfiguration"]
    gradual = CONFIGS[phase] != AT_ONCE
    alarms = [{"Name": {"Ref": one}} for one in alarm_names(name)]
    assert found == ({"Enabled": True, "Alarms": alarms} if gradual else {})


@pytest.mark.parametrize("phase", PHASES)
def test_a_repair_is_deployed_at_once_whatever_the_alarms_say(phase: str) -> None:
    """A gradual deployment does not begin while one of its alarms is raised."""
    found = system(Phase=phase, Deployment="at-once")
    for name in GRADUAL:
        assert group(found, name)["DeploymentConfigName"] == AT_ONCE
        assert group(found, name)["AlarmConfiguration"] == {}
    assert not [one for one in found.resources if "Canary" in one]


@pytest.mark.parametrize("name", GRADUAL)
def test_a_deployment_that_fails_is_taken_back(name: str) -> None:
    found = group(system(), name)
    assert found["AutoRollbackConfiguration"] == {
        "Enabled": True,
        "Events": [
            "DEPLOYMENT_FAILURE",
            "DEPLOYMENT_STOP_ON_ALARM",
            "DEPLOYMENT_STOP_ON_REQUEST",
        ],
    }
    assert found["ServiceRoleArn"] == {"Fn::GetAtt": ["DeploymentRole", "Arn"]}


def test_codedeploy_moves_the_aliases_that_people_wait_for_and_no_others() -> None:
    moved = {
        name: resource.update_policy.get("CodeDeployLambdaAliasUpdate")
        for name, resource in system().resources.items()
        if resource.type == "AWS::Lambda::Alias"
    }
    assert {name for name, policy in moved.items() if policy} == {f"{n}Aliaslive" for n in GRADUAL}
    for name in GRADUAL:
        assert moved[f"{name}Aliaslive"] == {
            "ApplicationName": {"Ref": "ServerlessDeploymentApplication"},
            "DeploymentGroupName": {"Ref": f"{name}DeploymentGroup"},
        }


WATCHED = {"Period": 60, "EvaluationPeriods": 5, "TreatMissingData": "notBreaching"}
"""Of every alarm. It has no data, and is not raised, while an alias has one version."""


@pytest.mark.parametrize("name", GRADUAL)
def test_the_alarms_watch_the_new_version_alone(name: str) -> None:
    found = system(Phase="growth")
    version = found.resources[f"{name}Aliaslive"].properties["FunctionVersion"]
    function = [
        {"Name": "FunctionName", "Value": {"Ref": name}},
        {"Name": "Resource", "Value": {"Fn::Sub": f"${{{name}}}:live"}},
        {"Name": "ExecutedVersion", "Value": version},
    ]
    request = [{"Name": "Context", "Value": GRADUAL[name]}, {"Name": "Version", "Value": version}]
    above = {**WATCHED, "ComparisonOperator": "GreaterThanThreshold"}
    expected = {
        "Errors": above
        | {"Namespace": "AWS/Lambda", "MetricName": "Errors", "Dimensions": function}
        | {"Statistic": "Sum", "Threshold": 0, "DatapointsToAlarm": 2},
        "Duration": above
        | {"Namespace": "AWS/Lambda", "MetricName": "Duration", "Dimensions": function}
        | {"ExtendedStatistic": "p90", "Threshold": 2000, "DatapointsToAlarm": 3},
        "Faults": above
        | {"Namespace": "Zebros", "MetricName": "Faults", "Dimensions": request}
        | {"Statistic": "Sum", "Threshold": 0, "DatapointsToAlarm": 2},
    }
    for alarm in alarm_names(name):
        properties = dict(found.resources[alarm].properties)
        assert "a deployment was rolled back" in properties.pop("AlarmDescription")
        assert properties == expected[alarm.removeprefix(f"{name}Canary")], alarm


def test_no_other_alarms_are_made_for_deployments() -> None:
    names = [one for one in resources("AWS::CloudWatch::Alarm", Phase="growth") if "Canary" in one]
    assert sorted(names) == sorted(alarm for name in GRADUAL for alarm in alarm_names(name))


def test_codedeploy_may_move_aliases_of_the_system_and_nothing_else() -> None:
    role = system().resources["DeploymentRole"].properties
    (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert trust == {
        "Effect": "Allow",
        "Principal": {"Service": "codedeploy.amazonaws.com"},
        "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"aws:SourceAccount": "123456789012"}},
    }
    (policy,) = role["Policies"]
    assert policy["PolicyName"] == "move-aliases"
    moving, looking = policy["PolicyDocument"]["Statement"]
    assert moving == {
        "Effect": "Allow",
        "Action": [
            "lambda:GetAlias",
            "lambda:UpdateAlias",
            "lambda:GetProvisionedConcurrencyConfig",
        ],
        "Resource": "arn:aws:lambda:us-east-1:123456789012:function:zebros-*",
    }
    assert looking == {
        "Effect": "Allow",
        "Action": "cloudwatch:DescribeAlarms",
        "Resource": "arn:aws:cloudwatch:us-east-1:123456789012:alarm:*",
    }
    assert "ManagedPolicyArns" not in role


def test_the_local_platform_moves_every_alias_at_once() -> None:
    local = resolve(
        ROOT / "template.yaml", {"Phase": "growth"}, account=Account(account_id="000000000000")
    )
    for name in GRADUAL:
        assert group(local, name)["DeploymentConfigName"] == AT_ONCE
    assert not [one for one in local.resources if "Canary" in one]


def test_a_deployment_is_gradual_by_default() -> None:
    assert system().parameters["Deployment"] == "gradual"
