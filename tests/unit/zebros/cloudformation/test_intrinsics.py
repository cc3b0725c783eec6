"""Each intrinsic function gives what CloudFormation gives."""

import ipaddress
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.zebros.cloudformation.templates import resolved, value
from zebros.cloudformation import TemplateError
from zebros.cloudformation.intrinsics import evaluate

ARN = {"Fn::GetAtt": ["Other", "TopicArn"]}


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("!Ref Word", "word"),
        ("!Ref Size", 3),
        ("!Ref Items", ["a", "b", "c"]),
        ("!Ref AWS::Region", "us-east-1"),
        ("!Ref AWS::AccountId", "123456789012"),
        ("!Ref AWS::StackName", "zebros"),
        ("!Ref AWS::Partition", "aws"),
        ("!Ref AWS::URLSuffix", "amazonaws.com"),
        ("!Ref AWS::NoValue", None),
        ("!Ref Other", {"Ref": "Other"}),
        ("!GetAtt Other.TopicArn", ARN),
        ("{'Fn::GetAtt': [Other, TopicArn]}", ARN),
        ("{'Fn::GetAtt': Other.TopicArn}", ARN),
        ("!Sub plain", "plain"),
        ("!Sub '${Word}-${Size}-${AWS::Region}'", "word-3-us-east-1"),
        ("!Sub '${!Word} costs $5 ${ '", "${Word} costs $5 ${ "),
        ("!Sub '${Other}'", {"Ref": "Other"}),
        ("!Sub '${Other.TopicArn}'", ARN),
        ("!Sub '${Other.TopicArn}/*'", {"Fn::Sub": "${Other.TopicArn}/*"}),
        ("!Sub '${Word}/${Other}/${!Word}'", {"Fn::Sub": "word/${Other}/${!Word}"}),
        ("!Sub ['${A}${A}-${Word}', {A: !Ref Size}]", "33-word"),
        ("!Sub ['${Word}', {Word: own}]", "own"),
        ("!Sub ['${A}', {A: '${Word}'}]", "${Word}"),
        ("!Sub ['${A}', {A: !Sub 'x${Other}'}]", {"Fn::Sub": "x${Other}"}),
        ("!Sub ['${A.B}', {'A.B': dots}]", "dots"),
        (
            "!Sub ['x${A}y', {A: !Select [1, !Split [':', !Ref Other]]}]",
            {
                "Fn::Join": [
                    "",
                    ["x", {"Fn::Select": [1, {"Fn::Split": [":", {"Ref": "Other"}]}]}, "y"],
                ]
            },
        ),
        ("!Join [',', [a, !Ref Word, 1, true]]", "a,word,1,true"),
        ("!Join ['-', !Ref Items]", "a-b-c"),
        ("!Join ['', []]", ""),
        ("!Join ['/', [a, !Ref AWS::NoValue, b]]", "a/b"),
        ("!Join ['/', [a, !Ref Other]]", {"Fn::Sub": "a/${Other}"}),
        (
            "!Join [',', !GetAtt Other.Names]",
            {"Fn::Join": [",", {"Fn::GetAtt": ["Other", "Names"]}]},
        ),
        ("!Select [1, [a, b]]", "b"),
        ("!Select ['0', !Ref Items]", "a"),
        ("!Select [0, [!Ref Other]]", {"Ref": "Other"}),
        (
            "!Select [0, !GetAtt Other.Names]",
            {"Fn::Select": [0, {"Fn::GetAtt": ["Other", "Names"]}]},
        ),
        ("!Split ['|', 'a|b||']", ["a", "b", "", ""]),
        ("!Split [',', !Sub '${Other},b']", [{"Ref": "Other"}, "b"]),
        ("!Split [',', !Ref Other]", {"Fn::Split": [",", {"Ref": "Other"}]}),
        ("!If ['Yes', 1, 2]", 1),
        ("!If ['No', 1, 2]", 2),
        ("!If ['No', 1, !Ref AWS::NoValue]", None),
        ("[1, !If ['No', 2, !Ref AWS::NoValue], 3]", [1, 3]),
        ("{A: !If ['No', 2, !Ref AWS::NoValue], B: 1}", {"B": 1}),
        ("!FindInMap [Sizes, !Ref Key, Memory]", 128),
        ("!FindInMap [Sizes, large, Zones]", ["z"]),
        ("!GetAZs ''", ["us-east-1a", "us-east-1b", "us-east-1c"]),
        ("!GetAZs eu-west-1", ["eu-west-1a", "eu-west-1b", "eu-west-1c"]),
        ("!Select [1, !GetAZs {Ref: 'AWS::Region'}]", "us-east-1b"),
        ("!Cidr [10.0.0.0/24, 2, 6]", ["10.0.0.0/26", "10.0.0.64/26"]),
        (
            "!Cidr [!GetAtt Other.Block, 2, 6]",
            {"Fn::Cidr": [{"Fn::GetAtt": ["Other", "Block"]}, 2, 6]},
        ),
        ("!Base64 text", {"Fn::Base64": "text"}),
        ("{Condition: text}", {"Condition": "text"}),
        ("{Version: 2012-10-17}", {"Version": "2012-10-17"}),
    ],
)
def test_a_function_has_the_value_that_cloudformation_gives(
    tmp_path: Path, expression: str, expected: Any
) -> None:
    assert value(tmp_path, expression) == expected


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("!Ref Nothing", "root.yaml has no parameter or resource Nothing"),
        ("!Ref AWS::StackId", "AWS::StackId is not supported"),
        ("!Ref Gone", "Topic needs Gone, which does not exist"),
        ("!GetAtt Gone.TopicArn", "Topic needs Gone, which does not exist"),
        ("!Sub '${Gone.TopicArn}/*'", "Topic needs Gone, which does not exist"),
        ("!Sub 'a${Gone}'", "Topic needs Gone, which does not exist"),
        ("!Join [',', !GetAtt Gone.Names]", "Topic needs Gone, which does not exist"),
        ("!GetAtt Nothing.Arn", "root.yaml has no resource Nothing"),
        ("!Sub '${Nothing}'", "has no parameter or resource Nothing"),
        ("!Sub '${Wo rd}'", "Fn::Sub cannot have a variable named 'Wo rd'"),
        ("!Sub '${}'", "Fn::Sub cannot have a variable named ''"),
        ("!Sub ['${A}', {A: [1]}]", r"a text cannot contain \[1\]"),
        ("!Join [',', [{a: 1}]]", "a text cannot contain {'a': 1}"),
        ("!Join [',']", "Fn::Join cannot have the arguments"),
        ("!Select [3, !Ref Items]", "Fn::Select of item 3 of 3"),
        ("!Select [-1, [a]]", "Fn::Select of item -1 of 1"),
        ("!Select [x, [a]]", "Fn::Select cannot have the arguments"),
        ("!If [Maybe, 1, 2]", "root.yaml has no condition Maybe"),
        ("!If ['Yes', 1]", "Fn::If cannot have the arguments"),
        ("!FindInMap [Sizes, medium, Memory]", "root.yaml has no figure Sizes.medium.Memory"),
        ("!FindInMap [Sizes, small, Memory, 1]", "Fn::FindInMap cannot have the arguments"),
        ("!Cidr [10.0.0.0/24, 5, 6]", "10.0.0.0/24 has no 5 blocks of 6 bits"),
        ("!Cidr [10.0.0.0/24, 1, 9]", "10.0.0.0/24 has no 1 blocks of 9 bits"),
        ("!Cidr [10.0.0.0/8, 257, 6]", "10.0.0.0/8 has no 257 blocks"),
        ("!Cidr [10.0.0.0/24, 0, 6]", "has no 0 blocks"),
        ("!Cidr [somewhere, 1, 6]", "Fn::Cidr cannot have the arguments"),
        ("!ImportValue x", "Fn::ImportValue is not supported"),
    ],
)
def test_what_cloudformation_rejects_is_rejected(
    tmp_path: Path, expression: str, message: str
) -> None:
    with pytest.raises(TemplateError, match=message):
        value(tmp_path, expression)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("!Equals [a, a]", True),
        ("!Equals [a, b]", False),
        ("!Equals [1, '1']", True),
        ("!Equals [true, 'true']", True),
        ("!Equals [!Ref Items, [a, b]]", True),
        ("!Equals [!Join ['', !Ref Items], ab]", True),
        ("!Not [!Equals [a, a]]", False),
        ("!And [!Equals [a, a], !Condition Base]", True),
        ("!And [!Condition Base, !Equals [a, b]]", False),
        ("!Or [!Equals [a, b], !Condition Base]", True),
        ("!Or [!Equals [a, b], !Not [!Condition Base]]", False),
        ("!Condition Base", True),
        ("!Equals [!FindInMap [M, k, f], 1]", True),
    ],
)
def test_a_condition_has_the_value_that_cloudformation_gives(
    tmp_path: Path, condition: str, expected: bool
) -> None:
    assert exists(tmp_path, condition) == expected


