"""Nested stacks become one system in which every reference leads to its resource."""

from pathlib import Path

import pytest

from tests.unit.zebros.cloudformation.templates import resolved, uncached, write
from zebros.cloudformation import Account, System, TemplateError, resolve

CHILD = """
    Parameters:
      TopicArn: {Type: String}
      Subnets: {Type: CommaDelimitedList, Default: "none"}
      Option: {Type: String, Default: plain}
    Resources:
      Queue:
        Type: AWS::SQS::Queue
        Properties: {Topic: !Ref TopicArn, Subnets: !Ref Subnets, Option: !Ref Option}
    Outputs:
      Arn: {Value: !GetAtt Queue.Arn}
      Never: {Condition: No, Value: x}
      Stack: {Value: !Ref AWS::StackName}
    Conditions: {No: !Equals [a, b]}
"""


def root(more: str = "", parameters: str = "TopicArn: !Ref Topic", kind: str = "") -> str:
    nested = kind or "AWS::Serverless::Application"
    key = "TemplateURL" if nested.endswith("Stack") else "Location"
    return f"""
        Conditions: {{"No": !Equals [a, b]}}
        Resources:
          Topic: {{Type: AWS::SNS::Topic}}
          A: {{Type: AWS::EC2::Subnet}}
          B: {{Type: AWS::EC2::Subnet}}
          Child:
            Type: {nested}
            Properties: {{{key}: child.yaml, Parameters: {{{parameters}}}}}
{more}
    """


def queue(folder: Path, parameters: str) -> dict[str, object]:
    found = resolved(folder, root=root(parameters=parameters), child=CHILD)
    return found.resources["Queue"].properties


@pytest.mark.parametrize("kind", ["AWS::Serverless::Application", "AWS::CloudFormation::Stack"])
def test_a_parameter_leads_to_the_resource_in_the_other_stack(tmp_path: Path, kind: str) -> None:
    found = resolved(tmp_path, root=root(kind=kind), child=CHILD)
    assert found.resources["Queue"].properties["Topic"] == {"Ref": "Topic"}
    assert found.resources["Queue"].stack == "zebros/Child"
    assert found.resources["Queue"].template == tmp_path / "child.yaml"
    assert set(found.stacks) == {"zebros", "zebros/Child"}
    assert set(found.in_stack("zebros/Child")) == {"Queue"}
    assert set(found.in_stack("zebros")) == {"Topic", "A", "B", "Queue"}


def test_a_list_arrives_as_a_list_of_references(tmp_path: Path) -> None:
    joined = queue(tmp_path, "TopicArn: x, Subnets: !Join [',', [!Ref A, !Ref B]]")
    assert joined["Subnets"] == [{"Ref": "A"}, {"Ref": "B"}]
    unknown = queue(tmp_path, "TopicArn: x, Subnets: !GetAtt Topic.Names")
    assert unknown["Subnets"] == {"Fn::Split": [",", {"Fn::GetAtt": ["Topic", "Names"]}]}


def test_a_list_cannot_be_passed_to_a_nested_stack(tmp_path: Path) -> None:
    with pytest.raises(TemplateError, match=r"child\.yaml: Subnets must be a text"):
        queue(tmp_path, "TopicArn: x, Subnets: [!Ref A, !Ref B]")


def test_no_value_leaves_the_default(tmp_path: Path) -> None:
    given = "TopicArn: x, Option: !If ['No', y, !Ref AWS::NoValue]"
    assert queue(tmp_path, given)["Option"] == "plain"


def test_an_output_of_a_nested_stack_is_the_reference_to_its_resource(tmp_path: Path) -> None:
    more = "          Reader: {Type: AWS::SNS::Topic, Properties: {P: !GetAtt Child.Outputs.Arn}}"
    found = resolved(tmp_path, root=root(more), child=CHILD)
    assert found.resources["Reader"].properties == {"P": {"Fn::GetAtt": ["Queue", "Arn"]}}


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("Missing", "child.yaml has no output Missing, which root.yaml needs"),
        ("Never", "child.yaml has no output Never, which root.yaml needs"),
    ],
)
def test_a_missing_output_is_named(tmp_path: Path, output: str, message: str) -> None:
    reader = f"{{Type: AWS::SNS::Topic, Properties: {{P: !GetAtt Child.Outputs.{output}}}}}"
    with pytest.raises(TemplateError, match=message):
        resolved(tmp_path, root=root(f"          Reader: {reader}"), child=CHILD)


