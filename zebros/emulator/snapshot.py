"""The platform's state on disk: a whole picture now and then, and a journal in between.

Stock faults: state is saved only by a graceful stop, so that a killed emulator has lost
everything; each service has a file of its own, so that files of different moments can be left
behind; records of table streams are not saved while the positions of their readers are, so that
after a restart as many new records are skipped as were ever read before; running executions are
given up as failed.

Mended: a forked child writes the picture of one moment, between two requests, into one file
that takes the old one's place only when it is whole; `journal` carries what happened since;
stream records that were not read yet belong to the picture; running executions start again
(their steps must bear that, as they must bear a retry).
"""

import base64
import copy
import hashlib
import json
import logging
import os
import signal
import threading
import time
import warnings
from typing import Any

from zebros.emulator import journal as journals
from zebros.emulator.journal import Journal
from zebros.emulator.queues import changing as queues_changing
from zebros.emulator.seams import module, replace
from zebros.emulator.server import started
from zebros.emulator.settings import ACCOUNT, REGION, Settings

_LARGE = 32_768
"""Bytes from which on a value gets a file of its own, named by its content (code, layers)."""
_CHILD_S = 120.0
_REST = 9
"""A picture that took 1 s is followed by at least this many seconds without one: the journal has
what happens meanwhile."""
_log = logging.getLogger("snapshot")


class Snapshots:
    """Takes pictures while there are changes, and restores the last one."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._file = settings.state / "snapshot.json"
        self._blobs = settings.state / "blobs"
        self._blobs.mkdir(parents=True, exist_ok=True)
        self.journal = Journal(settings.state)
        self._changes = 0
        self._saved = 0
        self._one_at_a_time = threading.Lock()
        self._scoped = module("core.persistence")._json_object_hook

    def touch(self) -> None:
        """Something may have changed."""
        self._changes += 1

    def keep(self) -> None:
        """Take pictures for ever (a thread's work)."""
        pause = self._settings.snapshot_s
        while pause:
            time.sleep(pause)
            began = time.monotonic()
            if self._changes != self._saved:
                self.take()
            pause = max(self._settings.snapshot_s, _REST * (time.monotonic() - began))

    def take(self, *, on_loop: bool = True) -> bool:
        """Take a picture now; whether it is on disk. Not from the server's own thread.

        The picture is taken on the server's thread, where no request is half done. `on_loop` is
        False at the very end, when that thread is the caller.
        """
        with self._one_at_a_time:
            changes = self._changes
            if on_loop:
                child: list[int] = []
                forked = threading.Event()

                def fork() -> None:
                    try:
                        child.append(self._fork())
                    finally:
                        forked.set()

                module("app")._MAIN_LOOP.call_soon_threadsafe(fork)
                forked.wait()
                pid = child[0] if child else None
            else:
                pid = self._fork()
            if pid is None or not _ended_well(pid):
                _log.error("The state could not be saved; the last picture of it stays.")
                return False
            self._saved = changes
            self.journal.forget(self.journal.segment)
            return True

    def _fork(self) -> int:
        """The process that writes the picture. The journal goes on in a new segment."""
        with queues_changing, module("services.lambda_svc")._dynamodb_stream_positions_lock:
            self.journal.open(self.journal.segment + 1)
            with warnings.catch_warnings():
                # The child runs this one thread, takes no lock of the others and ends itself.
                warnings.simplefilter("ignore", DeprecationWarning)
                pid = os.fork()
        if pid:
            return pid
        code = 1
        try:
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, signal.SIG_IGN)
            os.nice(10)
            self._write()
            code = 0
        finally:
            os._exit(code)

    def _write(self) -> None:
        """In the child, whose memory is nobody else's: nothing needs to be copied."""
        vars(copy)["deepcopy"] = lambda value, _memo=None: value
        functions = module("services.lambda_svc")
        functions._externalize_code_zip = functions._prune_orphan_code_blobs = lambda *_: None
        services: dict[str, Any] = {}
        for name, state in module("app")._build_persistence_save_dict().items():
            saved = state()
            if saved is not None:
                services[name] = saved
        picture = {
            "journal": self.journal.segment,
            "streams": _streams(),
            "services": services,
        }
        part = self._file.with_suffix(".part")
        with part.open("w", encoding="utf-8") as file:
            file.write(json.dumps(picture, default=self._other, ensure_ascii=False))
        part.replace(self._file)

    def _other(self, value: Any) -> Any:
        if isinstance(value, bytes | bytearray) and len(value) > _LARGE:
            name = hashlib.sha256(value).hexdigest()
            blob = self._blobs / name
            if not blob.exists():
                part = blob.with_suffix(f".{os.getpid()}")
                part.write_bytes(value)
                part.replace(blob)
            return {"__blob__": name}
        return module("core.persistence")._json_default(value)

    def restore(self) -> None:
        """Load the last picture and repeat what the journal says happened after it."""
        first = 0
        if self._file.exists():
            picture = self._read()
            first = picture["journal"]
            app = module("app")
            for name, state in picture["services"].items():
                if name in app._state_map:
                    app._get_module(app._state_map[name]).load_persisted_state(state)
            _restore_streams(picture["streams"])
            _restart(_running(picture["services"]))
        lines = journals.repeat(self.journal, first)
        self.journal.open(max([first, *self.journal.segments()]) + 1)
        self._changes += lines
        self._forget_blobs()

    def _read(self) -> dict[str, Any]:
        try:
            picture: dict[str, Any] = json.loads(
                self._file.read_text(encoding="utf-8"), object_hook=self._revived
            )
        except (OSError, ValueError) as fault:
            raise SystemExit(
                f"The saved state {self._file} cannot be read ({fault}). "
                "`zebros reset` begins with an empty one."
            ) from fault
        return picture

    def _revived(self, value: dict[str, Any]) -> Any:
        """What `_other` and the emulator's encoder have written; called for millions of dicts."""
        if len(value) == 1:
            ((key, inner),) = value.items()
            if key == "__blob__":
                return (self._blobs / inner).read_bytes()
            return base64.b64decode(inner) if key == "__bytes__" else value
        if len(value) == 2 and "data" in value:
            return self._scoped(value)
        return value

    def _forget_blobs(self) -> None:
        """Delete the blobs the picture does not name; at the start, while nobody writes one."""
        if not self._file.exists():
            return
        named = self._file.read_text(encoding="utf-8")
        for blob in self._blobs.iterdir():
            if blob.name not in named:
                blob.unlink()


