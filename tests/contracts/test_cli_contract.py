"""The command line imports no service; what it knows about the CRM is generated from them."""

import ast
import json

import pytest

from kernel.runtime import fence
from kernel.storage import replicated
from kernel.storage.packing import pack
from tools import cli_contract
from tools.drift import ROOT
from zebros.contract import contract
from zebros.operations.outbox import unpack
from zebros.regions import fences

EVENTS = sorted((ROOT / "events" / "examples").rglob("*.json"))
OTHERS = {"tools", "tests", "worker"} | {
    path.name for path in (ROOT / "services").iterdir() if path.is_dir()
}


def test_the_contract_is_that_of_the_services() -> None:
    assert cli_contract.TARGET.read_text(encoding="utf-8") == cli_contract.render()


@pytest.mark.parametrize("path", EVENTS, ids=lambda path: path.stem)
def test_a_packed_event_is_unpacked(path: object) -> None:
    text = json.dumps(json.loads(ROOT.joinpath(str(path)).read_text(encoding="utf-8")))
    assert unpack(pack(text)) == text


def test_operators_and_functions_have_the_same_words_for_the_fence() -> None:
    assert fences.KEY == fence.KEY
    assert (fences.OPEN, fences.MOVING) == (fence.OPEN, fence.MOVING)
    assert fences.RUN_PREFIX == replicated.RUN_PREFIX
    written = fences.Fence(7, fences.MOVING, "eu-west-1").item()
    assert fence.FenceRecord.parse(written) == (7, fence.MOVING, "eu-west-1")
    assert {name: written[name] for name in fence.KEY} == fence.KEY


def test_every_event_schema_is_a_known_event_type() -> None:
    schemas = (ROOT / "events" / "schemas").glob("*/*.json")
    assert contract().events == {path.name.partition(".")[0] for path in schemas}


@pytest.mark.parametrize(
    "path", sorted((ROOT / "zebros").rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT))
)
def test_the_command_line_imports_no_other_package_of_the_repository(path: object) -> None:
    tree = ast.parse(ROOT.joinpath(str(path)).read_text(encoding="utf-8"))
    imported = {
        name.partition(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert imported & OTHERS == set()
