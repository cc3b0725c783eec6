"""A copy of the tree, to change and to check."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.flows.conftest import ROOT


@dataclass(frozen=True, slots=True)
class TreeCopy:
    """The files that git knows, and those it would add, in another folder."""

    path: Path

    @classmethod
    def make(cls, path: Path) -> "TreeCopy":
        """Copy the tree; the environment is that of the original."""
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT, capture_output=True, text=True, check=True,
        )  # fmt: skip
        for name in filter(None, listed.stdout.split("\0")):
            if (ROOT / name).is_file():
                (path / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, path / name)
        (path / ".venv").symlink_to(ROOT / ".venv")
        # mypy checks again what differs from what it has checked here.
        if (ROOT / ".mypy_cache").is_dir():
            shutil.copytree(ROOT / ".mypy_cache", path / ".mypy_cache")
        return cls(path)

    def read(self, name: str) -> str:
        """The text of a file."""
        return (self.path / name).read_text(encoding="utf-8")

    def run(self, *command: str, stdin: str | None = None) -> str:
        """Run a command in the copy, with its modules; a failure fails the test."""
        done = subprocess.run(
            command,
            cwd=self.path,
            env={
                **os.environ,
                "PYTHONPATH": f"{self.path}:{self.path / 'services'}",
                "AWS_DEFAULT_REGION": "us-east-1",
                "SAM_CLI_TELEMETRY": "0",
                # Inside a repository `git apply` skips files without an error.
                "GIT_CEILING_DIRECTORIES": str(self.path.parent),
            },
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def program(self, name: str) -> str:
        """The path of a program of the environment."""
        return str(self.path / ".venv" / "bin" / name)
