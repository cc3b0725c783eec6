"""The values of parameters, and the rules about them, are those of CloudFormation."""

from pathlib import Path
from typing import Any

import pytest

from tests.unit.zebros.cloudformation.templates import resolved
from zebros.cloudformation import TemplateError


def parameter(folder: Path, definition: str, **given: Any) -> Any:
    """The value of the parameter `P` in a resource."""
    text = f"""
        Parameters: {{P: {definition}}}
        Resources:
          One: {{Type: AWS::SNS::Topic, Properties: {{P: !Ref P}}}}
    """
    return resolved(folder, given, root=text).resources["One"].properties["P"]


@pytest.mark.parametrize(
    ("definition", "given", "expected"),
    [
        ("{Type: String, Default: a}", {}, "a"),
        ("{Type: String, Default: a}", {"P": "b"}, "b"),
        ("{Type: String, Default: ''}", {}, ""),
        ("{Type: String, Default: true}", {}, "true"),
        ("{Type: String, Default: true, AllowedValues: [true, false]}", {"P": "false"}, "false"),
        ("{Type: String, Default: 1}", {}, "1"),
        ("{Type: String, AllowedPattern: 'a+'}", {"P": "aaa"}, "aaa"),
        ("{Type: String, MinLength: 2, MaxLength: 3}", {"P": "abc"}, "abc"),
        ("{Type: Number, Default: 2}", {"P": "3"}, 3),
        ("{Type: Number, Default: 2.5}", {}, 2.5),
        ("{Type: Number, MinValue: 1, MaxValue: 3}", {"P": "1"}, 1),
        ("{Type: Number, MinValue: '1', MaxValue: '3'}", {"P": 3}, 3),
        ("{Type: Number}", {"P": "-2"}, -2),
        ("{Type: CommaDelimitedList, Default: 'a, b,c '}", {}, ["a", "b", "c"]),
        ("{Type: CommaDelimitedList, Default: ''}", {}, [""]),
        ("{Type: CommaDelimitedList, AllowedValues: [a, b]}", {"P": "b,a"}, ["b", "a"]),
        ("{Type: List<Number>}", {"P": "1, 2"}, [1, 2]),
        ("{Type: 'List<AWS::EC2::Subnet::Id>'}", {"P": "s-1,s-2"}, ["s-1", "s-2"]),
        ("{Type: 'AWS::EC2::VPC::Id'}", {"P": "vpc-1"}, "vpc-1"),
        ("{Type: 'AWS::SSM::Parameter::Value<String>'}", {"P": "/a"}, "{{resolve:ssm:/a}}"),
        (
            "{Type: 'AWS::SSM::Parameter::Value<List<String>>'}",
            {"P": "/a"},
            {"Fn::Split": [",", "{{resolve:ssm:/a}}"]},
        ),
    ],
)
def test_a_parameter_has_the_value_that_cloudformation_gives(
    tmp_path: Path, definition: str, given: dict[str, Any], expected: Any
) -> None:
    assert parameter(tmp_path, definition, **given) == expected


@pytest.mark.parametrize(
    ("definition", "given", "message"),
    [
        ("{Type: String}", {}, "root.yaml needs a value for its parameter P"),
        ("{Type: String}", {"P": "a", "Q": "b"}, "root.yaml has no parameter Q; it has P"),
        ("{Type: String}", {"P": ["a"]}, "root.yaml: P must be a text; join the items of a list"),
        ("{Type: CommaDelimitedList}", {"P": ["a"]}, "P must be a text; join the items of a list"),
        ("{Type: String}", {"P": {"a": "b"}}, "P must be a text"),
        ("{Type: String, AllowedValues: [a, b]}", {"P": "c"}, "cannot be 'c'; allowed are a, b"),
        ("{Type: String, AllowedPattern: a+}", {"P": "aab"}, "cannot be 'aab'; it must match a"),
        (
            "{Type: String, AllowedPattern: a+, ConstraintDescription: only a}",
            {"P": "b"},
            "cannot be 'b'; only a",
        ),
        ("{Type: String, MinLength: 2}", {"P": "a"}, "it must have 2 to 1 characters"),
        ("{Type: String, MaxLength: 2}", {"P": "abc"}, "it must have 0 to 2 characters"),
        ("{Type: Number}", {"P": "1_000"}, "cannot be '1_000'; it must be a number"),
        ("{Type: Number}", {"P": "nan"}, "it must be a number"),
        ("{Type: Number, MinValue: 1, MaxValue: 3}", {"P": "0"}, "must be between 1 and 3"),
        ("{Type: Number, MinValue: 1, MaxValue: 3}", {"P": "4"}, "must be between 1 and 3"),
        ("{Type: CommaDelimitedList, AllowedValues: [a, b]}", {"P": "a,c"}, "cannot be 'c'"),
        ("{Type: CommaDelimitedList, AllowedPattern: a+}", {"P": "a,b"}, "cannot be 'b'"),
        ("{Type: List<Number>}", {"P": "1,x"}, "cannot be 'x'; it must be a number"),
    ],
)
def test_a_wrong_value_is_rejected(
    tmp_path: Path, definition: str, given: dict[str, Any], message: str
) -> None:
    with pytest.raises(TemplateError, match=message):
        parameter(tmp_path, definition, **given)


RULES = """
    Parameters:
      Phase: {Type: String, Default: mvp}
      Domain: {Type: String, Default: ""}
      Zones: {Type: CommaDelimitedList, Default: "a,b"}
      Count: {Type: Number, Default: 2}
    Rules:
      Edge:
        RuleCondition: !Equals [!Ref Phase, growth]
        Assertions:
          - Assert: !Not [!Equals [!Ref Domain, ""]]
            AssertDescription: Growth needs a Domain.
          - Assert: !Contains [[a.com, b.com], !Ref Domain]
      Always:
        Assertions:
          - Assert: !Contains [!Ref Zones, a]
          - {Assert: !Contains [[1, 2], !Ref Count], AssertDescription: One or two.}
    Resources:
      One: {Type: AWS::SNS::Topic}
"""


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"Phase": "growth"}, "root.yaml: Growth needs a Domain."),
        ({"Phase": "growth", "Domain": "c.com"}, "root.yaml: rule Edge is not fulfilled"),
        ({"Zones": "b,c"}, "root.yaml: rule Always is not fulfilled"),
        ({"Count": "3"}, "root.yaml: One or two."),
    ],
)
def test_a_rule_rejects_parameters_in_its_own_words(
    tmp_path: Path, given: dict[str, str], message: str
) -> None:
    with pytest.raises(TemplateError) as error:
        resolved(tmp_path, given, root=RULES)
    assert error.value.message == message


@pytest.mark.parametrize("given", [{}, {"Phase": "growth", "Domain": "a.com"}, {"Domain": "x"}])
def test_a_rule_accepts_what_fulfils_it(tmp_path: Path, given: dict[str, str]) -> None:
    assert set(resolved(tmp_path, given, root=RULES).resources) == {"One"}
