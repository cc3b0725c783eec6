"""A change is deployed as in README: plain `sam build` and `sam deploy`, from a copy.

It is rolled back by the commands of the runbook's row.
"""

import time
from pathlib import Path

from tests.flows.conftest import Crm
from tests.flows.figures import record_figure
from tests.flows.runbook import row
from tests.flows.tree_copy import TreeCopy

PROBE = "Which handler answers?"
BEFORE = "    return tasks().get(request, task_id)\n"
AFTER = f"""    task = tasks().get(request, task_id)
    if task.title == {PROBE!r}:
        return task.model_copy(update={{"title": "The new one"}})
    return task
"""


def test_the_next_deployment_runs_a_changed_handler(crm: Crm, tmp_path: Path) -> None:
    copy = TreeCopy.make(tmp_path).path
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

    fault = row("requests fail after a deployment")

    def carry_out(command: str) -> str:
        done = crm.zebros(*fault.words(command))
        return done.stdout + done.stderr

    planned = carry_out("zebros rollback --dry-run")
    assert "would lead to" in planned
    assert title() == "The new one", "a dry run changes nothing"
    started = time.monotonic()
    assert "ActivitiesApi" in carry_out("zebros rollback")
    record_figure(f"zebros rollback: {time.monotonic() - started:.1f} s")
    assert title() == PROBE
    assert "There is nothing to do" in carry_out("zebros rollback")
    assert title() == PROBE, "a repetition takes nothing further back"
    assert crm("GET", "/accounts").status_code == 200, "every function answers"
    carry_out("zebros rollback --undo")
    assert title() == "The new one"
