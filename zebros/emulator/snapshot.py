"""The platform's state on disk: snapshots, and a journal of the changes since the last one.

Without this patch: state is saved only by a graceful stop, so that a killed emulator loses
everything; each service has a separate file, so that files may be of different moments; records of
table streams are not saved but the positions of their readers are, so that after a restart new
records are skipped; running executions are marked as failed.

Fix: a forked child writes the state of one moment, between two requests, into one file that
replaces the old one only when it is complete; `journal` contains the changes since; the snapshot
includes stream records that were not read yet; running executions start again, so their steps must
be repeatable.
"""

import copy
import logging
import os
import pickle
import threading
import time
import warnings
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from zebros.emulator import journal as journals
from zebros.emulator.journal import Journal
from zebros.emulator.patching import module, replace
from zebros.emulator.queues import changing
from zebros.emulator.replicas import REGIONS
from zebros.emulator.server import started
from zebros.emulator.settings import Settings

_CHILD_S = 120.0
_STDERR = 2
_PAUSE_FACTOR = 9
"""A snapshot that took 1 s is followed by at least this many seconds without one."""
_log = logging.getLogger("snapshot")
# The forked child has one thread, takes none of the other threads' locks, and exits by itself.
warnings.filterwarnings("ignore", "This process .* use of fork", DeprecationWarning)


class Snapshots:
    """Takes snapshots when the state changes, and restores the last one."""

    def __init__(self, settings: Settings) -> None:
        self._interval = settings.snapshot_s
        self._file = settings.state / "snapshot.pickle"
        self.journal = Journal(settings.state)
        self._changes = 0
        self._saved = 0
        self._one_at_a_time = threading.Lock()

    def touch(self) -> None:
        """Record that the state may have changed."""
        self._changes += 1

    def take_periodically(self) -> None:
        """Take snapshots periodically; runs in its own thread."""
        pause = self._interval
        while pause:
            time.sleep(pause)
            began = time.monotonic()
            if self._changes != self._saved:
                self.take()
            pause = max(self._interval, _PAUSE_FACTOR * (time.monotonic() - began))

    def take(self, *, on_loop: bool = True) -> bool:
        """Take a snapshot now; returns whether it is on disk.

        The process forks on the server's thread, between two requests, and the caller waits. So the
        server's own thread calls it only at the end, with `on_loop` False.
        """
        with self._one_at_a_time:
            changes, child = self._changes, Future[int]()
            if on_loop:
                module("app")._MAIN_LOOP.call_soon_threadsafe(self._fork, child)
            else:
                self._fork(child)
            if not _succeeded(child.result()):
                _log.error("The state could not be saved; the last snapshot stays.")
                return False
            self._saved = changes
            self.journal.delete_segments(self.journal.segment)
            return True

    def _fork(self, child: Future[int]) -> None:
        """Start the process that writes the snapshot. The journal continues in a new segment."""
        try:
            with changing, module("services.lambda_svc")._dynamodb_stream_positions_lock:
                self.journal.open(self.journal.segment + 1)
                parent = os.getpid()
                pid = os.fork()
        except Exception as fault:
            child.set_exception(fault)
            return
        if pid:
            child.set_result(pid)
            return
        code = 1
        try:
            # The server's sockets too: a killed server could not start again while this process
            # has them.
            for descriptor in [int(one.name) for one in Path("/dev/fd").iterdir()]:
                if descriptor > _STDERR:
                    with suppress(OSError):
                        os.close(descriptor)
            os.nice(10)
            if self._write(parent):
                code = 0
        finally:
            os._exit(code)

    def _write(self, parent: int) -> bool:
        """Write the snapshot; runs in the forked child, whose memory does not change.

        Without its parent it replaces nothing: another server may have taken a newer snapshot since
        and have removed the journal before it.
        """
        vars(copy)["deepcopy"] = lambda value, _memo=None: value
        functions = module("services.lambda_svc")
        functions._externalize_code_zip = functions._prune_orphan_code_blobs = lambda *_: None
        getters = module("app")._build_persistence_save_dict()
        services = {name: state() for name, state in getters.items()}
        part = self._file.with_suffix(f".{os.getpid()}.part")
        with part.open("wb") as file:
            pickle.dump((self.journal.segment, _streams(), services), file, protocol=5)
        if os.getppid() != parent:
            return False
        part.replace(self._file)
        return True

    def restore(self) -> None:
        """Load the last snapshot, apply the journal, and start taking snapshots."""
        first = 0
        for left in self._file.parent.glob("snapshot.*.part"):  # by a server that was killed
            left.unlink(missing_ok=True)
        if self._file.exists():
            first, streams, services = self._read()
            app = module("app")
            for name, state in services.items():
                if state is not None:
                    app._get_module(app._state_map[name]).load_persisted_state(state)
            tables = module("services.dynamodb")
            tables._stream_seq_counter = streams["sequence"]
            for name, (position, records) in streams["tables"].items():
                tables._stream_records[name], tables._stream_trimmed[name] = records, position
            _restart_executions()
        lines = journals.apply_again(self.journal, first)
        self.journal.open(max([first, *self.journal.segments()]) + 1)
        self._changes += lines
        threading.Thread(target=self.take_periodically, name="snapshots", daemon=True).start()

    def _read(self) -> tuple[int, dict[str, Any], dict[str, Any]]:
        try:
            with self._file.open("rb") as file:
                content: tuple[int, dict[str, Any], dict[str, Any]] = pickle.load(file)  # noqa: S301  # written by this class, in a folder that only its owner can write
                return content
        except Exception as fault:
            raise SystemExit(
                f"The saved state {self._file} cannot be read ({fault}). "
                "`zebros reset` begins with an empty one."
            ) from fault


