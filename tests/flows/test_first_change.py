"""docs/first-change.md: its diffs apply to the tree, and the tests it names pass."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from tests.flows.conftest import ROOT

DOCUMENT = ROOT / "docs" / "first-change.md"
GENERATORS = ("schemas", "openapi", "asyncapi", "gateway", "examples")


def test_the_first_change_works_as_written(tmp_path: Path) -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    diffs = re.findall(r"^```diff\n(.*?)^```$", text, re.M | re.S)
    (tests,) = re.findall(r"^\.venv/bin/pytest (.+)$", text, re.M)
    assert len(diffs) >= 2
    _copy_tree(tmp_path)
    environment = {
        **os.environ,
        "PYTHONPATH": f"{tmp_path}:{tmp_path / 'services'}",
        "AWS_DEFAULT_REGION": "us-east-1",
    }

    def run(*command: str, stdin: str | None = None) -> None:
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, input=stdin, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"

    for diff in diffs:
        run("git", "apply", "-", stdin=diff)
    python = str(tmp_path / ".venv" / "bin" / "python")
    for generator in GENERATORS:
        run(python, "-m", f"tools.{generator}")
    document = (tmp_path / "docs" / "openapi.json").read_text(encoding="utf-8")
    assert '"/tasks/{task_id}/defer"' in document
    assert '"industry_code"' in document
    run(python, "-m", "pytest", "-p", "no:schemathesis", *tests.split())


def _copy_tree(target: Path) -> None:
    """Copy the files that git knows, and those it would add."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    (target / ".venv").symlink_to(ROOT / ".venv")
