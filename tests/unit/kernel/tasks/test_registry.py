"""Jobs are discovered in the folders of the contexts; the task engine itself knows none."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kernel.tasks.registry import SERVICES, discover

TOY = """
from kernel.tasks.registry import JobDefinition
JOBS = (JobDefinition("bake", (dict,), lambda disk: disk),)
"""


@pytest.fixture
def services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a context that declares a job, and one without jobs."""
    for name in ("bakery/jobs", "shop"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "__init__.py").touch()
    (tmp_path / "bakery" / "__init__.py").touch()
    (tmp_path / "bakery" / "jobs" / "__init__.py").write_text(TOY, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in ("bakery", "bakery.jobs"):
        sys.modules.pop(name, None)


def test_the_jobs_of_a_context_are_discovered_in_its_folder(services: Path) -> None:
    (job,) = discover(services)
    assert (job.name, job.settings) == ("bake", (dict,))


def test_the_crm_has_a_job_for_reports_and_each_name_once() -> None:
    names = [job.name for job in discover()]
    assert "report" in names
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    "path", sorted((SERVICES / "kernel" / "tasks").rglob("*.py")), ids=lambda path: path.name
)
def test_the_task_engine_knows_no_reports(path: Path) -> None:
    assert "report" not in path.read_text(encoding="utf-8").lower()
