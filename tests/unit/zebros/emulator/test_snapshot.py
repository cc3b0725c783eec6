"""The process that writes a snapshot does not outlive its server's rights."""

import copy
import os
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from zebros.emulator.patching import module
from zebros.emulator.settings import Settings
from zebros.emulator.snapshot import Snapshots


@pytest.fixture
def snapshots(emulator: Any, settings: Settings, tmp_path: Path) -> Iterator[Snapshots]:
    emulator("services.lambda_svc")
    made = Snapshots(settings)
    yield made
    made.journal.close()


def test_a_killed_server_s_port_is_free_while_its_snapshot_is_still_written(
    snapshots: Snapshots, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Snapshots, "_write", lambda *_: time.sleep(60))
    server = socket.create_server(("127.0.0.1", 0))
    address = server.getsockname()
    child = Future[int]()
    snapshots._fork(child)
    try:
        server.close()
        deadline = time.monotonic() + 5
        while True:
            try:
                socket.create_server(address, reuse_port=False).close()
                break
            except OSError:
                assert time.monotonic() < deadline, "the child has the server's socket"
                time.sleep(0.05)
    finally:
        os.kill(child.result(), signal.SIGKILL)
        os.waitpid(child.result(), 0)


def test_a_snapshot_of_a_server_that_is_gone_replaces_none(
    snapshots: Snapshots, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What the forked child replaces is put back, because this is the tests' own process.
    monkeypatch.setattr(copy, "deepcopy", copy.deepcopy)
    functions = module("services.lambda_svc")
    for name in ("_externalize_code_zip", "_prune_orphan_code_blobs"):
        monkeypatch.setattr(functions, name, getattr(functions, name))
    file = settings.state / "snapshot.pickle"
    assert not snapshots._write(parent=os.getpid())
    assert not file.exists()
    assert snapshots._write(parent=os.getppid())
    assert file.exists()
