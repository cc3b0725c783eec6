"""The measurements of Lambda Power Tuning, stored where the scaling controller reads them."""

import base64
import json
import struct
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from scaling.adapters.parameters import curves_parameter
from scaling.model.tuning import parse_curves
from zebros import cli
from zebros.errors import BadInput
from zebros.operations.curves import parameter_name, points_of, store

POINTS = ((128, 812.5), (256, 402.0), (512, 210.0))


def address(points: tuple[tuple[int, float], ...]) -> str:
    """The address of a picture, as `buildVisualizationURL` of the state machine writes it."""
    sizes = struct.pack(f"<{len(points)}h", *(size for size, _ in points))
    times = struct.pack(f"<{len(points)}f", *(time for _, time in points))
    hashes = (base64.b64encode(one).decode() for one in (sizes, times, times))
    return f"https://lambda-power-tuning.show/#{';'.join(hashes)}"


@pytest.fixture
def systems(monkeypatch: pytest.MonkeyPatch) -> Any:
    with mock_aws():
        yield boto3.client("ssm", region_name="us-east-1")


def test_the_picture_s_address_has_the_measurements() -> None:
    assert points_of(address(POINTS[::-1])) == POINTS


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "https://lambda-power-tuning.show/",
        "https://lambda-power-tuning.show/#gAAAAQ",
        "https://lambda-power-tuning.show/#gAAAAQ;ZooQR;QdWhOE",
        "https://lambda-power-tuning.show/#!;?;",
        address(POINTS).replace(";", ";AAAA", 1),
    ],
)
def test_another_address_has_none(wrong: str) -> None:
    assert points_of(wrong) == ()


def test_the_controller_reads_what_is_stored(systems: Any) -> None:
    assert store(systems, "crm", {"CustomersApi": POINTS}) == ["CustomersApi"]
    flat = ((128, 5.0), (256, 5.0))
    assert store(systems, "crm", {"ReportingApi": flat}) == ["CustomersApi", "ReportingApi"]
    assert store(systems, "crm", {"CustomersApi": flat}) == ["CustomersApi", "ReportingApi"]
    stored = systems.get_parameter(Name=curves_parameter("crm"))["Parameter"]["Value"]
    curves = parse_curves(stored)
    assert {name: curve.points for name, curve in curves.items()} == {
        "CustomersApi": flat,
        "ReportingApi": flat,
    }
    assert parameter_name("crm") == curves_parameter("crm")


def test_zebros_tune_stores_what_was_measured(
    systems: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    resources = {"Topic": {"Type": "AWS::SNS::Topic"}}
    boto3.client("cloudformation", region_name="us-east-1").create_stack(
        StackName="crm", TemplateBody=json.dumps({"Resources": resources})
    )
    result = tmp_path / "result.json"
    costs = {"visualization": address(POINTS)}
    document = {"power": "512", "cost": 2e-7, "duration": 210.0, "stateMachine": costs}
    result.write_text(json.dumps(document), encoding="utf-8")
    tune = ["--stack", "crm", "tune", f"CustomersApi={result}"]
    assert cli.main(tune) == 0
    assert systems.describe_parameters()["Parameters"] == []
    assert cli.main([*tune, "--store"]) == 0
    assert "Stored in crm-scaling-curves: the durations of CustomersApi." in capsys.readouterr().err
    stored = systems.get_parameter(Name="crm-scaling-curves")["Parameter"]["Value"]
    assert stored == "CustomersApi 128=812.5 256=402 512=210;"


def test_a_result_without_measurements_is_refused_and_changes_nothing(systems: Any) -> None:
    with pytest.raises(BadInput, match="ReportingApi has no measurements of several sizes"):
        store(systems, "crm", {"CustomersApi": POINTS, "ReportingApi": ()})
    assert systems.describe_parameters()["Parameters"] == []


def test_more_than_fits_is_refused(systems: Any) -> None:
    many = tuple((128 + size, 1000.25) for size in range(500))
    with pytest.raises(BadInput, match="at most 4096 can be stored"):
        store(systems, "crm", {"CustomersApi": many})
