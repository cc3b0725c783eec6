"""A new context is a folder and its stack in the root template: nothing else is edited."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.flows.conftest import ROOT

CONTEXT = ROOT / "tests" / "fixtures" / "new_context" / "invoices"
STACK = (
    "  Invoices: {Type: AWS::Serverless::Application, Properties: "
    "{Location: services/invoices/template.yaml, Parameters: {"
    "BusName: !GetAtt Shared.Outputs.BusName, BusArn: !GetAtt Shared.Outputs.BusArn, "
    "CursorSecretArn: !GetAtt Shared.Outputs.CursorSecretArn, "
    "DepsLayerArn: !GetAtt Shared.Outputs.DepsLayerArn, DefaultMemory: 128}}}\n"
)
ARN = "        InvoicesApiArn: !GetAtt Invoices.Outputs.ApiArn\n"
"""A context with a REST API also hands its function to the stack of the API."""
AFTER_STACK, AFTER_ARN = "Resources:\n", "        DocsArn: !GetAtt Edge.Outputs.DocsArn\n"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The tree as git knows it, with the new context in it."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tmp_path / name)
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    shutil.copytree(CONTEXT, tmp_path / "services" / "invoices")
    root = tmp_path / "template.yaml"
    text = root.read_text(encoding="utf-8")
    assert text.count(AFTER_STACK) == text.count(AFTER_ARN) == 1
    text = text.replace(AFTER_STACK, AFTER_STACK + STACK).replace(AFTER_ARN, AFTER_ARN + ARN)
    root.write_text(text, encoding="utf-8")
    return tmp_path


def test_a_new_context_is_a_folder_and_its_stack(copy: Path) -> None:
    environment = {
        **os.environ,
        "PYTHONPATH": f"{copy}:{copy / 'services'}",
        "SAM_CLI_TELEMETRY": "0",
        "AWS_DEFAULT_REGION": "us-east-1",
    }

    def run(*command: str) -> str:
        done = subprocess.run(
            command, cwd=copy, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    python = str(copy / ".venv" / "bin" / "python")
    run(python, "-m", "tools.gateway")
    run(python, "-m", "tools.openapi")
    run("make", "imports", "types", "template")
    assert "/invoices:" in (copy / "infra" / "api.yaml").read_text(encoding="utf-8")
    assert '"/invoices"' in (copy / "docs" / "openapi.json").read_text(encoding="utf-8")
    run(str(copy / ".venv" / "bin" / "sam"), "build", "InvoicesApi")
    built = copy / ".aws-sam" / "build" / "Invoices" / "InvoicesApi"
    assert (built / "invoices" / "handlers" / "invoices.py").is_file()
    assert (built / "kernel" / "web" / "api.py").is_file()
    assert sorted(path.name for path in (built / "customers").glob("*.py")) == [
        "__init__.py", "context.py",
    ]  # fmt: skip
