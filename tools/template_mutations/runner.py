"""Runs the template tests against each mutation, in a forked process that has everything loaded."""

import gc
import os
import re
import select
import signal
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tools.template_mutations.mutations import Mutation

_WITHOUT = (
    "cacheprovider",
    "logging",
    "schemathesis",
    "terminalreporter",
    "unraisableexception",
    "xdist",
)
_OPTIONS = ["-x", "--assert=plain", "--tb=no", "-s", *(f"-pno:{name}" for name in _WITHOUT)]
_RELOADED = ("tests.template.test_", "tests.template.stack")
"""Modules that read templates when they are imported."""
_WORD = re.compile(r"[A-Za-z]\w{3,}")
_FIRST = 24
"""Tests that run before the others."""
_SECONDS = 300
"""A change that makes the tests run longer than this is noticed."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the tests make of a mutation."""

    mutation: Mutation
    noticed_by: str
    """The first test that failed; empty for a survivor."""
    seconds: float


class _FirstFailure:
    """Remembers the first failure of a run."""

    name = ""

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed and not self.name:
            self.name = report.nodeid

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed and not self.name:
            self.name = f"{report.nodeid} (import)"


def _tests(paths: list[str]) -> str:
    """Run the tests; the name of the first that fails."""
    first = _FirstFailure()
    code = pytest.main([*_OPTIONS, *paths], plugins=[first])
    if code == pytest.ExitCode.OK:
        return ""
    return first.name or f"pytest ended with {code}"


def load_everything(paths: list[str]) -> None:
    """Import all test modules and what they import, once for all runs.

    Raises SystemExit when the tests fail without any change.
    """
    if failed := _tests(paths):
        sys.exit(f"The tests fail without any change: {failed}")


def control(paths: list[str]) -> str:
    """The test that fails without any change, in a process like those of the mutations.

    Not empty when a file was edited during the run: then the tests noticed the edit, and the
    outcomes are worth nothing.
    """
    reader, process = _fork(None, [test_files(paths)])
    with os.fdopen(reader, encoding="utf-8") as pipe:
        failed = pipe.read()
    _, status = os.waitpid(process, 0)
    return failed if status == 0 else f"status {status}"


@dataclass(frozen=True, slots=True)
class _Child:
    process: int
    mutation: Mutation
    started: float


class _Experience:
    """Which tests have noticed changes: they run first, because most changes are noticed by few."""

    def __init__(self, files: list[str]) -> None:
        self._noticed: defaultdict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
        self._words = {file: set(_WORD.findall(Path(file).read_text("utf-8"))) for file in files}

    def add(self, outcome: Outcome) -> None:
        """Remember an outcome. A test that is called for several values is one."""
        test = outcome.noticed_by.partition("[")[0].partition(" ")[0]
        if test.startswith("tests/"):
            for key in self._keys(outcome.mutation):
                self._noticed[key][test] += 1

    def stages(self, mutation: Mutation) -> list[list[str]]:
        """The tests that noticed most of the changes of this kind and template, then all files.

        Of the files those first that mention what was changed.
        """
        alike, of_template, of_all = (self._noticed[key] for key in self._keys(mutation))
        known = sorted(of_template, key=lambda test: (-alike[test], -of_template[test]))
        by_file = Counter[str]()
        for test, count in of_all.items():
            by_file[test.partition("::")[0]] += count
        mentions = self._mentions(mutation)
        files = sorted(self._words, key=lambda file: (-mentions[file], -by_file[file]))
        return [stage for stage in (known[:_FIRST], files) if stage]

    def _mentions(self, mutation: Mutation) -> Counter[str]:
        """How much each file mentions of what was changed; a rare word counts more."""
        score = Counter[str]()
        for word in _WORD.findall(f"{mutation.template} {mutation.place}"):
            having = [file for file, words in self._words.items() if word in words]
            score.update(dict.fromkeys(having, 60 // len(having)) if having else {})
        return score

    @staticmethod
    def _keys(mutation: Mutation) -> tuple[tuple[str, ...], ...]:
        return (mutation.template, mutation.kind), (mutation.template,), ()


def test_files(paths: list[str]) -> list[str]:
    """The files of tests in files and folders."""
    return [
        str(file)
        for path in map(Path, paths)
        for file in (sorted(path.glob("test_*.py")) if path.is_dir() else [path])
    ]


def outcomes(mutations: list[Mutation], paths: list[str], processes: int) -> Iterator[Outcome]:
    """The outcome of each mutation, as it becomes known."""
    gc.collect()
    gc.freeze()  # forked processes share the memory of what is never collected
    experience = _Experience(test_files(paths))
    waiting, running = list(reversed(mutations)), dict[int, _Child]()
    try:
        while waiting or running:
            while waiting and len(running) < processes:
                mutation = waiting.pop()
                reader, process = _fork(mutation, experience.stages(mutation))
                running[reader] = _Child(process, mutation, time.monotonic())
            ready, _, _ = select.select(list(running), [], [], 1)
            for reader, child in list(running.items()):
                if reader not in ready and time.monotonic() - child.started < _SECONDS:
                    continue
                outcome = _ended(reader, running.pop(reader), late=reader not in ready)
                experience.add(outcome)
                yield outcome
    finally:
        for reader, child in running.items():
            _ended(reader, child, late=True)
        gc.unfreeze()


def _ended(reader: int, child: _Child, *, late: bool) -> Outcome:
    if late:
        os.kill(child.process, signal.SIGKILL)
    with os.fdopen(reader, encoding="utf-8") as pipe:
        answer = pipe.read()
    _, status = os.waitpid(child.process, 0)
    name = answer if status == 0 else f"the tests ended with status {status}"
    return Outcome(child.mutation, name, time.monotonic() - child.started)


def _fork(mutation: Mutation | None, stages: list[list[str]]) -> tuple[int, int]:
    """Start a process that applies a mutation and runs the tests."""
    reader, writer = os.pipe()
    process = os.fork()
    if process:
        os.close(writer)
        return reader, process
    status = 1
    try:
        os.close(reader)
        silent = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silent, 1)
        os.dup2(silent, 2)
        if mutation:
            mutation.apply()
        for name in [one for one in sys.modules if one.startswith(_RELOADED)]:
            del sys.modules[name]
        failed = next(filter(None, map(_tests, stages)), "")
        os.write(writer, failed.encode())
        status = 0
    finally:
        os._exit(status)
