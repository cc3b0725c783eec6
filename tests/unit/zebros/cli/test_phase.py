"""`zebros phase plan` prints a plan, and rejects wrong input in one sentence."""

import json
from pathlib import Path

import pytest

from zebros.cli import main
from zebros.cloudformation import resolve
from zebros.costs import Prices, Usage, monthly
from zebros.costs.prices import FILE as PRICES
from zebros.costs.usage import FILE as USAGE

ROOT = Path(__file__).resolve().parents[4]

TEMPLATE = """
Parameters:
  Phase: {Type: String, Default: mvp, AllowedValues: [mvp, startup, growth, enterprise]}
  Name: {Type: String, Default: ""}
Rules:
  Named:
    RuleCondition: !Equals [!Ref Phase, growth]
    Assertions:
      - {Assert: !Not [!Equals [!Ref Name, ""]], AssertDescription: "Growth needs a Name."}
Mappings:
  Sizes:
    mvp: {Executions: 5, Kept: Retain}
    startup: {Executions: 10}
    growth: {Executions: 20}
    enterprise: {Executions: 30}
Conditions:
  Small: !Equals [!Ref Phase, mvp]
Resources:
  Api:
    Type: AWS::Lambda::Function
    Properties: {ReservedConcurrentExecutions: !FindInMap [Sizes, !Ref Phase, Executions]}
  Notes: {Type: AWS::SQS::Queue, Condition: Small}
  Unpriced: {Type: AWS::IoT::Thing}
"""


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "template.yaml").write_text(TEMPLATE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    chosen = () if "--template" in words else ("--template", "template.yaml")
    code = main(["phase", "plan", *words, *chosen])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


@pytest.mark.usefixtures("checkout")
def test_a_plan_is_a_table_of_what_changes(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "--from", "startup", "--to", "enterprise")
    assert code == 0
    assert "From startup to enterprise" in out
    assert "changed  Api       AWS::Lambda::Function  ReservedConcurrentExecutions" in out
    assert "1 resources are touched, of which 0 hold data." in err


@pytest.mark.usefixtures("checkout")
def test_a_plan_is_a_document_with_json(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "--from", "startup", "--to", "growth", "--set", "Name=a=b", "--json")
    assert code == 0
    plan = json.loads(out)
    assert (plan["from"], plan["to"], plan["limits"]) == ("startup", "growth", [])
    assert plan["monthly_cost"] is None, "a thing has no price"
    assert plan["changes"] == [
        {
            "name": "Api",
            "type": "AWS::Lambda::Function",
            "stack": "zebros",
            "effect": "changed",
            "properties": ["ReservedConcurrentExecutions"],
            "reason": "",
            "holds_data": False,
        }
    ]


def test_the_costs_before_and_after_are_those_of_the_same_load(
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ("--from", "mvp", "--to", "startup", "--template", str(ROOT / "template.yaml"))
    _, out, err = run(capsys, *words, "--json")
    found = json.loads(out)["monthly_cost"]
    for phase, key in (("mvp", "before"), ("startup", "after")):
        load = Usage.load("mvp", "primary", USAGE)
        bill = monthly(resolve(ROOT / "template.yaml", {"Phase": phase}), load, Prices.load(PRICES))
        assert found[key] == float(bill.total)
    assert found["users"] == load.users
    assert found["before"] < found["after"]
    _, out, err = run(capsys, *words, "--users", "7")
    assert "Monthly cost with 7 users: " in err
    _, out, _ = run(capsys, *words, "--users", "7", "--json")
    fewer = json.loads(out)["monthly_cost"]
    assert fewer["users"] == 7
    assert fewer["before"] != found["before"]


@pytest.mark.usefixtures("checkout")
def test_a_plan_without_a_cost_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "--from", "startup", "--to", "enterprise")
    assert code == 0
    assert "Monthly cost: not computed. " in err
    assert "AWS::IoT::Thing" in err


@pytest.mark.usefixtures("checkout")
def test_a_move_that_loses_data_fails_after_its_plan(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "--from", "mvp", "--to", "startup")
    assert code == 1
    assert "removed  Notes" in out
    assert "The move would lose the data of Notes." in err


@pytest.mark.usefixtures("checkout")
@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ("--from small --to growth", 65, "There is no phase 'small'."),
        ("--from mvp --to Growth", 65, "There is no phase 'Growth'."),
        ("--from mvp --to mvp", 65, "is in phase mvp before and after: nothing changes."),
        ("--from mvp --to growth", 65, "After the move: template.yaml: Growth needs a Name."),
        ("--from growth --to mvp", 65, "Before the move: template.yaml: Growth needs a Name."),
        ("--from mvp --to startup --change Name", 65, "--change Name is not NAME=VALUE."),
        ("--from mvp --to startup --set Names=a", 65, "has no parameter Names; it has Name, Ph"),
        ("--from mvp --to startup --set Name", 65, "--set Name is not NAME=VALUE."),
        ("--from mvp --to startup --template none.yaml", 69, "There is no template none.yaml"),
        ("--from mvp --to startup --used none.json", 65, "none.json cannot be read: No such file"),
        ("--from mvp --to startup --used text.json", 65, "text.json is not JSON"),
        ("--from mvp --to startup --used list.json", 65, "list.json must be an object of numbers"),
        (
            "--from enterprise --to startup --used used.json",
            65,
            "startup has 10 of Api.ConcurrentExecutions, but 12 are in use.",
        ),
        (
            "--from mvp --to startup --used odd.json",
            65,
            "Odd.Units is not a capacity of the system; there is Api.ConcurrentExecutions",
        ),
    ],
)
def test_wrong_input_is_rejected_in_one_sentence(
    checkout: Path, capsys: pytest.CaptureFixture[str], words: str, code: int, message: str
) -> None:
    files = {
        "text": "{",
        "list": "[1]",
        "used": '{"Api.ConcurrentExecutions": 12}',
        "odd": '{"Odd.Units": 1}',
    }
    for name, text in files.items():
        (checkout / f"{name}.json").write_text(text, encoding="utf-8")
    found, out, err = run(capsys, *words.split())
    assert (found, out) == (code, "")
    assert message in err.splitlines()[0]


