"""tools/find-python prints a working Python 3.13, or explains what to do when there is none."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TOOL = Path("tools/find-python").resolve()


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """The tool in a repository without an environment, on a machine without Python and uv."""
    (tmp_path / "tools").mkdir()
    (tmp_path / "bin").mkdir()
    shutil.copy(TOOL, tmp_path / "tools" / "find-python")
    dirname = shutil.which("dirname")
    assert dirname
    (tmp_path / "bin" / "dirname").symlink_to(dirname)
    return tmp_path


def find(bare: Path, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": str(bare / "bin"), "HOME": str(bare), **more}
    return subprocess.run(
        [bare / "tools" / "find-python"], env=environment, capture_output=True, text=True
    )


def test_without_any_python_a_message_explains_what_to_do(bare: Path) -> None:
    found = find(bare)
    assert (found.returncode, found.stdout) == (1, "")
    assert found.stderr.startswith("Zebros CRM needs Python 3.13 and found none. Install it")
    assert found.stderr.count("\n") == 1


def test_the_configured_python_is_used_if_it_works(bare: Path) -> None:
    found = find(bare, PYTHON313=sys.executable)
    assert (found.returncode, found.stdout) == (0, f"{sys.executable}\n")
    found = find(bare, PYTHON313=str(bare / "none"))
    assert (found.returncode, found.stdout) == (1, "")
    assert found.stderr == f"PYTHON313={bare / 'none'} is not a working Python 3.13.\n"


def test_another_version_of_python_is_ignored(bare: Path) -> None:
    other = bare / "bin" / "python3"
    other.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    other.chmod(0o755)
    assert find(bare).returncode == 1
    (bare / "bin" / "python3.13").symlink_to(os.path.realpath(sys.executable))
    assert find(bare).stdout == f"{bare / 'bin' / 'python3.13'}\n"
