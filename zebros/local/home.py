"""What the local platform writes down in its folder (`.local/`), and the lock on the folder.

data.json       the format of the data in platform/; written before that folder is made
state.json      where everything is; written when the CRM is deployed, removed by `reset`
status.json     how far the last start got
processes.json  pid and start of every process of ours; there while they run, or were killed
lock            locked by the supervisor as long as it lives
supervisor.json pid and start of the supervisor that has the lock
"""

import json
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import BaseFileLock, FileLock, Timeout

from zebros.errors import BadInput
from zebros.local.processes import Known, started_at

FORMAT = 4
"""Of what the platform keeps: its snapshots and journals, and the records in them as the functions
store them. To be raised with whatever can no longer read data that is kept already."""

_HOLDER = "supervisor.json"
_HOME = "`--home` names the folder where the local platform keeps its state."


@dataclass(frozen=True, slots=True)
class Home:
    """The folder of one local platform."""

    path: Path

    @property
    def platform(self) -> Path:
        """The emulator's folder."""
        return self.path / "platform"

    @property
    def issuer(self) -> Path:
        """The issuer's keys."""
        return self.path / "issuer"

    @property
    def logs(self) -> Path:
        """A log file for each part."""
        return self.path / "logs"

    @property
    def build(self) -> Path:
        """What `sam build` made."""
        return self.path / "build"

    @property
    def deployed(self) -> Path:
        """What was deployed last, by the fingerprint of its source."""
        return self.path / "deployed.json"

    def check_data(self) -> None:
        """Raise BadInput for data kept in another format; where there is none, ours begins."""
        if not self.platform.exists():
            self._write("data.json", {"format": FORMAT})
        elif self._read("data.json").get("format") != FORMAT:
            raise BadInput(
                f"The data in {self.path} was kept by another version of the CRM, and this one "
                "cannot read it: `zebros reset` deletes it.",
                hint="To keep it, go back to the version that was started here last.",
            )

    def state(self) -> dict[str, Any]:
        """state.json; empty when there is none. Raises BadInput when it cannot be read."""
        return self._read("state.json")

    def write_state(self, state: dict[str, Any]) -> None:
        """Write state.json; readers see the old one or the new one."""
        self._write("state.json", state)

    def processes(self) -> list[Known]:
        """The processes that were started here and may still run."""
        return [Known(**one) for one in self._read("processes.json").get("processes", [])]

    def write_processes(self, processes: Iterable[Known]) -> None:
        """Write down who runs, before anything can kill us."""
        listed = [{"name": p.name, "pid": p.pid, "started": p.started} for p in processes]
        self._write("processes.json", {"processes": listed})

    def status(self) -> dict[str, Any]:
        """How far the last start got: phase (starting, deploying, ready, stopped, failed), at, pid,
        the options it was started with, and the error of a failed one."""
        return self._read("status.json")

    def write_status(self, phase: str, **more: Any) -> None:
        """Write down how far the start of this process is."""
        self._write("status.json", {"phase": phase, "at": time.time(), "pid": os.getpid(), **more})

    def lock(self) -> "Lock | None":
        """Take the folder; None when a running supervisor has it. Raises BadInput for no folder."""
        file = FileLock(self.path / "lock", mode=0o600, blocking=False, thread_local=False)
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            file.acquire()
        except Timeout:
            return None
        except OSError as fault:
            raise BadInput(
                f"{self.path} cannot keep the state of a CRM: {fault.strerror}.", hint=_HOME
            ) from fault
        self._write(_HOLDER, {"pid": os.getpid(), "started": started_at(os.getpid())})
        return Lock(file, self.path / _HOLDER)

    def supervisor(self) -> Known | None:
        """Who holds the folder; None when nobody does."""
        holder = self._read(_HOLDER)
        known = Known("supervisor", **holder) if holder else None
        return known if known and known.alive else None

    def _read(self, name: str) -> dict[str, Any]:
        file = self.path / name
        try:
            text = file.read_text(encoding="utf-8")
            content = json.loads(text) if text.strip() else {}
        except FileNotFoundError:
            return {}
        except NotADirectoryError as fault:
            raise BadInput(f"{self.path} is no folder.", hint=_HOME) from fault
        except (OSError, ValueError) as fault:
            raise BadInput(
                f"{file} cannot be read: {fault}.",
                hint="`zebros reset` begins with an empty platform.",
            ) from fault
        return content if isinstance(content, dict) else {}

    def _write(self, name: str, content: dict[str, Any]) -> None:
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = self.path / f"{name}.part"
        part.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        part.replace(self.path / name)


class Lock:
    """The folder is ours until we release it, or end in whatever way."""

    def __init__(self, file: BaseFileLock, holder: Path) -> None:
        self._file, self._holder = file, holder

    def release(self) -> None:
        """Let others have it."""
        self._holder.unlink(missing_ok=True)
        self._file.release()
