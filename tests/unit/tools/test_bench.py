"""The warm requests of `make bench` are measured; the ratios themselves depend on the machine."""

import os
import subprocess
import sys

from tools.drift import ROOT


def test_warm_requests_are_measured() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tools.bench.warm"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'services'}"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    names = [line.split(",")[0] for line in done.stdout.splitlines()]
    assert names == ["GET one", "LIST 50", "POST"]