MODULE = """
    Resources:
      Rule: {Type: AWS::Events::Rule, Properties: {Queue: !GetAtt Queue.Arn}, DependsOn: Queue}
      Queue: {Type: AWS::SQS::Queue}
    Outputs:
      Url: {Value: !Ref Queue}
"""
USER = """
    Resources:
      ReaderInput:
        Type: AWS::Serverless::Application
        Properties: {Location: infra/modules/queue.yaml}
      Writer:
        Type: AWS::Serverless::Application
        Properties: {Location: infra/modules/queue.yaml}
      Function:
        Type: AWS::SNS::Topic
        DependsOn: Writer
        Properties: {Url: !GetAtt ReaderInput.Outputs.Url, Stack: !Ref Writer}
"""


def test_a_module_s_resources_have_the_name_of_its_stack_in_front(tmp_path: Path) -> None:
    found = resolved(tmp_path, root=USER, infra__modules__queue=MODULE)
    names = {"ReaderRule", "ReaderQueue", "WriterRule", "WriterQueue", "Function"}
    assert set(found.resources) == names
    rule = found.resources["ReaderRule"]
    assert rule.properties == {"Queue": {"Fn::GetAtt": ["ReaderQueue", "Arn"]}}
    assert rule.depends_on == ("ReaderQueue",)
    function = found.resources["Function"]
    assert function.properties == {"Url": {"Ref": "ReaderQueue"}, "Stack": {"Ref": "Writer"}}


def two(second: str) -> dict[str, str]:
    nested = "{Type: AWS::Serverless::Application, Properties: {Location: %s.yaml}}"
    return {
        "root": f"Resources:\n  One: {nested % 'one'}\n  Two: {nested % 'two'}\n",
        "one": "Resources: {Logs: {Type: AWS::Logs::LogGroup}}",
        "two": second,
    }


def test_one_name_in_two_stacks_is_an_error_even_for_equal_resources(tmp_path: Path) -> None:
    """They are two resources, and a system names each once."""
    equal = "Resources: {Logs: {Type: AWS::Logs::LogGroup}}"
    with pytest.raises(TemplateError, match="zebros/One and zebros/Two both have a Logs"):
        resolved(tmp_path, **two(equal))


def test_under_sam_local_stacks_share_equal_resources_only(tmp_path: Path) -> None:
    local = Account(stack_name="local")
    write(tmp_path, **two("Resources: {Logs: {Type: AWS::Logs::LogGroup}}"))
    found = resolve(tmp_path / "root.yaml", account=local, read=uncached)
    assert set(found.resources) == {"Logs"}
    write(tmp_path, two="Resources: {Logs: {Type: AWS::SNS::Topic}}")
    with pytest.raises(TemplateError, match="both have a Logs"):
        resolve(tmp_path / "root.yaml", account=local, read=uncached)


NESTED = "{Type: AWS::Serverless::Application, Properties: {Location: %s.yaml%s}}"


def test_a_template_that_contains_itself_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(TemplateError, match=r"root\.yaml -> other\.yaml -> root\.yaml"):
        resolved(
            tmp_path,
            root=f"Resources:\n  Other: {NESTED % ('other', '')}\n",
            other=f"Resources:\n  Root: {NESTED % ('root', '')}\n",
        )


def test_stacks_that_need_each_other_s_outputs_are_rejected(tmp_path: Path) -> None:
    child = """
        Parameters: {P: {Type: String}}
        Resources: {%s: {Type: AWS::SNS::Topic, Properties: {P: !Ref P}}}
        Outputs: {Arn: {Value: !Ref P}}
    """
    needs = ", Parameters: {P: !GetAtt %s.Outputs.Arn}"
    with pytest.raises(TemplateError, match="nested stacks need each other: One -> Two -> One"):
        resolved(
            tmp_path,
            root=f"Resources:\n  One: {NESTED % ('one', needs % 'Two')}\n"
            f"  Two: {NESTED % ('two', needs % 'One')}\n",
            one=child % "A",
            two=child % "B",
        )


def single(folder: Path, resource: str, more: str = "") -> System:
    text = f"""
        Conditions: {{"No": !Equals [a, b], "Yes": !Equals [a, a]}}
        Resources:
          One: {resource}
          Gone: {{Type: AWS::SNS::Topic, Condition: "No"}}
          There: {{Type: AWS::SNS::Topic, Condition: "Yes"}}
        {more}
    """
    return resolved(folder, root=text)