def apply(settings: Settings) -> Snapshots:
    """Save and restore our way."""
    app = module("app")
    snapshots = Snapshots(settings)

    def restore() -> None:
        snapshots.restore()
        threading.Thread(target=snapshots.keep, name="snapshots", daemon=True).start()

    replace(app, "_load_persisted_state", restore)
    replace(app, "save_all", lambda _services: snapshots.take(on_loop=False))
    journals.record(snapshots.journal)
    return snapshots


def _ended_well(pid: int) -> bool:
    """Wait for the child; it is ended when it takes too long (a lock it inherited, say)."""
    ends = time.monotonic() + _CHILD_S
    while time.monotonic() < ends:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return status == 0
        time.sleep(0.01)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return False


def _streams() -> dict[str, Any]:
    """For each table: where its stream stands and the records some mapping has still to read."""
    tables, functions = module("services.dynamodb"), module("services.lambda_svc")
    positions = functions._dynamodb_stream_positions._data
    needed: dict[str, int] = {}
    for scope_and_id, mapping in functions._esms._data.items():
        arn = mapping.get("EventSourceArn", "")
        if ":dynamodb:" in arn and scope_and_id in positions:
            name = arn.split(":table/")[1].split("/")[0]
            needed[name] = min(needed.get(name, positions[scope_and_id]), positions[scope_and_id])
    found: dict[str, Any] = {}
    for (account, region, name), records in tables._stream_records._data.items():
        if (account, region) != (ACCOUNT, REGION):
            continue
        trimmed = tables._stream_trimmed._data.get((account, region, name), 0)
        first = max(trimmed, needed.get(name, trimmed + len(records)))
        found[name] = {"first": first, "records": records[first - trimmed :]}
    return {"tables": found, "sequence": tables._stream_seq_counter}


def _restore_streams(saved: dict[str, Any]) -> None:
    tables = module("services.dynamodb")
    tables._stream_seq_counter = saved["sequence"]
    for name, stream in saved["tables"].items():
        tables._stream_records[name] = stream["records"]
        tables._stream_trimmed[name] = stream["first"]


def _running(services: dict[str, Any]) -> list[str]:
    """The executions that were running when the picture was taken.

    Loading them has marked them failed, with an error that no execution of ours ends in.
    """
    executions = services.get("stepfunctions", {}).get("executions")
    if executions is None:
        return []
    return [
        one["executionArn"]
        for one in executions._data.values()
        if one.get("error") == "States.ServiceRestart"
    ]


def _restart(arns: list[str]) -> None:
    """Start these executions from their beginning, under their names."""
    flows = module("services.stepfunctions")
    for arn in arns:
        execution = flows._executions.get(arn)
        if execution is None or execution["stateMachineArn"] not in flows._state_machines:
            continue
        execution.update(status="RUNNING", stopDate=None, events=execution["events"][:1])
        for name in ("error", "cause"):
            execution.pop(name, None)
        threading.Thread(target=_run_when_serving, args=(flows, arn), daemon=True).start()


def _run_when_serving(flows: Any, arn: str) -> None:
    started.wait()
    flows._run_execution(arn)
