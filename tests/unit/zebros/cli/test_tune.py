"""`zebros tune` turns results of Lambda Power Tuning into parameters, and applies nothing."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.template.stack import functions, load
from zebros import cli
from zebros.operations.tuning import PARAMETERS

OUTPUT: dict[str, Any] = {
    "power": "512",
    "cost": 0.0000002083,
    "duration": 2.9066666666666667,
    "stateMachine": {
        "executionCost": 0.00045,
        "lambdaCost": 0.0005252,
        "visualization": "https://lambda-power-tuning.show/#gAAAAQ;ZooQR;QdWhOE",
    },
}


def execution(function: str = "CustomersApi", **changes: Any) -> dict[str, Any]:
    """What `aws stepfunctions describe-execution` prints."""
    name = f"zebros-Customers-1N5EXAMPLE-{function}-Kd8eXaMpLe01"
    arn = f"arn:aws:lambda:us-east-1:123456789012:function:{name}"
    asked = {"lambdaARN": arn, "num": 50, "strategy": "balanced", **changes.pop("asked", {})}
    return {
        "executionArn": "arn:aws:states:us-east-1:123456789012:execution:tuning:1",
        "status": "SUCCEEDED",
        "input": json.dumps(asked),
        "output": json.dumps({**OUTPUT, **changes.pop("found", {})}),
        **changes,
    }


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(name: str, content: Any) -> str:
    text = content if isinstance(content, str) else json.dumps(content)
    Path(name).write_text(text, encoding="utf-8")
    return name


def test_results_of_several_functions_become_parameters(
    capsys: pytest.CaptureFixture[str],
) -> None:
    customers = write("customers.json", execution())
    reporting = write("reporting.json", {"results": {**OUTPUT, "power": 1536}})
    bare = write("bare.json", {**OUTPUT, "power": "256"})
    words = ["tune", customers, f"ReportingApi={reporting}", f"Authorizer={bare}"]
    assert cli.main(words) == 0
    printed = capsys.readouterr()
    assert printed.out == "CustomersMemory=512\nReportingMemory=1536\nAuthorizerMemory=256\n"
    assert "CustomersApi: 512 MB, 2.9 ms, 0.21 USD per million invocations." in printed.err
    assert "The measurement cost 0.0010 USD." in printed.err
    assert "samconfig.toml" in printed.err


def test_functions_with_one_parameter_get_the_largest_size(
    capsys: pytest.CaptureFixture[str],
) -> None:
    files = [
        write("api.json", execution("NotificationsApi", found={"power": 256})),
        write("events.json", execution("NotificationsEvents", found={"power": 128})),
    ]
    for order in (files, files[::-1]):
        assert cli.main(["tune", *order]) == 0
        printed = capsys.readouterr()
        assert printed.out == "NotificationsMemory=256\n"
        assert printed.err.count("NotificationsMemory is larger for another function") == 1


def test_a_parameter_file_and_json_have_the_same_values(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main(["--json", "tune", write("a.json", execution()), "-o", "parameters.json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"CustomersMemory": 512}
    parameters = json.loads(Path("parameters.json").read_text(encoding="utf-8"))
    assert parameters == [{"ParameterKey": "CustomersMemory", "ParameterValue": "512"}]


def test_a_change_behind_the_template_s_back_is_pointed_out(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for asked, warned in (({"autoOptimize": True}, True), ({"autoOptimize": False}, False)):
        assert cli.main(["tune", write("a.json", execution(asked=asked))]) == 0
        assert ("which a deployment takes back" in capsys.readouterr().err) == warned


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("nonsense", "result.json is not JSON: "),
        ([1], "result.json is no result of Lambda Power Tuning, which is a JSON object."),
        (OUTPUT, "result.json does not name the function that was measured."),
        (execution(status="FAILED"), "result.json: the execution is FAILED."),
        (execution(output=None), "result.json: the output of the execution is no JSON object."),
        (execution(input="["), "result.json: the input of the execution is no JSON object."),
        (execution("Other"), "Other-Kd8eXaMpLe01 has no parameter for its memory."),
        (execution(found={"power": 64}), "power must be greater than or equal to 128."),
        (execution(found={"power": 10241}), "power must be less than or equal to 10240."),
        (execution(found={"power": "much"}), "power must be a valid integer"),
        (execution(found={"cost": -1}), "cost must be greater than or equal to 0."),
        (execution(found={"duration": None}), "duration must be a valid number."),
        (execution(found={"stateMachine": 1}), "stateMachine must be a valid dictionary"),
        (execution(output='{"results": 1}'), "power is required."),
    ],
)
def test_what_is_no_result_is_rejected_in_one_sentence(
    capsys: pytest.CaptureFixture[str], content: Any, message: str
) -> None:
    assert cli.main(["tune", write("result.json", content), "-o", "parameters.json"]) == 65
    printed = capsys.readouterr()
    assert message in printed.err
    assert printed.out == ""
    assert not Path("parameters.json").exists(), "nothing is written before every file is read"


def test_a_missing_file_and_a_second_result_are_rejected(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main(["tune", "missing.json"]) == 65
    assert "There is no file missing.json." in capsys.readouterr().err
    twice = write("a.json", execution())
    assert cli.main(["tune", twice, f"CustomersApi={twice}"]) == 65
    assert "CustomersApi has more than one result." in capsys.readouterr().err
    assert cli.main(["tune", twice, "-o", "missing/parameters.json"]) == 65
    assert "missing/parameters.json cannot be written" in capsys.readouterr().err


def test_the_parameters_are_those_of_the_template() -> None:
    """What each of them changes is tested in tests/template/test_functions.py."""
    declared = {name for name in load()["Parameters"] if name.endswith("Memory")}
    assert set(PARAMETERS.values()) == declared
    before = functions()
    for parameter in declared:
        after = functions(**{parameter: "1769"})
        sized = {name for name in after if after[name]["MemorySize"] != before[name]["MemorySize"]}
        assert sized == {name for name, one in PARAMETERS.items() if one == parameter}
