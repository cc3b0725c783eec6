"""A change is deployed as in README: stock `sam build` and `sam deploy`, from a copy."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.flows.conftest import ROOT, Crm

PROBE = "Which handler answers?"
BEFORE = "    return tasks().get(request, task_id)\n"
AFTER = f"""    task = tasks().get(request, task_id)
    if task.title == {PROBE!r}:
        return task.model_copy(update={{"title": "The new one"}})
    return task
"""


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the files that git tracks."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tmp_path / name)
    return tmp_path


def test_the_next_deployment_runs_a_changed_handler(crm: Crm, copy: Path) -> None:
    task = crm("POST", "/tasks", {"title": PROBE}).json()

    def title() -> str:
        return str(crm("GET", f"/tasks/{task['id']}").json()["title"])

    assert title() == PROBE
    handler = copy / "services" / "activities" / "handlers" / "tasks.py"
    text = handler.read_text(encoding="utf-8")
    assert text.count(BEFORE) == 1
    handler.write_text(text.replace(BEFORE, AFTER), encoding="utf-8")
    crm.sam(copy, "build")
    crm.sam(copy, "deploy")
    assert title() == "The new one"
    assert crm("GET", "/accounts").status_code == 200, "other routes still work"
