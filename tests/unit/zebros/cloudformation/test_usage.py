"""What no configuration uses is found, and conditions that are always the same."""

from pathlib import Path

from tests.unit.zebros.cloudformation.templates import uncached, write
from zebros.cloudformation import Usage, resolve

TEXT = """
    Parameters:
      Phase: {Type: String}
      Unused: {Type: String, Default: a}
    Mappings:
      Sizes:
        mvp: {Memory: 1, Time: 2}
        growth: {Memory: 3, Time: 4}
    Conditions:
      Grown: !Equals [!Ref Phase, growth]
      Never: !And [!Condition Grown, !Equals [a, b]]
      Unnamed: !Equals [!Ref Phase, growth]
    Resources:
      One: {Type: AWS::SNS::Topic, Properties: {P: !FindInMap [Sizes, !Ref Phase, Memory]}}
      Two: {Type: AWS::SNS::Topic, Condition: Never}
"""


def usage(folder: Path, *phases: str) -> Usage:
    found = Usage()
    root = write(folder, root=TEXT)
    for phase in phases:
        resolve(root, {"Phase": phase}, usage=found, read=uncached)
    return found


def test_what_no_configuration_uses_is_listed(tmp_path: Path) -> None:
    times = ["root.yaml Mappings Sizes growth Time", "root.yaml Mappings Sizes mvp Time"]
    rest = ["root.yaml Conditions Unnamed", *times, "root.yaml Parameters Unused"]
    assert usage(tmp_path, "mvp", "growth").unused() == rest
    alone = ["root.yaml Mappings Sizes growth Memory", *rest]
    assert usage(tmp_path, "mvp").unused() == sorted(alone)


def test_a_condition_that_is_always_the_same_is_listed(tmp_path: Path) -> None:
    never = "root.yaml Conditions Never is always false"
    assert usage(tmp_path, "mvp", "growth").constant() == [never]
    both = ["root.yaml Conditions Grown is always true", never]
    both.append("root.yaml Conditions Unnamed is always true")
    assert usage(tmp_path, "growth").constant() == both
