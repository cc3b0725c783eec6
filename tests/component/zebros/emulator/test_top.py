"""`zebros top` on a running platform, with figures that were measured there."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.component.zebros.emulator.monitored import Monitored
from zebros import cli
from zebros.local.home import Home
from zebros.monitoring.signals import signals


@pytest.fixture(scope="module")
def home(platform: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a platform on which the small system has done something."""
    crm = Monitored(platform, "zebros")
    for thing in ("one", "two", "slow", "broken"):
        crm.get(thing)
    for number in range(3):
        crm.send("ReportTasksQueue", f"task {number}")
    folder = tmp_path_factory.mktemp("top")
    state = {"endpoint": platform.endpoint, "region": "us-east-1", "api": crm.url}
    Home(folder).write_state({**state, "resources": crm.resources.by_kind})
    return folder


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ZEBROS_API", "ZEBROS_STACK", "ZEBROS_HOME"):
        monkeypatch.delenv(name, raising=False)


def shown(home: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, Any]]:
    assert cli.main(["top", "--json", "--home", str(home)]) == 0
    return {one["id"]: one for one in json.loads(capsys.readouterr().out)}


def values(figure: dict[str, Any]) -> dict[str, Any]:
    return {line["label"]: line["value"] for line in figure["lines"]}


def test_the_figures_are_those_that_were_measured(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ends = time.monotonic() + 30
    while True:  # queues are measured every five seconds
        found = shown(home, capsys)
        queued = values(found["report-queue"])
        if 3 in queued.values() or time.monotonic() > ends:
            break
        time.sleep(0.5)
    assert list(queued.values()) == [3], "of the queue that exists"
    assert values(found["requests"]) == {"Count Sum": 4}
    latency = values(found["api-latency"])
    assert 0.3 <= latency["Latency p95"] / 1000 <= latency["Latency p99"] / 1000 < 10
    assert values(found["failed-requests"])["5XXError Average"] == 25, "percent"
    assert values(found["route-latency"]) == {
        "customers GET /things p95": 1,
        "customers GET /things p99": 1,
    }
    assert values(found["function-errors"])["CustomersApi"] == 1
    assert values(found["concurrency"])["CustomersApi"] == 1
    assert values(found["function-memory"])["MemoryUtilization p95"] is None


def test_once_prints_the_titles_and_units_of_the_dashboards(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["top", "--once", "--home", str(home)]) == 0
    printed = capsys.readouterr().out
    for signal_ in signals():
        assert (f"  {signal_.heading} " in printed) == (signal_.when == ""), signal_.heading
    assert re.search(r"Failed requests \(%\) +5XXError Average +25\n", printed)
    assert re.search(r"Errors of functions \(errors\) +Authorizer +-\n +CustomersApi +1\n", printed)
    order = [printed.index(f"\n{name} ") for name in ("business", "platform", "cost")]
    assert order == sorted(order)


@pytest.mark.parametrize("terminal", [False, True])
def test_ctrl_c_ends_the_live_view_without_an_error(home: Path, terminal: bool) -> None:
    command = [sys.executable, "-m", "zebros", "top", "--every", "0.5", "--home", str(home)]
    ours, theirs = os.openpty() if terminal else os.pipe()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120", "LINES": "200"}
    process = subprocess.Popen(
        command, stdout=theirs, stderr=subprocess.PIPE, text=True, env=environment
    )
    os.close(theirs)
    printed = b""
    while printed.count(b"Latency of the API (ms)") < 2:  # it is refreshed
        printed += os.read(ours, 65536)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    os.close(ours)
    assert (process.returncode, errors) == (0, "")


def test_without_a_platform_it_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["top", "--once", "--home", str(tmp_path)]) == 69
    assert capsys.readouterr().err.startswith("zebros: No CRM runs here")


def test_a_stopped_platform_is_a_sentence(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stopped = {**Home(home).state(), "endpoint": "http://127.0.0.1:9"}
    Home(tmp_path).write_state(stopped)
    assert cli.main(["top", "--once", "--home", str(tmp_path)]) == 69
    error = capsys.readouterr().err
    assert error.startswith("zebros: The platform does not answer")
    assert "`zebros up` starts it" in error
