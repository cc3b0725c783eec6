"""`zebros status`, `down` and `reset`, with and without a running platform."""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from zebros import cli
from zebros.cli import platform
from zebros.errors import BadInput
from zebros.local import home as state
from zebros.local.home import FORMAT, Home
from zebros.local.parts import Part
from zebros.local.processes import KnownProcess, started_at
from zebros.local.supervisor import Supervisor

STATE = {"api": "http://127.0.0.1:1/x", "endpoint": "http://127.0.0.1:1"}
BACKLOG = {"streams": 2, "queues": {"ReportingLakeQueue": 3}, "delayed": 0}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def running(home: Home, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    """A folder whose supervisor and platform are this very process."""
    lock = home.lock()
    assert lock is not None
    home.write_state(STATE)
    home.write_status("ready")
    me = started_at(os.getpid())
    assert me is not None
    home.write_processes(
        [KnownProcess("platform", os.getpid(), me), KnownProcess("worker", os.getpid(), me + 1)]
    )
    monkeypatch.setattr(platform, "backlog", lambda _state: BACKLOG)
    yield home
    lock.release()


def test_status_prints_what_runs_and_undelivered_events(
    running: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["--home", str(running.path), "status"]) == 0
    out = capsys.readouterr().out
    rows = [line.split() for line in out.splitlines()]
    assert ["platform", "runs", str(os.getpid())] in rows
    assert ["worker", "does", "not", "run", str(os.getpid())] in rows
    assert ["api", STATE["api"]] in rows
    assert "2 events to relay; ReportingLakeQueue: 3" in out

    assert cli.main(["--home", str(running.path), "--json", "status"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["running"], found["phase"], found["backlog"]) == (True, "ready", BACKLOG)
    assert found["parts"]["platform"] == {"pid": os.getpid(), "running": True, "state": "runs"}


@pytest.mark.parametrize(("silent_s", "state"), [(170, "runs"), (190, "hangs")])
def test_status_says_when_the_worker_hangs(
    running: Home, capsys: pytest.CaptureFixture[str], silent_s: int, state: str
) -> None:
    me = started_at(os.getpid())
    assert me is not None
    running.write_processes([KnownProcess("worker", os.getpid(), me)])
    running.worker.mkdir()
    (running.worker / "pulse").touch()
    os.utime(running.worker / "pulse", (time.time() - silent_s, time.time() - silent_s))
    assert cli.main(["--home", str(running.path), "status"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["worker", state, str(os.getpid())] in rows


def test_status_of_a_platform_that_does_not_answer_is_69(
    running: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(platform, "backlog", lambda _state: None)
    assert cli.main(["--home", str(running.path), "status"]) == 69
    assert "The platform does not answer." in capsys.readouterr().err


def test_an_unknown_phase_is_rejected_in_one_sentence(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["--home", str(home.path), "up", "--phase", "huge"]) == 2
    first = capsys.readouterr().err.splitlines()[0]
    wanted = "'huge' is not one of 'mvp', 'startup', 'growth', 'enterprise'."
    assert first == f"zebros: Invalid value for '--phase': {wanted}"
    assert not home.path.exists(), "nothing was started"


@pytest.mark.parametrize("words", [[], ["--phase", "growth"]])
def test_a_start_passes_its_phase_on(
    home: Home, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    wanted: list[str | None] = []
    monkeypatch.setattr(
        platform, "_start_detached", lambda _home, options: wanted.append(options.phase)
    )
    monkeypatch.setattr(platform, "welcome", lambda *_, **__: None)
    assert cli.main(["--home", str(home.path), "up", "--detach", *words]) == 0
    assert wanted == [words[1] if words else None]


def test_without_a_platform_status_fails_and_down_does_nothing(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["--home", str(home.path), "status"]) == 69
    assert f"No CRM runs in {home.path}." in capsys.readouterr().err
    assert cli.main(["--home", str(home.path), "down"]) == 0
    assert capsys.readouterr().err == "Nothing runs here.\n"


def test_status_says_why_a_crm_has_stopped(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    home.path.mkdir()
    reason = {"error": "The issuer ended with exit code 1 again and again.", "hint": "its log"}
    home.write_status("failed", error=reason)
    assert cli.main(["--home", str(home.path), "status"]) == 69
    assert capsys.readouterr().err.splitlines() == [
        f"zebros: No CRM runs in {home.path}: {reason['error']}",
        "its log",
        "`zebros up` starts one.",
    ]
    assert cli.main(["--home", str(home.path), "--json", "status"]) == 69
    assert json.loads(capsys.readouterr().out)["failure"] == reason


def test_reset_deletes_the_data_but_not_keys_and_builds(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder in (home.platform, home.issuer, home.build):
        folder.mkdir(parents=True)
        (folder / "file").touch()
    home.write_state(STATE)
    (home.path / "data.json").touch()
    assert cli.main(["--home", str(home.path), "reset"]) == 65
    assert "Confirm it with --yes." in capsys.readouterr().err
    assert home.platform.exists()
    assert cli.main(["--home", str(home.path), "reset", "--yes"]) == 0
    assert capsys.readouterr().err == "The data is deleted; `zebros up` starts without data.\n"
    assert sorted(one.name for one in home.path.iterdir()) == ["build", "issuer"]


@pytest.mark.parametrize(
    ("stored", "sentence"),
    [
        ({}, "another version"),
        ({"format": FORMAT - 1}, "another version"),
        ({"format": FORMAT + 1}, "a later release"),
        ({"format": FORMAT, "forms": {"account": 99}}, "a later release"),
        ({"format": FORMAT, "forms": {"invoice": 1}}, "a later release"),
    ],
)
def test_data_of_another_format_is_rejected_before_anything_is_started(
    home: Home,
    stored: dict[str, Any],
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    home.platform.mkdir(parents=True)
    if stored:
        (home.path / "data.json").write_text(json.dumps(stored), encoding="utf-8")

    def started(_self: Supervisor, part: Part) -> None:
        raise AssertionError(part.name)

    monkeypatch.setattr(Supervisor, "_start", started)
    monkeypatch.setattr(platform, "stop_on_signals", lambda: None)
    monkeypatch.setattr(platform, "ignore_signals", lambda: None)
    assert cli.main(["--home", str(home.path), "up", "--empty"]) == 65
    (message, hint) = capsys.readouterr().err.splitlines()
    assert f"The data in {home.path} was written by {sentence}" in message
    advice = "`--home`" if sentence == "a later release" else "`zebros reset`"
    assert advice in message + hint
    assert home.supervisor() is None
    assert cli.main(["--home", str(home.path), "reset", "--yes"]) == 0
    assert home.check_data(FORMS) is False


FORMS = {"account": 2, "task": 1, "packing": 1}


def test_data_keeps_the_format_it_was_created_with(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.check_data(FORMS)
    home.platform.mkdir()
    home.check_data(FORMS)
    monkeypatch.setattr(state, "FORMAT", FORMAT + 1)
    with pytest.raises(BadInput, match="another version"):
        home.check_data(FORMS)


@pytest.mark.parametrize(
    ("stored", "older"),
    [
        ({}, True),
        ({"forms": {"account": 1, "task": 1, "packing": 1}}, True),
        ({"forms": {"account": 2, "task": 1}}, False),
        ({"forms": FORMS}, False),
    ],
)
def test_a_folder_of_an_earlier_release_has_older_records(
    home: Home, stored: dict[str, Any], older: bool
) -> None:
    home.platform.mkdir(parents=True)
    data = {"format": FORMAT, **stored}
    (home.path / "data.json").write_text(json.dumps(data), encoding="utf-8")
    assert home.check_data(FORMS) is older
    assert json.loads((home.path / "data.json").read_text(encoding="utf-8")) == data, (
        "they are upgraded first"
    )
    home.write_forms(FORMS)
    assert home.check_data(FORMS) is False


def test_a_running_platform_is_not_reset(running: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--home", str(running.path), "reset", "--yes"]) == 69
    assert "The CRM runs.\n`zebros down` stops it" in capsys.readouterr().err
    assert running.state() == STATE
