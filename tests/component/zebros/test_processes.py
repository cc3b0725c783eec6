"""Stopping real processes: they end, and what they save is complete."""

import os
import sys
from pathlib import Path

import pytest

from zebros.local import parts, processes
from zebros.local.home import Home
from zebros.local.processes import Child
from zebros.local.regions import Place
from zebros.local.supervisor import Options, Supervisor

SAVES = """
import signal, sys, time
from pathlib import Path
folder = Path(sys.argv[1])
def save(*_):
    part = folder / "snapshot.1.part"
    part.write_text("half")
    time.sleep(float(sys.argv[2]))
    part.replace(folder / "snapshot.pickle")
    sys.exit(0)
signal.signal(signal.SIGTERM, save)
print("ready", flush=True)
while True:
    time.sleep(1)
"""
IGNORES = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
while True:
    time.sleep(1)
"""


def child(folder: Path, code: str, *words: str) -> Child:
    """A process that is ready for a signal."""
    log = folder / "log"
    started = Child("platform", [sys.executable, "-c", code, *words], os.environ, log)
    while "ready" not in log.read_text(encoding="utf-8"):
        assert started.ended is None, log.read_text(encoding="utf-8")
    return started


@pytest.fixture
def part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> parts.Part:
    monkeypatch.setattr(processes, "TERM_S", 0.3)
    found = parts.platform(Home(tmp_path), 1, Place())
    assert found.saves_in is not None
    found.saves_in.mkdir(parents=True)
    return found


def test_a_platform_that_saves_its_state_is_not_killed(part: parts.Part, tmp_path: Path) -> None:
    part.child = started = child(tmp_path, SAVES, str(part.saves_in), "1.5")
    supervisor = Supervisor(Home(tmp_path), Options(), print)
    supervisor._parts["platform"] = part
    supervisor.stop()
    assert started.ended == "ended with exit code 0"
    assert part.saves_in is not None
    assert [one.name for one in part.saves_in.iterdir()] == ["snapshot.pickle"]


def test_a_platform_that_never_ends_saving_is_killed(
    part: parts.Part, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "SAVE_S", 1.0)
    started = child(tmp_path, SAVES, str(part.saves_in), "60")
    started.stop(part.saving)
    assert started.ended == "was killed by signal 9"


def test_a_process_that_ignores_the_end_is_killed(part: parts.Part, tmp_path: Path) -> None:
    started = child(tmp_path, IGNORES)
    started.stop(part.saving)
    assert started.ended == "was killed by signal 9"
