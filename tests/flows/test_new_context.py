"""A new context is a folder and its stack in the root template: nothing else is edited."""

import os
import shutil
from pathlib import Path

import pytest

from tests.flows.conftest import ROOT
from tests.flows.tree_copy import TreeCopy

pytestmark = pytest.mark.slow

CONTEXT = ROOT / "tests" / "fixtures" / "new_context" / "invoices"
STACK = (
    "  Invoices: {Type: AWS::Serverless::Application, Properties: "
    "{Location: services/invoices/template.yaml, Parameters: {"
    "SystemName: !Ref AWS::StackName, Phase: !Ref Phase, ReplicaRegion: !Ref ReplicaRegion, "
    "RegionRole: !Ref RegionRole, "
    "BusName: !GetAtt Shared.Outputs.BusName, BusArn: !GetAtt Shared.Outputs.BusArn, "
    "CursorSecretArn: !GetAtt Shared.Outputs.CursorSecretArn, "
    "DepsLayerArn: !GetAtt Shared.Outputs.DepsLayerArn, DefaultMemory: 128}}}\n"
)
ARN = "        InvoicesApiArn: !GetAtt Invoices.Outputs.ApiArn\n"
"""A context with a REST API also hands its function to the stack of the API."""
AFTER_STACK, AFTER_ARN = "Resources:\n", "        DocsArn: !GetAtt Edge.Outputs.DocsArn\n"


@pytest.fixture
def copy(tmp_path: Path) -> TreeCopy:
    """The tree as git knows it, with the new context in it."""
    tree = TreeCopy.make(tmp_path)
    shutil.copytree(CONTEXT, tmp_path / "services" / "invoices")
    text = tree.read("template.yaml")
    assert text.count(AFTER_STACK) == text.count(AFTER_ARN) == 1
    text = text.replace(AFTER_STACK, AFTER_STACK + STACK).replace(AFTER_ARN, AFTER_ARN + ARN)
    (tmp_path / "template.yaml").write_text(text, encoding="utf-8")
    return tree


def test_a_new_context_is_a_folder_and_its_stack(copy: TreeCopy) -> None:
    copy.run(copy.program("python"), "-m", "tools.gateway")
    copy.run(copy.program("python"), "-m", "tools.openapi")
    copy.run("make", f"-j{os.cpu_count()}", "imports", "types", "template")
    assert "/invoices:" in copy.read("infra/api.yaml")
    assert '"/invoices"' in copy.read("docs/openapi.json")
    copy.run(copy.program("sam"), "build", "InvoicesApi")
    built = copy.path / ".aws-sam" / "build" / "Invoices" / "InvoicesApi"
    assert (built / "invoices" / "handlers" / "invoices.py").is_file()
    assert (built / "kernel" / "web" / "api.py").is_file()
    assert sorted(path.name for path in (built / "customers").glob("*.py")) == [
        "__init__.py", "context.py",
    ]  # fmt: skip
