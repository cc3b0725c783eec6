"""Nested stacks that are the same in two systems are resolved once."""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.template.stack import EVERYTHING, ROOT, templates
from tests.unit.zebros.cloudformation.templates import write
from zebros.cloudformation import System, TemplateError, Usage, resolve
from zebros.cloudformation.load import load
from zebros.cloudformation.system import forget

CHILD = """
    Parameters: {Size: {Type: Number}}
    Resources: {"%sQueue": {Type: AWS::SQS::Queue, Properties: {Size: !Ref Size}}}
    Outputs: {Size: {Value: !Ref Size}}
"""
PARENT = """
    Parameters: {A: {Type: Number}, B: {Type: Number}}
    Resources:
      One: {Type: AWS::CloudFormation::Stack, Properties: {TemplateURL: one.yaml, Parameters: {Size: !Ref A}}}
      Two: {Type: AWS::CloudFormation::Stack, Properties: {TemplateURL: two.yaml, Parameters: {Size: !Ref B}}}
    Outputs: {Sizes: {Value: !Sub "${One.Outputs.Size} ${Two.Outputs.Size}"}}
"""  # noqa: E501


@pytest.fixture
def parent(tmp_path: Path) -> Path:
    return write(tmp_path, parent=PARENT, one=CHILD % "One", two=CHILD % "Two")


@pytest.fixture
def switching_often() -> Iterator[None]:
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


def sizes(system: System) -> list[object]:
    return [one.properties["Size"] for one in system.resources.values()]


def test_a_stack_with_other_parameters_is_another_one(parent: Path) -> None:
    first, second = resolve(parent, {"A": "1", "B": "2"}), resolve(parent, {"A": "1", "B": "3"})
    assert (sizes(first), first.outputs["Sizes"]) == ([1, 2], "1 2")
    assert (sizes(second), second.outputs["Sizes"]) == ([1, 3], "1 3")
    assert second.resources["OneQueue"] is first.resources["OneQueue"]
    assert second.resources["TwoQueue"] is not first.resources["TwoQueue"]
    assert second.stacks == first.stacks


def test_a_template_that_changed_in_place_is_resolved_again_once_forgotten(parent: Path) -> None:
    before = resolve(parent, {"A": "1", "B": "2"})
    path = parent.with_name("two.yaml")
    load(path)["Resources"]["TwoQueue"]["Properties"]["Size"] = 9
    assert sizes(resolve(parent, {"A": "1", "B": "2"})) == [1, 2]
    forget(path)
    after = resolve(parent, {"A": "1", "B": "2"})
    assert sizes(after) == [1, 9]
    assert after.resources["OneQueue"] is before.resources["OneQueue"]


def test_templates_that_another_reader_reads_are_not_known(parent: Path) -> None:
    resolve(parent, {"A": "1", "B": "2"})

    def read(path: Path) -> dict[str, object]:
        one = load(path)
        properties = {"Type": "AWS::SQS::Queue", "Properties": {"Size": 7}}
        return one if path == parent else {**one, "Resources": {f"{path.stem}Q": properties}}

    assert sizes(resolve(parent, {"A": "1", "B": "2"}, read=read)) == [7, 7]


def test_what_several_systems_use_is_collected_together(parent: Path) -> None:
    resolve(parent, {"A": "1", "B": "2"})
    usage = Usage()
    for other in ("2", "3"):
        resolve(parent, {"A": "1", "B": other}, usage=usage)
    assert ("one.yaml", "Parameters", "Size") in usage.used
    assert not usage.unused()


def test_a_rejected_parameter_leaves_nothing_behind(parent: Path) -> None:
    for _ in range(2):
        with pytest.raises(TemplateError, match="A cannot be 'x'"):
            resolve(parent, {"A": "x", "B": "2"})
    assert sizes(resolve(parent, {"A": "1", "B": "2"})) == [1, 2]


@pytest.mark.usefixtures("switching_often")
def test_threads_resolve_at_the_same_time() -> None:
    """Each with a parameter of its own, which most of the nested stacks do not have."""
    for path in (ROOT / name for name in templates()):
        forget(path)

    def system(number: int) -> System:
        return resolve(ROOT / "template.yaml", EVERYTHING | {"GapGraceSeconds": str(number)})

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(system, range(600, 608)))
    for number, one in zip(range(600, 608), found, strict=True):
        assert one.parameters["GapGraceSeconds"] == number
        assert one.resources.keys() == found[0].resources.keys()