@pytest.mark.usefixtures("checkout")
@pytest.mark.parametrize(
    ("words", "changed"),
    [
        ("--from startup --to growth --change Name=a", ["Api"]),
        ("--from growth --to growth --set Name=a --change Name=b", ["Named"]),
        ("--from growth --to startup --set Name=a --change Name=b", ["Api", "Named"]),
    ],
)
def test_parameters_may_change_with_the_move(
    checkout: Path, capsys: pytest.CaptureFixture[str], words: str, changed: list[str]
) -> None:
    named = "  Named: {Type: AWS::SQS::Queue, Properties: {QueueName: !Ref Name}}\n"
    if "Named" not in changed:
        named = ""
    (checkout / "template.yaml").write_text(TEMPLATE + named, encoding="utf-8")
    code, out, _ = run(capsys, *words.split(), "--json")
    assert [one["name"] for one in json.loads(out)["changes"]] == changed
    assert code == (1 if "Named" in changed else 0), "a queue of another name loses its messages"


@pytest.mark.parametrize("most", [3, 4])
def test_a_minimum_above_its_maximum_is_rejected_before_anything_is_compared(
    checkout: Path, capsys: pytest.CaptureFixture[str], most: int
) -> None:
    workers = f"""  Workers:
    Type: AWS::ApplicationAutoScaling::ScalableTarget
    Properties: {{MinCapacity: 4, MaxCapacity: {most}}}
  Cluster:
    Type: AWS::RDS::DBCluster
    Properties: {{ServerlessV2ScalingConfiguration: {{MinCapacity: {most}, MaxCapacity: 3}}}}
"""
    (checkout / "template.yaml").write_text(TEMPLATE + workers, encoding="utf-8")
    code, out, err = run(capsys, "--from", "startup", "--to", "enterprise")
    assert (code, out) == (65, "")
    wrong = {
        3: "Workers: MinCapacity 4 is above MaxCapacity 3.",
        4: "Cluster: MinCapacity 4 is above MaxCapacity 3.",
    }
    assert f"The templates are wrong in phase enterprise: {wrong[most]}" in err


@pytest.mark.usefixtures("checkout")
def test_capacity_that_the_target_has_is_accepted(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (checkout / "used.json").write_text('{"Api.ConcurrentExecutions": 10}', encoding="utf-8")
    code, _, _ = run(capsys, "--from", "enterprise", "--to", "startup", "--used", "used.json")
    assert code == 0
