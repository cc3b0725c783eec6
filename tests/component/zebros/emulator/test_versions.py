"""A function called by its alias: what publishes a version of it, and what does not."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.component.zebros.emulator.conftest import Emulator

DESCRIBED = "      Description: !Sub ${Phase}\n      VersionDescription: !Sub ${Phase}\n"


def template(name: str, described: str = "") -> str:
    """A function whose memory follows from a parameter, as in the contexts' templates."""
    return f"""
Transform: AWS::Serverless-2016-10-31
Parameters:
  Phase: {{Type: String, Default: mvp}}
Mappings:
  Functions: {{mvp: {{Memory: 128}}, startup: {{Memory: 128}}, growth: {{Memory: 512}}}}
Resources:
  {name}:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.13
      Handler: index.handler
      AutoPublishAlias: live
      AutoPublishAliasAllProperties: true
      MemorySize: !FindInMap [Functions, !Ref Phase, Memory]
{described}      InlineCode: |
        import os
        def handler(event, context):
            return os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
Outputs:
  Alias: {{Value: !Ref {name}Aliaslive}}
"""


def update(platform: Emulator, stack: str, body: str, phase: str) -> str:
    """Deploy a stack again; returns its status."""
    formation = platform.client("cloudformation")
    formation.update_stack(
        StackName=stack,
        TemplateBody=body,
        Parameters=[{"ParameterKey": "Phase", "ParameterValue": phase}],
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
    )

    def settled() -> Any:
        status = formation.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"]
        return None if status.endswith("IN_PROGRESS") else status

    return str(platform.until(settled))


def memory(platform: Emulator, alias: str) -> str:
    """The memory with which a call of the alias runs."""
    answer = platform.client("lambda").invoke(FunctionName=alias)
    return str(json.loads(answer["Payload"].read()))


def test_a_parameter_s_value_publishes_nothing_by_itself(platform: Emulator) -> None:
    """SAM hashes the template's text: the alias stays at the old memory."""
    body = template("Plain")
    alias = platform.deploy("plain", body)["Alias"]
    assert memory(platform, alias) == "128"
    assert update(platform, "plain", body, "growth") == "UPDATE_COMPLETE"
    assert memory(platform, alias) == "128"
    assert memory(platform, alias.rpartition(":")[0]) == "512", "the function itself has changed"


def test_a_description_with_the_parameter_publishes_a_version(platform: Emulator) -> None:
    body = template("Described", DESCRIBED)
    alias = platform.deploy("described", body)["Alias"]
    assert memory(platform, alias) == "128"
    for phase, expected in (("growth", "512"), ("startup", "128"), ("mvp", "128")):
        assert update(platform, "described", body, phase) == "UPDATE_COMPLETE"
        assert memory(platform, alias) == expected


def test_a_version_of_an_unchanged_function_is_rejected(platform: Emulator) -> None:
    """So the function has the version's description too, and changes with it."""
    version_only = "      VersionDescription: !Sub ${Phase}\n"
    body = template("Unchanged", version_only)
    platform.deploy("unchanged", body)
    assert "ROLLBACK" in update(platform, "unchanged", body, "startup")


PREFERRED = """      DeploymentPreference:
        Type: CodeDeployDefault.LambdaAllAtOnce
        Role: arn:aws:iam::000000000000:role/moves
"""


def test_an_alias_that_codedeploy_moves_in_aws_moves_at_once_here(
    platform: Emulator, unpatched: Emulator
) -> None:
    body = template("Moved", DESCRIBED + PREFERRED)
    alias = platform.deploy("moved", body)["Alias"]
    assert update(platform, "moved", body, "growth") == "UPDATE_COMPLETE"
    assert memory(platform, alias) == "512"
    with pytest.raises(ClientError, match=r"Unrecognized resource types: .AWS::CodeDeploy"):
        unpatched.deploy("moved", body)


def test_all_versions_share_the_reserved_concurrency(
    platform: Emulator, unpatched: Emulator
) -> None:
    for emulator in (platform, unpatched):
        alias = emulator.deploy("shared", template("Shared"))["Alias"]
        function, functions = alias.rpartition(":")[0], emulator.client("lambda")
        assert memory(emulator, alias) == "128"
        functions.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=0)
        if emulator is platform:
            with pytest.raises(ClientError, match="TooManyRequestsException"):
                memory(emulator, alias)
            functions.delete_function_concurrency(FunctionName=function)
        assert memory(emulator, alias) == "128"
