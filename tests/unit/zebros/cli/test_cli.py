"""Every failure of the command line is a message and an exit code, never a traceback."""

import base64
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from zebros import cli
from zebros.client.connection import Connection
from zebros.errors import BadInput


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a folder without a running CRM, and with no token in the environment."""
    monkeypatch.chdir(tmp_path)
    for name in ("ZEBROS_API", "ZEBROS_TOKEN", "ZEBROS_STACK", "ZEBROS_DEBUG"):
        monkeypatch.delenv(name, raising=False)


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = cli.main(words)
    caught = capsys.readouterr()
    assert "Traceback" not in caught.err + caught.out
    return code, caught.out, caught.err


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["api", "GET", "/accounts"], 69, "No CRM runs here: there is no .local/state.json."),
        (["api", "FETCH", "/accounts"], 65, "FETCH is not an HTTP method."),
        (["--api", "example.org", "api", "GET", "/x"], 65, "--api example.org is not a URL."),
        (["--api", "https://x.test", "api", "GET", "/x"], 69, "There is no token for"),
        (["load", "leads", "x.csv"], 65, "leads cannot be loaded."),
        (["load", "accounts", "x.csv"], 65, "There is no file x.csv."),
        (["report", "win_rate", "--format", "doc"], 65, "There is no format doc."),
        (["report", "win_rate", "--format", "pdf"], 65, "A pdf report needs a file"),
        (["report", "win_rate", "-o", "no/such/a.pdf"], 65, "There is no folder no/such"),
        (["report", "win_rate", "-o", "."], 65, ". is a folder.\nName a file: report.json."),
        (["report", "win_rate", "-o", "/", "--format", "pdf"], 65, "Name a file: /report.pdf."),
        (["report", "win_rate", "-o", "x.foo"], 65, "There is no format foo, in which x.foo ends"),
        (
            ["report", "win_rate", "--format", "xlsx", "-o", "a.PDF"],
            65,
            "a.PDF does not end in xlsx.\nAdd -o a.xlsx, or leave out --format.",
        ),
        (["report", "win_rate", "--format", "csv", "-o", "a.txt"], 69, "No CRM runs here"),
        (["report", "win_rate", "--format", "csv", "-o", "a.CSV"], 69, "No CRM runs here"),
        (["report", "win_rate", "-o", "plain"], 69, "No CRM runs here"),
        (["events", "trace", "x"], 69, "No CRM runs here"),
        (["events", "tail", "--context", "sales"], 65, "There is no context sales."),
        (
            ["events", "tail", "--type", "OpportunityWon", "--type", "OportunityLost"],
            65,
            "There is no event type OportunityLost.\nDid you mean OpportunityLost",
        ),
        (["events", "tail", "--type", "Zzz"], 65, "events/schemas has a file for each."),
        (["events", "tail", "--type", "OpportunityWon"], 69, "No CRM runs here"),
        (["events", "replay", "--from", "yesterday"], 65, "'yesterday' is not a time."),
        (["events", "replay", "--from", "999999999999d"], 65, "'999999999999d' is not a time."),
        (["events", "replay", "--to", "9999999d"], 65, "'9999999d' is not a time."),
        (["events", "replay", "--from", "²d"], 65, "'²d' is not a time."),
        (["events", "replay", "--from", f"{'9' * 5000}m"], 65, "m' is not a time."),
        (["invoke", "OpportunitiesApi", "{broken"], 65, "The event is not JSON"),
        (["invoke", "OpportunitiesApi", "none.json"], 65, "There is no file none.json."),
        (["invoke", "OpportunitiesApi"], 65, "There is no sample event"),
        (["up", "--home", "/proc/x"], 65, "/proc/x cannot store the state of a CRM: No such file"),
        (["up", "--home", __file__], 65, "cannot store the state of a CRM: File exists."),
        (["status", "--home", __file__], 65, "test_cli.py is not a folder."),
        (["up", "--port", "0"], 2, "'--port': must be greater than or equal to 1"),
        (
            ["up", "--issuer-port", "99999"],
            2,
            "'--issuer-port': must be less than or equal",
        ),
        (["lod"], 2, "No such command 'lod'. Did you mean 'load'?"),
        (["load", "accounts"], 65, "Name the CSV file to load."),
        (["api", "GET", "/x", "--colour"], 2, "No such option: --colour"),
    ],
)
def test_a_mistake_is_a_message_and_an_exit_code(
    capsys: pytest.CaptureFixture[str], words: list[str], code: int, message: str
) -> None:
    got, out, err = run(capsys, *words)
    assert (got, out) == (code, "")
    assert err.startswith("zebros: ")
    assert message in err


def test_with_json_a_mistake_is_a_document(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "--json", "api", "GET", "/accounts")
    assert code == 69
    assert json.loads(err)["error"].startswith("No CRM runs here")


def test_shared_options_may_stand_before_or_after_the_command(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for words in (
        ["--home", "elsewhere", "--json", "api", "GET", "/x"],
        ["api", "GET", "/x", "--json", "--home", "elsewhere"],
        ["api", "--home=elsewhere", "GET", "/x", "--json"],
    ):
        code, _, err = run(capsys, *words)
        assert code == 69
        assert "elsewhere/state.json" in json.loads(err)["error"]


def test_words_after_two_dashes_are_not_options(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "api", "GET", "--", "--json")
    assert code == 69
    assert err.startswith("zebros: ")


def test_an_unexpected_error_is_a_message_and_a_file(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def broken(_self: Connection, **_: Any) -> None:
        raise KeyError("surprise")

    monkeypatch.setattr(Connection, "client", broken)
    code, _, err = run(capsys, "api", "GET", "/x")
    assert code == 70
    assert "KeyError: 'surprise'" in err
    (report,) = (tmp_path / ".local" / "errors").iterdir()
    assert "surprise" in report.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "variable", "home"),
    [
        (["api", "GET", "/x", "--home", "there"], "", "there"),
        (["--home=there", "api", "GET", "/x"], "", "there"),
        (["--home", "there", "api", "GET", "/x"], "elsewhere", "there"),
        (["api", "GET", "/x"], "elsewhere", "elsewhere"),
        (["api", "GET", "--", "/x"], "", ".local"),
    ],
)
def test_the_details_of_an_error_are_written_to_the_chosen_home(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    words: list[str],
    variable: str,
    home: str,
) -> None:
    def broken(_self: Connection, **_: Any) -> None:
        raise KeyError("surprise")

    monkeypatch.setattr(Connection, "client", broken)
    monkeypatch.setenv("ZEBROS_HOME", variable)
    code, _, err = run(capsys, *words)
    assert (code, f"The details are in {home}/errors/" in err) == (70, True), err
    assert [one.parent for one in tmp_path.rglob("errors")] == [tmp_path / home]


Rejected: Any = {"Error": {"Code": "QueueDoesNotExist", "Message": "There is no such queue."}}


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            EndpointConnectionError(endpoint_url="http://127.0.0.1:1/"),
            'The platform does not answer: Could not connect to the endpoint URL: "http://127.0',
        ),
        (
            ClientError(Rejected, "ReceiveMessage"),
            "The platform rejected ReceiveMessage: There is no such queue.\n",
        ),
    ],
)
def test_a_platform_that_stopped_is_not_an_unexpected_error(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    message: str,
) -> None:
    def gone(_self: Connection) -> None:
        raise error

    monkeypatch.setattr(Connection, "deployment", gone)
    discard = ["discard", "x", "--all", "--reason", "x"]
    for words in (
        ["tail"],
        ["trace", "x"],
        ["replay"],
        ["dead-letters"],
        ["redrive", "x"],
        discard,
        ["resend", "x"],
    ):
        code, _, err = run(capsys, "events", *words)
        assert code == 69
        assert err.startswith(f"zebros: {message}")


@pytest.mark.parametrize("as_json", [(), ("--json",)])
@pytest.mark.parametrize("rows", [1, 400])
def test_a_closed_pipe_exits_with_141_and_no_message(
    tmp_path: Path, as_json: tuple[str, ...], rows: int
) -> None:
    lines = "".join(f"{number},\n" for number in range(rows))
    (tmp_path / "a.csv").write_text(f"external_ids.crm,name\n{lines}", encoding="utf-8")
    script = "import sys; from zebros.cli import main; sys.exit(main(sys.argv[1:]))"
    gone, ours = os.pipe()
    os.close(gone)
    with os.fdopen(ours, "w") as pipe:
        ended = subprocess.run(
            [sys.executable, "-c", script, "load", "accounts", "a.csv", "--dry-run", *as_json],
            stdout=pipe,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert ended.returncode == 141
    assert "Traceback" not in ended.stderr
    assert "zebros:" not in ended.stderr


def test_ctrl_c_is_130(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_self: Connection, **_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Connection, "client", interrupted)
    code, _, err = run(capsys, "api", "GET", "/x")
    assert code == 130
    assert err == "zebros: Stopped.\n"


def test_a_terminated_command_cleans_up_as_after_ctrl_c(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    cleaned_up: list[bool] = []

    def terminated(_self: Connection, **_: Any) -> None:
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            cleaned_up.append(True)

    monkeypatch.setattr(Connection, "client", terminated)
    code, _, _ = run(capsys, "api", "GET", "/x")
    assert (code, cleaned_up) == (130, [True])
    assert signal.getsignal(signal.SIGTERM) is not signal.default_int_handler


def test_an_incomplete_state_file_is_reported(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / ".local").mkdir()
    (tmp_path / ".local" / "state.json").write_text('{"api": ', encoding="utf-8")
    code, _, err = run(capsys, "api", "GET", "/x")
    assert code == 65
    assert "cannot be read" in err


@pytest.mark.parametrize(
    "words", [["events", "dead-letters"], ["invoke", "OpportunitiesApi", "{}"]]
)
@pytest.mark.parametrize("runs", [True, False])
def test_the_local_stack_is_not_used_for_another_api(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, words: list[str], runs: bool
) -> None:
    if runs:
        state = {"api": "http://127.0.0.1:1/x", "endpoint": "http://127.0.0.1:1", "resources": {}}
        (tmp_path / ".local").mkdir()
        (tmp_path / ".local" / "state.json").write_text(json.dumps(state), encoding="utf-8")
    code, out, err = run(capsys, "--api", "https://crm.test/v1", *words)
    assert (code, out) == (65, "")
    assert err.startswith("zebros: The stack in AWS of --api https://crm.test/v1 is not known")
    assert "--stack NAME" in err


def test_the_local_api_has_the_local_stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"):
        monkeypatch.setenv(name, "test")  # restored afterwards: the local stack changes them
    state = {
        "api": "http://127.0.0.1:1/x",
        "endpoint": "http://127.0.0.1:1",
        "resources": {"functions": {"A": "a"}},
    }
    (tmp_path / "state.json").write_text(json.dumps(state), encoding="utf-8")
    named = Connection(home=tmp_path, api="http://127.0.0.1:1/x/").deployment()
    assert named == Connection(home=tmp_path).deployment()
    assert named.resources.function("A") == "a"


@pytest.mark.parametrize(
    "words", [[], ["events"], ["--help"], ["load", "-h"], ["events", "trace", "-h"]]
)
def test_every_command_has_help(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    _, out, err = run(capsys, *words)
    assert "Usage: zebros" in out + err


def test_a_time_is_a_date_an_instant_or_a_duration_ago() -> None:
    from datetime import UTC, datetime

    from zebros.cli.events import parse_time

    now = datetime(2026, 3, 10, 12, tzinfo=UTC)
    assert parse_time("2026-03-01", now) == datetime(2026, 3, 1, tzinfo=UTC)
    assert parse_time("2026-03-01T09:30", now) == datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
    assert parse_time("2026-03-01T09:30+02:00", now) == datetime(2026, 3, 1, 7, 30, tzinfo=UTC)
    assert parse_time("12h", now) == datetime(2026, 3, 10, 0, tzinfo=UTC)
    assert parse_time("3d", now) == datetime(2026, 3, 7, 12, tzinfo=UTC)
    with pytest.raises(BadInput):
        parse_time("12x", now)


def token_of(issuer: object) -> str:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return f"{part({'alg': 'RS256'})}.{part({'iss': issuer})}.signature"


@pytest.mark.parametrize(
    ("token", "tenant"),
    [
        (None, "acme"),
        (token_of("https://sso.example.com/realms/globex"), "globex"),
        (token_of("https://sso.example.com/realms/globex/"), "globex"),
        ("opaque", "acme"),
        ("a.!!!.c", "acme"),
        ("a.W10.c", "acme"),
    ],
)
def test_the_tenant_is_that_of_the_token(token: str | None, tenant: str) -> None:
    assert Connection(token=token).realm == tenant
