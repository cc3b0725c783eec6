"""Each fault that AWS rejects and no linter sees is found, and its correct form is not."""

from pathlib import Path

import pytest

from tests.unit.zebros.cloudformation.templates import resolved
from zebros.cloudformation.checks import faults

SUBNETS = """
  A: {Type: AWS::EC2::Subnet, Properties: {AvailabilityZone: !Select [0, !GetAZs ""]}}
  B: {Type: AWS::EC2::Subnet, Properties: {AvailabilityZone: !Select [0, !GetAZs ""]}}
  C: {Type: AWS::EC2::Subnet, Properties: {AvailabilityZone: !Select [1, !GetAZs ""]}}
"""
TARGET = """
  Target: {Type: "AWS::ApplicationAutoScaling::ScalableTarget", Properties: {ServiceNamespace: %s}}
"""
POLICY = "AWS::ApplicationAutoScaling::ScalingPolicy"
OF_TARGET = "{PolicyType: %s, ScalingTargetId: !Ref Target}"
PLAN, ALARM, BUCKET = "ApiGateway::UsagePlan", "CloudWatch::Alarm", "S3::Bucket"
TABLE = "  Table: {Type: AWS::DynamoDB::GlobalTable}\n"
FUNCTION = "  F: {Type: AWS::Lambda::Function, Properties: {ReservedConcurrentExecutions: 5}}\n"
ALIAS = """{FunctionName: !Ref F,
 ProvisionedConcurrencyConfig: {ProvisionedConcurrentExecutions: %d}}"""
FLOW = """{DefinitionString: '{"States": {"Outer": {"Type": "Map", "ItemProcessor": {"States":
 {"Wait": {"HeartbeatSeconds": %d, "TimeoutSeconds": 60}}}}}}'}"""
RULE = "{LifecycleConfiguration: {Rules: [{Id: old, %s}]}}"
FLOATING = "{ServerlessV2ScalingConfiguration: {MinCapacity: %s, MaxCapacity: %s}}"
INSIDE = """{WriteProvisionedThroughputSettings: {WriteCapacityAutoScalingSettings:
 {MinCapacity: %s, MaxCapacity: 100}}}"""


@pytest.mark.parametrize(
    ("kind", "properties", "more", "message"),
    [
        ("RDS::DBCluster", FLOATING % (2, 1), "", "MinCapacity 2 is above MaxCapacity 1"),
        ("RDS::DBCluster", FLOATING % (0.5, 1), "", ""),
        ("RDS::DBCluster", FLOATING % (0.7, 1), "", "MinCapacity 0.7 is no multiple of 0.5"),
        ("DynamoDB::GlobalTable", INSIDE % 101, "", "MinCapacity 101 is above MaxCapacity 100"),
        ("DynamoDB::GlobalTable", INSIDE % 100, "", ""),
        ("AutoScaling::Group", "{MinSize: 3, MaxSize: 2}", "", "MinSize 3 is above MaxSize 2"),
        ("X::Y", "{P: [{Minimum: 3, Maximum: 2}]}", "", "Minimum 3 is above Maximum 2"),
        (POLICY, OF_TARGET % "StepScaling", TARGET % "dynamodb", "dynamodb has no step scaling"),
        (POLICY, OF_TARGET % "StepScaling", TARGET % "lambda", "lambda has no step scaling"),
        (POLICY, OF_TARGET % "StepScaling", TARGET % "elasticache", "elasticache has no step"),
        (POLICY, "{PolicyType: StepScaling, ServiceNamespace: lambda}", "", "has no step scaling"),
        (POLICY, OF_TARGET % "StepScaling", TARGET % "ecs", ""),
        (POLICY, OF_TARGET % "TargetTrackingScaling", TARGET % "lambda", ""),
        (
            "ApplicationAutoScaling::ScalableTarget",
            "{ServiceNamespace: dynamodb, ResourceId: !Sub 'table/${Table}'}",
            TABLE,
            "the global table Table must contain its scaling",
        ),
        (PLAN, "{Quota: {Limit: 1, Period: HOUR}}", "", "period HOUR is none of DAY, WEEK, MONTH"),
        (PLAN, "{Quota: {Limit: 1, Period: DAY, Offset: 1}}", "", "per DAY cannot begin at 1"),
        (PLAN, "{Quota: {Limit: 1, Period: WEEK, Offset: 7}}", "", "per WEEK cannot begin at 7"),
        (PLAN, "{Quota: {Limit: 1, Period: WEEK, Offset: 6}}", "", ""),
        (PLAN, "{Throttle: {RateLimit: 1}}", "", ""),
        (
            ALARM,
            "{EvaluationPeriods: 3, DatapointsToAlarm: 4, Period: 60}",
            "",
            "DatapointsToAlarm 4 is above EvaluationPeriods 3",
        ),
        (ALARM, "{EvaluationPeriods: 3, DatapointsToAlarm: 3, Period: 60}", "", ""),
        (ALARM, "{EvaluationPeriods: 25, Period: 3599}", "", "25 periods of 3599 s are more than"),
        (ALARM, "{EvaluationPeriods: 168, Period: 3600}", "", ""),
        (ALARM, "{EvaluationPeriods: 169, Period: 3600}", "", "169 periods of 3600 s"),
        ("StepFunctions::StateMachine", FLOW % 60, "", "in Wait, HeartbeatSeconds 60 is not below"),
        ("StepFunctions::StateMachine", FLOW % 59, "", ""),
        ("X::Y", "{SubnetIds: [!Ref A, !Ref B]}", SUBNETS, "SubnetIds has subnets in one zone"),
        ("X::Y", "{N: {Subnets: [!Ref A]}}", SUBNETS, "Subnets has subnets in one zone"),
        ("X::Y", "{SubnetIds: [!Ref A, !Ref C, !Ref A]}", SUBNETS, "names a subnet twice"),
        ("X::Y", "{SubnetIds: [!Ref A, !Ref C]}", SUBNETS, ""),
        (
            BUCKET,
            RULE % "Transitions: [{StorageClass: STANDARD_IA, TransitionInDays: 29}]",
            "",
            "STANDARD_IA is possible after 30 days",
        ),
        (BUCKET, RULE % "Transitions: [{StorageClass: GLACIER_IR, TransitionInDays: 1}]", "", ""),
        (
            BUCKET,
            RULE % "Transitions: [{TransitionInDays: 60}, {TransitionInDays: 60}]",
            "",
            "the transitions of old are not in order",
        ),
        (
            BUCKET,
            RULE % "Transitions: [{TransitionInDays: 60}], ExpirationInDays: 60",
            "",
            "old deletes objects before their last transition",
        ),
        (BUCKET, RULE % "Transition: {TransitionInDays: 60}, ExpirationInDays: 61", "", ""),
        (
            "Lambda::Alias",
            ALIAS % 6,
            FUNCTION,
            "provisions 6 executions, but 5 are reserved",
        ),
        (
            "Lambda::Alias",
            ALIAS % 5,
            FUNCTION,
            "",
        ),
    ],
)
def test_a_fault_is_found(
    tmp_path: Path, kind: str, properties: str, more: str, message: str
) -> None:
    name = kind if kind.startswith("AWS") else f"AWS::{kind}"
    text = f"Resources:\n  One:\n    Type: {name}\n    Properties: {properties}\n{more}"
    found = faults(resolved(tmp_path, root=text))
    if message:
        (fault,) = found
        assert fault.startswith("One: ")
        assert message in fault
    else:
        assert found == []
