"""docs/first-change.md: its diffs apply to the tree, and the tests it names pass."""

import re
from pathlib import Path

import pytest

from tests.flows.conftest import ROOT
from tests.flows.tree_copy import TreeCopy

pytestmark = pytest.mark.slow

DOCUMENT = ROOT / "docs" / "first-change.md"


@pytest.mark.timeout(600)
def test_the_first_change_works_as_written(tmp_path: Path) -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    diffs = re.findall(r"^```diff\n(.*?)^```$", text, re.M | re.S)
    (tests,) = re.findall(r"^\.venv/bin/pytest (.+)$", text, re.M)
    copy = TreeCopy.make(tmp_path)
    python = copy.program("python")
    for diff in diffs:
        copy.run("git", "apply", "-", stdin=diff)
    generators = re.findall(r"^GENERATED := (.+)$", copy.read("Makefile"), re.M)[0].split()
    for generator in generators:
        copy.run(python, "-m", f"tools.{generator}")
    document = copy.read("docs/openapi.json")
    assert '"/tasks/{task_id}/postpone"' in document
    assert '"industry_code"' in document
    copy.run(python, "-m", "pytest", "-p", "no:schemathesis", *tests.split())
