"""The unpatched emulator's modules in this process; a test applies the patch that it tests."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from zebros.emulator import patching
from zebros.emulator.settings import Settings


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings of a platform that is not served."""
    return Settings(port=1, home=tmp_path_factory.mktemp("platform"), snapshot_s=0)


@pytest.fixture(scope="session")
def emulator(settings: Settings) -> Callable[[str], Any]:
    """`emulator("services.sqs")` is a module of the emulator, imported with its environment."""
    before = dict(os.environ)
    assert "ministack" not in sys.modules
    for folder in (settings.state, settings.objects, settings.scratch):
        folder.mkdir(parents=True)
    os.environ.update(settings.environment())
    try:
        for name in ("app", "services.cloudformation.provisioners", "services.stepfunctions"):
            patching.module(name)
    finally:
        os.environ.clear()
        os.environ.update(before)
    return patching.module


@pytest.fixture(autouse=True)
def empty(emulator: Callable[[str], Any]) -> Iterator[None]:
    """Clear the emulator's state after each test."""
    yield
    for name in ("sqs", "dynamodb", "eventbridge", "stepfunctions", "secretsmanager"):
        emulator(f"services.{name}").reset()
    functions = emulator("services.lambda_svc")
    for store in (functions._esms, functions._functions, functions._dynamodb_stream_positions):
        store.clear()


@contextmanager
def applied(*patches: Callable[[], None]) -> Iterator[None]:
    """Apply patches inside the block, and undo them after it."""
    mark = len(patching.undo)
    try:
        for patch in patches:
            patch()
        yield
    finally:
        while len(patching.undo) > mark:
            patching.undo.pop()()


@pytest.fixture
def patched() -> Callable[..., AbstractContextManager[None]]:
    """`with patched(queues.apply):` applies the patch inside the block."""
    return applied


@pytest.fixture
def queue(emulator: Callable[[str], Any]) -> Callable[..., dict[str, Any]]:
    """Creates a queue; returns the emulator's record of it."""
    sqs = emulator("services.sqs")

    def make(name: str, **attributes: str) -> dict[str, Any]:
        sqs._act_create_queue({"QueueName": name, "Attributes": attributes}, "")
        found: dict[str, Any] = sqs._queues[sqs._queue_url(name)]
        return found

    return make


@pytest.fixture
def scratch(settings: Settings) -> Path:
    """The folder in which functions are unpacked."""
    return settings.scratch