def apply(settings: Settings) -> Snapshots:
    """Replace saving and restoring of the state."""
    app = module("app")
    snapshots = Snapshots(settings)
    replace(app, "_load_persisted_state", snapshots.restore)
    replace(app, "save_all", lambda _services: snapshots.take(on_loop=False))
    journals.record_changes(snapshots.journal)
    return snapshots


def _succeeded(pid: int) -> bool:
    """Wait for the child, and kill it when it takes too long; returns whether it succeeded."""
    child = psutil.Process(pid)
    try:
        return bool(child.wait(_CHILD_S) == 0)
    except psutil.TimeoutExpired:
        child.kill()
        child.wait()
        return False


def _streams() -> dict[str, Any]:
    """For each table: the position of its stream, and the records that are still to be read."""
    tables, functions = module("services.dynamodb"), module("services.lambda_svc")
    positions = functions._dynamodb_stream_positions
    needed: dict[str, list[int]] = {}
    for mapping in functions._esms.values():
        if mapping["UUID"] in positions:
            name = mapping["EventSourceArn"].split(":table/")[1].split("/")[0]
            needed.setdefault(name, []).append(positions[mapping["UUID"]])
    streams: dict[str, Any] = {}
    for name, records in tables._stream_records.items():
        trimmed = tables._stream_trimmed.get(name, 0)
        first = max(trimmed, min(needed.get(name, [trimmed + len(records)])))
        if tables._tables.get(name, {}).get(REGIONS):
            first = trimmed  # the other region may still need any of them
        streams[name] = (first, records[first - trimmed :])
    return {"tables": streams, "sequence": tables._stream_seq_counter}


def _restart_executions() -> None:
    """Start the executions that were running again, with the same names.

    The emulator marks these executions as failed when it loads them, with a special error.
    """
    flows = module("services.stepfunctions")
    for execution in list(flows._executions.values()):
        known = execution["stateMachineArn"] in flows._state_machines
        if known and execution.get("error") == "States.ServiceRestart":
            execution.update(status="RUNNING", stopDate=None, events=execution["events"][:1])
            del execution["error"], execution["cause"]
            arn = execution["executionArn"]
            threading.Thread(target=_run_when_serving, args=(flows, arn), daemon=True).start()


def _run_when_serving(flows: Any, arn: str) -> None:
    started.wait()
    flows._run_execution(arn)
