"""Names in the documents exist: commands and their options, queues, log messages."""

import os
import re
import shlex
import subprocess
from functools import cache
from typing import Any

import pytest

from kernel.runtime.metrics import METRICS as OWN_METRICS
from tests.template.stack import ROOT, functions, load, resources
from tools.contexts import events
from zebros.cli import build

DOCUMENTS = {
    path.name: path.read_text(encoding="utf-8")
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
}
NAMED = sorted(set(re.findall(r"`([^`]+)`", DOCUMENTS["runbook.md"])))
"""All names in the runbook."""
METRICS = {
    "ApproximateNumberOfMessagesVisible",
    "ApproximateAgeOfOldestMessage",
    "IteratorAge",
    "ConsumedWriteCapacityUnits",
    "ProvisionedConcurrencySpilloverInvocations",
    "Throttles",
}
"""Metrics that AWS itself publishes."""


def commands(text: str) -> list[str]:
    """Every `zebros …` of a document, within its text or on a line of its own."""
    found = re.findall(r"`(zebros [^`]+)`|^(zebros [^#\n]+)", text, re.M)
    return [inline or line.strip() for inline, line in found]


@cache
def command_tree() -> Any:
    return build()


def unknown(command: str) -> list[str]:
    """The words of a command that its help does not know."""
    node: Any = command_tree()
    options, found = dict[str, bool](), list[str]()
    words = iter(shlex.split(command)[1:])
    for parameter in node.params:
        options |= dict.fromkeys(parameter.opts, parameter.is_flag)
    for word in words:
        if word.startswith("-"):
            if word not in options:
                found.append(word)
            elif not options[word]:
                next(words, None)
        elif hasattr(node, "commands"):
            if word not in node.commands:
                return [*found, word]
            node = node.commands[word]
            for parameter in node.params:
                options |= dict.fromkeys(parameter.opts, getattr(parameter, "is_flag", False))
    return found


@pytest.mark.parametrize("name", DOCUMENTS)
def test_documented_commands_and_options_exist(name: str) -> None:
    assert {c: unknown(c) for c in commands(DOCUMENTS[name]) if unknown(c)} == {}


def test_the_readme_is_short() -> None:
    assert len(DOCUMENTS["README.md"].splitlines()) <= 200


def test_wrong_commands_are_detected() -> None:
    assert len(commands(DOCUMENTS["README.md"])) > 5
    assert len(commands(DOCUMENTS["runbook.md"])) > 3
    assert unknown("zebros --api URL events replay --form 1d") == ["--form"]
    assert unknown("zebros events rewind") == ["rewind"]


def test_names_in_the_runbook_exist() -> None:
    queues = set(resources("AWS::SQS::Queue"))
    cloud_events = {key.split("/")[1].split(".")[0] for key in events()}
    code = "\n".join(
        path.read_text(encoding="utf-8") for path in sorted((ROOT / "services").rglob("*.py"))
    )
    for name in NAMED:
        if name.startswith("…"):
            assert any(queue.endswith(name.removeprefix("…")) for queue in queues), name
        elif name.endswith(("Queue", "DeadLetters")):
            assert name in queues
        elif re.fullmatch(r"[A-Z][a-z]+[A-Za-z]+", name):
            known = cloud_events | METRICS | OWN_METRICS.keys() | set(load()["Parameters"])
            known |= set(functions()) | set(resources("AWS::CloudWatch::Alarm"))
            assert name in known, name
        elif not name.startswith(("zebros ", "--")) and not (ROOT / name).exists():
            assert f'"{name}"' in code or f"{name}=" in code, name


def test_the_diffs_of_the_first_change_apply() -> None:
    """tests/flows/test_first_change.py applies them in a copy, and runs the tests they add."""
    diffs = re.findall(r"^```diff\n(.*?)^```$", DOCUMENTS["first-change.md"], re.M | re.S)
    assert len(diffs) > 5
    checked = subprocess.run(
        ["git", "apply", "--check", "-"],
        cwd=ROOT,
        # In a folder inside another repository `git apply` skips files without an error.
        env={**os.environ, "GIT_CEILING_DIRECTORIES": str(ROOT.parent)},
        input="".join(diffs),
        capture_output=True,
        text=True,
    )
    assert checked.returncode == 0, checked.stderr
