"""The changes that the tool makes in templates, and what it reports about them."""

import textwrap
from pathlib import Path

import pytest

from tools.template_mutations import mutations as changes
from tools.template_mutations.__main__ import Accepted, report
from tools.template_mutations.mutations import REMOVED, Mutation, mutations
from tools.template_mutations.runner import Outcome
from zebros.cloudformation import load

TEMPLATE = """\
    Parameters:
      Phase: {Type: String, Default: mvp, AllowedValues: [mvp, growth]}
      Other: {Type: String}
      Size: {Type: Number, Default: 3, MinValue: 1}
    Mappings:
      Sizes:
        mvp: {Memory: 128, Time: 7}
    Conditions:
      Grown: !And [!Equals [!Ref Phase, growth], !Equals [a, a]]
    Resources:
      Topic:
        Type: AWS::SNS::Topic
        Condition: Grown
        DeletionPolicy: Retain
        Properties:
          Wait: 30
          Open: true
          Text: !Sub "${Queue.Arn}/${AWS::Region}/${!Kept}"
          Ref: !Ref Other
          Memory: !FindInMap [Sizes, mvp, Memory]
          Policy: {Effect: Allow, Action: [sqs:SendMessage], Resource: !GetAtt Queue.Arn}
          Subnets: [a, b]
          If: !If [Grown, 1, !Ref AWS::NoValue]
          Description: !Sub "${Other} is not changed"
      Queue: {Type: AWS::SQS::Queue, DependsOn: Second}
      Second: {Type: AWS::SQS::Queue}
    Outputs:
      Arn: {Value: !GetAtt Queue.Arn}
"""


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Mutation]:
    monkeypatch.setattr(changes, "ROOT", tmp_path)
    path = tmp_path / "template.yaml"
    path.write_text(textwrap.dedent(TEMPLATE), encoding="utf-8")
    return list(mutations(path))


IN_TOPIC = "Resources.Topic.Properties."
EXPECTED = [
    (2, "figure", "Parameters.Phase.Default", "growth"),
    (4, "figure", "Parameters.Size.Default", 4),
    (4, "figure", "Parameters.Size.MinValue", 2),
    (7, "figure", "Mappings.Sizes.mvp.Memory", 129),
    (9, "condition", "Conditions.Grown.!And.1", REMOVED),
    (12, "resource", "Resources.Topic", REMOVED),
    (13, "condition", "Resources.Topic.Condition", REMOVED),
    (14, "retention", "Resources.Topic.DeletionPolicy", REMOVED),
    (16, "figure", f"{IN_TOPIC}Wait", 31),
    (17, "switch", f"{IN_TOPIC}Open", False),
    (18, "wire", f"{IN_TOPIC}Text.!Sub", "${Second.Arn}/${AWS::Region}/${!Kept}"),
    (18, "wire", f"{IN_TOPIC}Text.!Sub", "${Queue.Arn}/${AWS::AccountId}/${!Kept}"),
    (19, "wire", f"{IN_TOPIC}Ref", {"Ref": "Phase"}),
    (20, "wire", f"{IN_TOPIC}Memory", {"Fn::FindInMap": ["Sizes", "mvp", "Time"]}),
    (21, "permission", f"{IN_TOPIC}Policy.Effect", "Deny"),
    (21, "permission", f"{IN_TOPIC}Policy.Resource", "*"),
    (21, "permission", f"{IN_TOPIC}Policy.Action.0", "sqs:*"),
    (21, "permission", f"{IN_TOPIC}Policy.Action.0", "sqs:Other"),
    (21, "wire", f"{IN_TOPIC}Policy.Resource", {"Fn::GetAtt": ["Second", "Arn"]}),
    (22, "item", f"{IN_TOPIC}Subnets.1", REMOVED),
    (23, "condition", f"{IN_TOPIC}If", {"Fn::If": ["Grown", {"Ref": "AWS::NoValue"}, 1]}),
    (25, "order", "Resources.Queue.DependsOn", REMOVED),
    (28, "wire", "Outputs.Arn.Value", {"Fn::GetAtt": ["Second", "Arn"]}),
]


@pytest.mark.parametrize(("line", "kind", "place", "after"), EXPECTED)
def test_each_figure_wire_condition_item_and_permission_is_changed(
    made: list[Mutation], line: int, kind: str, place: str, after: object
) -> None:
    found = [(one.line, one.kind, one.place) for one in made if one.after == after]
    assert (line, kind, place) in found


def test_what_does_not_matter_is_left_alone(made: list[Mutation]) -> None:
    assert not [
        one for one in made if "Description" in one.place or one.before == {"Ref": "AWS::NoValue"}
    ]


def test_a_change_is_seen_by_everyone_who_loads_the_template(
    made: list[Mutation], tmp_path: Path
) -> None:
    template = load.load(tmp_path / "template.yaml")
    (wait,) = [one for one in made if one.place.endswith("Wait")]
    assert str(wait) == f"template.yaml:16 figure {IN_TOPIC}Wait: 30 -> 31"
    wait.apply()
    assert load.load(tmp_path / "template.yaml") is template
    assert template["Resources"]["Topic"]["Properties"]["Wait"] == 31
    (subnet,) = [one for one in made if one.place.endswith("Subnets.1")]
    subnet.apply()
    assert template["Resources"]["Topic"]["Properties"]["Subnets"] == ["a"]


def outcome(place: str, noticed_by: str = "") -> Outcome:
    return Outcome(Mutation("a.yaml", 1, "figure", tuple(place.split(".")), 1, 2), noticed_by, 0.1)


NOTICED = [outcome(f"Resources.R{n}", "test_a") for n in range(19)]
LISTED = Accepted("a.yaml", "Outputs.*", "figure", "no one reads it")


@pytest.mark.parametrize(
    ("results", "listed", "code"),
    [
        (NOTICED, [], 0),
        ([*NOTICED, outcome("Outputs.A")], [LISTED], 0),
        ([*NOTICED, outcome("Outputs.A")], [], 1),
        ([*NOTICED, outcome("Resources.A")], [LISTED], 1),
        (NOTICED, [LISTED], 1),
        ([*NOTICED[:9], outcome("Outputs.A")], [LISTED], 1),
    ],
    ids=["all", "explained", "unexplained", "another", "stale", "too many"],
)
def test_a_survivor_must_be_explained_and_an_explanation_must_be_needed(
    results: list[Outcome], listed: list[Accepted], code: int
) -> None:
    assert report(results, listed, whole=True) == code


def test_a_sample_says_nothing_about_the_listed_survivors() -> None:
    assert report(NOTICED, [LISTED], whole=False) == 0


def test_what_changes_nothing_is_no_mutation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "ROOT", tmp_path)
    statement = "{Effect: Deny, Action: 'ec2:*', Resource: '*'}"
    file = tmp_path / "template.yaml"
    file.write_text(
        "Resources:\n  P: {Type: AWS::IAM::Policy, Properties: {Policy: " + statement + "}}\n",
        encoding="utf-8",
    )
    found = [(one.steps[-1], one.after) for one in mutations(file) if one.kind == "permission"]
    assert found == [("Effect", "Allow"), ("Action", "ec2:Other")]
