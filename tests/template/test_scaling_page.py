"""docs/scaling.md: every row has a resource or a function, and a test; all of them exist."""

import ast
import importlib
import re
from functools import cache
from pathlib import Path

import pytest

from tests.template.stack import PHASES, ROOT, system

PAGE = ROOT / "docs" / "scaling.md"
MARKS = {"planned", "later"}
COLUMNS = ["row", "what the strategy says", "phase", "resource or function", "test"]


def rows() -> dict[str, list[str]]:
    """The cells of every row, by section and row."""
    found: dict[str, list[str]] = {}
    section = ""
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            section = line.removeprefix("## ")
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and cells != COLUMNS and set(line) - set("|- "):
            found[f"{section}: {cells[0]}"] = cells
    return found


ROWS = rows()
BUILT = {name: cells for name, cells in ROWS.items() if not MARKS & set(cells[3:])}


@cache
def names_in(path: Path) -> set[str]:
    """The names of the tests in a file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("name", ROWS)
def test_a_row_is_complete_or_marked(name: str) -> None:
    cells = ROWS[name]
    assert len(cells) == len(COLUMNS)
    assert all(cells)
    if name not in BUILT:
        (mark,) = set(cells[3:])
        assert mark in MARKS, "both cells have the mark, or neither"


@pytest.mark.parametrize("name", BUILT)
def test_a_row_s_resource_exists_from_its_phase_on(name: str) -> None:
    _, _, phase, resource, _ = BUILT[name]
    named = resource.strip("`")
    if ":" in named:
        module, _, attribute = named.partition(":")
        assert callable(getattr(importlib.import_module(module), attribute))
        return
    for later in PHASES[PHASES.index(phase) :]:
        second = "eu-central-1" if later == "enterprise" else ""
        third = "eu-west-3" if second else ""
        found = system(Phase=later, ReplicaRegion=second, WitnessRegion=third).resources
        assert named in found, later


@pytest.mark.parametrize("name", BUILT)
def test_a_row_s_test_exists(name: str) -> None:
    found = re.fullmatch(r"`(tests/[\w/]+\.py)::(test_\w+)`", BUILT[name][4])
    assert found, "written as `tests/…/test_file.py::test_name`"
    assert found[2] in names_in(ROOT / found[1])


def test_the_page_has_every_part_of_the_strategy() -> None:
    sections = {name.partition(":")[0] for name in ROWS}
    wanted = {"Phases", "Sizes", "Cost", "Triggers", "Regions", "Monitoring", "Moving"}
    assert sections == wanted
    assert len(ROWS) >= 60
