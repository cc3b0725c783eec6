"""SAM's resources become CloudFormation's, as `sam deploy` sends them."""

from pathlib import Path

import pytest

from tests.unit.zebros.cloudformation.templates import resolved
from zebros.cloudformation import TemplateError

FUNCTION = """
    Transform: AWS::Serverless-2016-10-31
    Parameters: {Size: {Type: Number, Default: 256}}
    Conditions: {"No": !Equals [a, b]}
    Globals: {Function: {Runtime: python3.13, CodeUri: ../, MemorySize: !Ref Size}}
    Resources:
      Api:
        Type: AWS::Serverless::Function
        Properties: {Handler: a.b, %s}
      Left: {Type: AWS::Serverless::Function, Condition: "No", Properties: {Handler: a.b}}
"""


def test_a_function_gets_its_role_and_the_common_properties(tmp_path: Path) -> None:
    found = resolved(tmp_path, root=FUNCTION % "Timeout: 3")
    assert {r.type for r in found.resources.values()} == {
        "AWS::IAM::Role",
        "AWS::Lambda::Function",
    }
    api = found.resources["Api"].properties
    assert (api["MemorySize"], api["Timeout"], api["Runtime"]) == (256, 3, "python3.13")
    assert api["Role"] == {"Fn::GetAtt": ["ApiRole", "Arn"]}
    assert api["Code"] == {"S3Bucket": "artefacts", "S3Key": "code"}


def test_an_alias_is_made_of_a_version(tmp_path: Path) -> None:
    found = resolved(tmp_path, root=FUNCTION % "AutoPublishAlias: live")
    (version,) = found.of_type("AWS::Lambda::Version")
    alias = found.resources["ApiAliaslive"].properties
    assert alias["FunctionVersion"] == {"Fn::GetAtt": [version, "Version"]}


def test_what_sam_rejects_is_rejected_with_its_reason(tmp_path: Path) -> None:
    with pytest.raises(TemplateError, match=r"root.yaml: the SAM transform failed: .*Api"):
        resolved(tmp_path, root=FUNCTION % "Unknown: 3")


MACHINE = """
    Transform: AWS::Serverless-2016-10-31
    Resources:
      Flow:
        Type: AWS::Serverless::StateMachine
        Properties:
          %s
          DefinitionSubstitutions: {Arn: !Ref Topic}
          Role: arn:role
      Topic: {Type: AWS::SNS::Topic}
"""
DEFINITION = (
    '{"StartAt": "A", "States": {"A": {"Type": "Task", "Resource": "${Arn}", "End": true}}}'
)


@pytest.mark.parametrize("where", ["DefinitionUri: flow.json", f"Definition: {DEFINITION}"])
def test_a_state_machine_keeps_its_definition_as_data(tmp_path: Path, where: str) -> None:
    (tmp_path / "flow.json").write_text(DEFINITION, encoding="utf-8")
    flow = resolved(tmp_path, root=MACHINE % where).resources["Flow"].properties
    assert flow["DefinitionString"]["States"]["A"]["Resource"] == "${Arn}"
    assert flow["DefinitionSubstitutions"] == {"Arn": {"Ref": "Topic"}}


PUBLISHED = """
    Transform: AWS::Serverless-2016-10-31
    Resources:
      Tuning:
        Type: AWS::Serverless::Application
        Properties:
          Location: {ApplicationId: "arn:aws:serverlessrepo:r:1:applications/a",
            SemanticVersion: 1.0.0}
          Parameters: {Timeout: 60}
      Other: {Type: AWS::SNS::Topic, Properties: {P: !GetAtt Tuning.Outputs.Arn}}
"""


def test_a_published_application_is_a_resource_and_not_a_stack_of_ours(tmp_path: Path) -> None:
    found = resolved(tmp_path, root=PUBLISHED)
    assert found.resources["Tuning"].properties["Parameters"] == {"Timeout": 60}
    assert found.resources["Other"].properties["P"] == {"Fn::GetAtt": ["Tuning", "Outputs.Arn"]}