def exists(folder: Path, condition: str) -> bool:
    """Whether a resource with a condition exists."""
    text = f"""
        Parameters:
          Items: {{Type: CommaDelimitedList, Default: "a,b"}}
        Mappings: {{M: {{k: {{f: 1}}}}}}
        Conditions:
          Base: !Equals [a, a]
          Wanted: {condition}
        Resources:
          One: {{Type: AWS::SNS::Topic, Condition: Wanted}}
    """
    return "One" in resolved(folder, root=text).resources


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("!Condition Missing", "root.yaml has no condition Missing"),
        # Both operands count, also when the first decides.
        ("!And [!Equals [a, b], !Condition Missing]", "has no condition Missing"),
        ("!Or [!Equals [a, a], !Condition Missing]", "has no condition Missing"),
        ("!Condition Wanted", "condition Wanted needs itself"),
        ("!Not [!Condition Wanted]", "condition Wanted needs itself"),
        ("'true'", "'true' is not a condition"),
        ("!And ['false', 'true']", "'false' is not a condition"),
        ("!Not [!Equals [a, a], !Equals [a, a]]", "Fn::Not cannot have the arguments"),
        ("!Equals [a]", "Fn::Equals cannot have the arguments"),
    ],
)
def test_a_wrong_condition_is_rejected(tmp_path: Path, condition: str, message: str) -> None:
    with pytest.raises(TemplateError, match=message):
        exists(tmp_path, condition)


