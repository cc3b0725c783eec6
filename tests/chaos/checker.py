"""Whether the history of one record is linearizable, by porcupine (linearizability/main.go)."""

import json
import math
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from tests.chaos.traffic import HotOperation

FOLDER = Path(__file__).parent / "linearizability"
OK = "Ok"
LEFT_OUT = "left out, because there is no Go"
"""The answer on a machine without Go, which is right unless it is one of CI."""
MISSING = "not checked: there is no Go, and CI must have it"


def is_right(answer: str) -> bool:
    """Whether an answer of `linearizability` is no failure."""
    return answer in (OK, LEFT_OUT)


def linearizability(history: Sequence[HotOperation]) -> str:
    """What the checker says: OK, or what is wrong.

    The history begins with the version and the value that the record had before. The read of the
    lowest version shows them, because every client reads the version before it writes.
    """
    go = shutil.which("go")
    if go is None:
        return MISSING if os.environ.get("CI") else LEFT_OUT
    reads = [one for one in history if one.kind == "read"]
    if not reads:
        return "not checked: nobody could read the record"
    first = min(reads, key=lambda one: one.expected)
    operations = [
        {**asdict(one), "returned": one.returned if math.isfinite(one.returned) else None}
        for one in history
    ]
    document = {"version": first.expected, "value": first.value, "operations": operations}
    done = subprocess.run(
        [go, "run", "."],
        cwd=FOLDER,
        input=json.dumps(document),
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or done.stderr.strip()[-500:] or f"exit code {done.returncode}"