def test_an_output_that_nobody_reads_needs_its_resource(tmp_path: Path) -> None:
    """CloudFormation evaluates every output of a nested stack, and fails."""
    child = """
        Conditions: {"No": !Equals [a, b]}
        Resources:
          Queue: {Type: AWS::SQS::Queue}
          Maybe: {Type: AWS::SQS::Queue, Condition: "No"}
        Outputs:
          Url: {Value: !Ref Maybe}
    """
    with pytest.raises(TemplateError, match="Maybe"):
        resolved(tmp_path, root=root(parameters=""), child=child)


def test_what_a_deletion_does_to_a_resource(tmp_path: Path) -> None:
    kept = "{Type: AWS::S3::Bucket, DeletionPolicy: Retain, UpdateReplacePolicy: Snapshot}"
    one = single(tmp_path, kept).resources["One"]
    assert (one.deletion_policy, one.update_replace_policy) == ("Retain", "Snapshot")
    one = single(tmp_path, "{Type: AWS::S3::Bucket}").resources["One"]
    assert (one.deletion_policy, one.update_replace_policy) == ("Delete", "Delete")
    one = single(tmp_path, "{Type: AWS::RDS::DBCluster}").resources["One"]
    assert (one.deletion_policy, one.update_replace_policy) == ("Snapshot", "Delete")


def test_a_deletion_policy_cannot_have_a_function(tmp_path: Path) -> None:
    """CloudFormation accepts one only with the transform AWS::LanguageExtensions."""
    policy = "{Type: AWS::S3::Bucket, DeletionPolicy: !If ['Yes', Retain, Delete]}"
    with pytest.raises(TemplateError, match="One: DeletionPolicy cannot have a function"):
        single(tmp_path, policy)


def test_an_update_policy_is_resolved_and_its_references_checked(tmp_path: Path) -> None:
    text = "{Type: AWS::SNS::Topic, UpdatePolicy: {Hook: !Ref %s, Wait: !If ['Yes', 1, 2]}}"
    one = single(tmp_path, text % "There").resources["One"]
    assert one.update_policy == {"Hook": {"Ref": "There"}, "Wait": 1}
    with pytest.raises(TemplateError, match="One needs Gone, which does not exist"):
        single(tmp_path, text % "Gone")


def test_a_dependency_on_what_does_not_exist_here_is_ignored(tmp_path: Path) -> None:
    one = single(tmp_path, "{Type: AWS::SNS::Topic, DependsOn: [Gone, There]}").resources["One"]
    assert one.depends_on == ("There",)
    with pytest.raises(TemplateError, match="One needs Nowhere, which does not exist"):
        single(tmp_path, "{Type: AWS::SNS::Topic, DependsOn: Nowhere}")


def test_outputs_exist_by_their_condition(tmp_path: Path) -> None:
    outputs = "Outputs: {A: {Value: !Ref There}, B: {Value: !Ref Gone, Condition: 'No'}}"
    assert single(tmp_path, "{Type: AWS::SNS::Topic}", outputs).outputs == {"A": {"Ref": "There"}}
    with pytest.raises(TemplateError, match="output A of zebros needs Gone, which does not exist"):
        single(tmp_path, "{Type: AWS::SNS::Topic}", "Outputs: {A: {Value: !Ref Gone}}")
    with pytest.raises(TemplateError, match=r"output A of root\.yaml: .* has no parameter or res"):
        single(tmp_path, "{Type: AWS::SNS::Topic}", "Outputs: {A: {Value: !Ref Nothing}}")


def test_json_texts_are_data(tmp_path: Path) -> None:
    text = "{Type: AWS::Events::Rule, Properties: {EventPattern: '%s'}}"
    found = single(tmp_path, text % '{"source": ["a"]}')
    assert found.resources["One"].properties == {"EventPattern": {"source": ["a"]}}
    with pytest.raises(TemplateError, match="One: EventPattern is not JSON"):
        single(tmp_path, text % "{source")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Resources: [", "root.yaml is not YAML"),
        ("just text", "root.yaml has no Resources"),
        ("Parameters: {}", "root.yaml has no Resources"),
        ("Transform: AWS::LanguageExtensions\nResources: {}", "AWS::LanguageExtensions is not su"),
    ],
)
def test_what_is_not_a_template_is_rejected(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(TemplateError, match=message):
        resolved(tmp_path, root=text)


def test_a_missing_template_is_named(tmp_path: Path) -> None:
    with pytest.raises(TemplateError, match=r"zebros/Child: there is no template .*child\.yaml"):
        resolved(tmp_path, root=root())