class Known:
    """A scope with parameters only."""

    region = "us-east-1"

    def __init__(self, **parameters: Any) -> None:
        self.parameters = parameters

    def ref(self, name: str) -> Any:
        return self.parameters[name]

    def attribute(self, name: str, attribute: str) -> Any:
        return {"Fn::GetAtt": [name, attribute]}

    def condition(self, name: str) -> bool:
        return bool(self.parameters[name])

    def figure(self, mapping: str, key: str, name: str) -> Any:
        return self.parameters[mapping][key][name]


class Judge(dict[str, Any]):
    """What moto needs of a stack to evaluate functions."""

    @property
    def lazy_condition_map(self) -> dict[str, Any]:
        return self


NAMES = ("One", "Two")
WORDS = st.text(alphabet="ab-/:|,{} ", max_size=8)
PLAIN = WORDS | st.sampled_from([{"Ref": name} for name in NAMES])


def functions(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    lists = st.lists(inner, min_size=1, max_size=3)
    separators = st.sampled_from([",", ":", "|", "--"])
    return (
        st.builds(lambda s, items: {"Fn::Join": [s, items]}, separators | st.just(""), lists)
        | st.builds(lambda items: {"Fn::Select": [len(items) - 1, items]}, lists)
        | st.builds(lambda s, one: {"Fn::Select": [0, {"Fn::Split": [s, one]}]}, separators, inner)
        | st.builds(lambda a, b: {"Fn::If": ["Yes", a, b]}, inner, inner)
        | st.builds(lambda a, b: {"Fn::If": ["No", a, b]}, inner, inner)
        | st.builds(
            lambda before, name, after: {"Fn::Sub": f"{before}${{{name}}}{after}"},
            st.text(alphabet="ab-/ ", max_size=4),
            st.sampled_from(NAMES),
            st.text(alphabet="ab-/ ", max_size=4),
        )
    )


@given(st.recursive(PLAIN, functions, max_leaves=8), WORDS, WORDS)
def test_an_independent_evaluator_agrees(expression: Any, one: str, two: str) -> None:
    # Not at the top: it takes seconds, in every process.
    from moto.cloudformation.parsing import clean_json

    known = {"One": one, "Two": two, "Yes": True, "No": False}
    expected = clean_json(json.loads(json.dumps(expression)), Judge(known))  # type: ignore[arg-type]
    assert evaluate(expression, Known(**known)) == expected


REFERENCES = {"Here": {"Ref": "Bucket"}, "There": {"Fn::GetAtt": ["Queue", "Arn"]}}
ANY_TEXT = st.text(alphabet="a${}!.,", max_size=6)


@given(st.lists(ANY_TEXT | st.sampled_from([{"Ref": "Here"}, {"Ref": "There"}]), max_size=6))
def test_joined_texts_keep_every_character_and_reference(items: list[Any]) -> None:
    """What CloudFormation makes of the result is what it makes of the function itself."""
    names = {"Bucket": "<bucket>", "Queue.Arn": "<queue>"}
    wanted = "".join(
        one if isinstance(one, str) else ("<bucket>" if one == {"Ref": "Here"} else "<queue>")
        for one in items
    )
    found = evaluate({"Fn::Join": ["", items]}, Known(**REFERENCES))
    assert deployed(found, names) == wanted


def deployed(found: Any, names: dict[str, str]) -> str:
    """The text after a deployment, in which each reference has a value."""
    match found:
        case str():
            return found
        case {"Ref": name}:
            return names[name]
        case {"Fn::GetAtt": [name, attribute]}:
            return names[f"{name}.{attribute}"]
        case {"Fn::Sub": text}:
            for name, one in names.items():
                text = text.replace(f"${{{name}}}", one)
            return str(text).replace("${!", "${")
    raise AssertionError(found)


@given(
    st.integers(16, 28).flatmap(
        lambda prefix: st.tuples(st.just(prefix), st.integers(prefix, 30), st.integers(1, 8))
    )
)
def test_blocks_of_a_network_are_inside_and_apart(case: tuple[int, int, int]) -> None:
    prefix, inner, count = case
    wanted = min(count, 2 ** (inner - prefix))
    network = f"10.0.0.0/{prefix}"
    blocks = evaluate({"Fn::Cidr": [network, wanted, 32 - inner]}, Known())
    found = [ipaddress.ip_network(one) for one in blocks]
    assert len(found) == wanted
    assert {one.prefixlen for one in found} == {inner}
    assert all(one.subnet_of(ipaddress.ip_network(network)) for one in found)
    assert not any(a.overlaps(b) for a in found for b in found if a is not b)
