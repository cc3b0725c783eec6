"""The short parts of `make bench` run; the ratios themselves depend on the machine."""

import os
import shutil
import subprocess
import sys

import pytest

from tools.drift import ROOT


def test_warm_requests_are_measured() -> None:
    lines = measured("-m", "tools.bench.warm")
    assert [line.split(",")[0] for line in lines] == ["GET one", "LIST 50", "POST", "POST"]


@pytest.mark.skipif(
    not (shutil.which("valkey-server") or shutil.which("redis-server")), reason="needs a server"
)
def test_what_caches_cost_and_save_is_measured_after_warm_requests() -> None:
    calls, *ratios = measured(
        "-c",
        "from tools.bench import caches, warm; warm.measure(); "
        "print(*(one.line() for one in caches.measure(pairs=1)), sep='\\n')",
    )
    assert calls == (
        "calls to DynamoDB: board 2, board that is not in the cache 2, board from the cache 0, "
        "GET with a quota 1"
    )
    assert len(ratios) == 5


def measured(*program: str) -> list[str]:
    """The lines that a measurement prints."""
    done = subprocess.run(
        [sys.executable, *program],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'services'}"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()
