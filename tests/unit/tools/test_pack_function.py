"""A function's artefact has the kernel and the folder whose template declares the function."""

import subprocess
import sys
from pathlib import Path

import pytest

from kernel.runtime.contexts import contexts
from tests.template.stack import ROOT, functions
from tools.pack_function import folder_of


@pytest.mark.parametrize("name", functions())
def test_a_function_is_packed_from_the_folder_whose_template_declares_it(name: str) -> None:
    context = next((one for one in contexts() if name.startswith(one.capitalize())), "edge")
    assert folder_of(name) == context


def test_a_function_that_no_template_declares_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "orders").mkdir()
    template = tmp_path / "orders" / "template.yaml"
    template.write_text("Resources:\n  OrdersApi:\n    Type: x\n", encoding="utf-8")
    assert folder_of("OrdersApi", tmp_path) == "orders"
    for unknown in ("Orders", "OrdersApiLogs", "Type"):
        with pytest.raises(LookupError, match=f"declares {unknown}"):
            folder_of(unknown, tmp_path)


def test_an_artefact_is_the_kernel_one_folder_and_all_manifests(tmp_path: Path) -> None:
    tool = str(ROOT / "tools" / "pack_function.py")
    subprocess.run([sys.executable, "-I", tool, str(tmp_path), "CustomersRelay"], check=True)
    found = {path.name: {file.name for file in path.glob("*.py")} for path in tmp_path.iterdir()}
    assert found.keys() == {"kernel", *contexts()}
    assert "bootstrap.py" in found["customers"]
    for name in contexts().keys() - {"customers"}:
        assert found[name] == {"__init__.py", "context.py"}
    assert (tmp_path / "kernel" / "storage" / "dictionaries" / "0.txt").is_file()


def test_only_a_function_that_carries_out_jobs_has_their_modules(tmp_path: Path) -> None:
    tool = str(ROOT / "tools" / "pack_function.py")
    for name, more in (("ReportingApi", ()), ("ReportingAnalytics", ("--with-jobs",))):
        command = [sys.executable, "-I", tool, str(tmp_path / name), name, *more]
        subprocess.run(command, check=True)
        jobs = [tmp_path / name / "reporting" / part for part in ("jobs", "query", "render")]
        jobs.append(tmp_path / name / "kernel" / "tasks" / "worker")
        assert [folder.exists() for folder in jobs] == [bool(more)] * 4
        assert (tmp_path / name / "reporting" / "lake").is_dir()
        assert (jobs[2] / "report.typ").exists() == bool(more), "what the modules read"
    makefile = (ROOT / "services" / "Makefile").read_text(encoding="utf-8")
    assert "$(pack) ReportingAnalytics --with-jobs" in makefile
