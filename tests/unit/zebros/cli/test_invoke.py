"""`zebros invoke` invokes a deployed function and prints its result."""

import base64
import io
import json
from pathlib import Path
from typing import Any

import pytest

from zebros import cli
from zebros.client.connection import Connection, Deployment
from zebros.client.stack import Resources

RESOURCES = Resources(
    {
        "functions": {"OpportunitiesApi": "z-OpportunitiesApi-1A"},
        "tables": {"OpportunitiesTable": "t"},
    }
)


class Functions:
    """Stands for the Lambda service."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any]] = []
        self.answer: dict[str, Any] = {"statusCode": 200}
        self.error: dict[str, str] = {}

    def invoke(self, **asked: Any) -> dict[str, Any]:
        self.asked.append((asked["FunctionName"], json.loads(asked["Payload"])))
        log = base64.b64encode(b'START\n{"message": "request"}\n').decode()
        payload = io.BytesIO(json.dumps(self.answer).encode())
        return {"Payload": payload, "LogResult": log, **self.error}


@pytest.fixture
def functions(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Functions:
    made = Functions()
    monkeypatch.chdir(tmp_path)
    stack = Deployment(RESOURCES, None, "us-east-1")
    monkeypatch.setattr(Connection, "deployment", lambda _self: stack)
    monkeypatch.setattr(Deployment, "aws", lambda _self, _service: made)
    return made


@pytest.mark.parametrize("given", [["event.json"], ['{"a": 1}'], []])
def test_the_result_is_printed_to_stdout_and_the_log_to_stderr(
    functions: Functions, tmp_path: Path, capsys: pytest.CaptureFixture[str], given: list[str]
) -> None:
    samples = tmp_path / "events" / "requests"
    samples.mkdir(parents=True)
    for file in (tmp_path / "event.json", samples / "OpportunitiesApi.json"):
        file.write_text('{"a": 1}', encoding="utf-8")
    assert cli.main(["invoke", "OpportunitiesApi", *given]) == 0
    assert functions.asked == [("z-OpportunitiesApi-1A", {"a": 1})]
    captured = capsys.readouterr()
    assert json.loads(captured.out) == {"statusCode": 200}
    assert captured.err.startswith('START\n{"message": "request"}\nOpportunitiesApi answered in ')


def test_a_function_that_fails_exits_with_1_and_its_error(
    functions: Functions, capsys: pytest.CaptureFixture[str]
) -> None:
    functions.answer = {"errorType": "KeyError", "errorMessage": "'body'"}
    functions.error = {"FunctionError": "Unhandled"}
    assert cli.main(["invoke", "OpportunitiesApi", "{}"]) == 1
    assert "OpportunitiesApi failed: KeyError: 'body'.\n" in capsys.readouterr().err


def test_an_unknown_function_suggests_a_similar_one(
    functions: Functions, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["invoke", "OportunitesApi", "{}"]) == 65
    assert "Did you mean OpportunitiesApi?" in capsys.readouterr().err
    assert functions.asked == []
