"""The folder of the local platform (`.local/`): its files and its lock.

data.json       the format of the data in platform/, written before that folder, and the forms of
                its records
state.json      addresses and resource names; written when the CRM is deployed, removed by `reset`
status.json     the phase of the last start
processes.json  pid and start time of the running processes, and after a kill of those that ran
lock            locked by the running supervisor
supervisor.json pid and start time of the supervisor that has the lock
regions/        of a primary: what it shares with the secondary (zebros/regions/pair.py)
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
from zebros.local.processes import KnownProcess, started_at

FORMAT = 4
"""The format of the stored data: snapshots and journals, with the records that functions store in
them. Increment it with every change that cannot read existing data."""

_SUPERVISOR = "supervisor.json"
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
    def worker(self) -> Path:
        """The worker's cache, temporary files and pulse."""
        return self.path / "worker"

    @property
    def pair(self) -> Path:
        """What a primary shares with the platform of the second region (zebros/regions/pair.py)."""
        return self.path / "regions"

    @property
    def logs(self) -> Path:
        """A log file for each part."""
        return self.path / "logs"

    @property
    def build(self) -> Path:
        """The output of `sam build`."""
        return self.path / "build"

    @property
    def deployed(self) -> Path:
        """The file with the fingerprint of the deployed source."""
        return self.path / "deployed.json"

    def check_data(self, forms: dict[str, int]) -> bool:
        """Whether the stored records may have older forms than `forms`, those of this release.

        Without data, the current format is written. Raises BadInput for data that this release
        cannot read, and for data of a later release.
        """
        if not self.platform.exists():
            self.write_forms(forms)
            return False
        stored = self._read("data.json")
        number, records = stored.get("format"), stored.get("forms", {})
        later = [name for name in records if records[name] > forms.get(name, 0)]
        if later or (isinstance(number, int) and number > FORMAT):
            raise BadInput(
                f"The data in {self.path} was written by a later release of the CRM.",
                hint="Start that release here, or name another folder with `--home`.",
            )
        if number != FORMAT:
            raise BadInput(
                f"The data in {self.path} was written by another version of the CRM, and this one "
                "cannot read it: `zebros reset` deletes it.",
                hint="To keep it, go back to the version that was started here last.",
            )
        # A folder of a release before records had forms: each has the first.
        return any(records.get(name, 1) < forms[name] for name in forms)

    def write_forms(self, forms: dict[str, int]) -> None:
        """Write that every stored record has these forms."""
        self._write("data.json", {"format": FORMAT, "forms": forms})

    def state(self) -> dict[str, Any]:
        """state.json; empty when there is none. Raises BadInput when it cannot be read."""
        return self._read("state.json")

    def write_state(self, state: dict[str, Any]) -> None:
        """Write state.json atomically."""
        self._write("state.json", state)

    def processes(self) -> list[KnownProcess]:
        """The processes that were started here and may still run."""
        return [KnownProcess(**one) for one in self._read("processes.json").get("processes", [])]

    def write_processes(self, processes: Iterable[KnownProcess]) -> None:
        """Record the running processes, so that a later start can stop them after a kill."""
        listed = [{"name": p.name, "pid": p.pid, "started": p.started} for p in processes]
        self._write("processes.json", {"processes": listed})

    def status(self) -> dict[str, Any]:
        """The last start: its phase (starting, deploying, ready, stopped, failed), time, pid,
        options, and the error of a failed one."""
        return self._read("status.json")

    def write_status(self, phase: str, **more: Any) -> None:
        """Write the phase of this process's start."""
        self._write("status.json", {"phase": phase, "at": time.time(), "pid": os.getpid(), **more})

    def lock(self) -> "Lock | None":
        """Lock the folder; None when a running supervisor has it. Raises BadInput."""
        file = FileLock(self.path / "lock", mode=0o600, blocking=False, thread_local=False)
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            file.acquire()
        except Timeout:
            return None
        except OSError as fault:
            raise BadInput(
                f"{self.path} cannot store the state of a CRM: {fault.strerror}.", hint=_HOME
            ) from fault
        self._write(_SUPERVISOR, {"pid": os.getpid(), "started": started_at(os.getpid())})
        return Lock(file, self.path / _SUPERVISOR)

    def supervisor(self) -> KnownProcess | None:
        """The running supervisor of the folder, or None."""
        holder = self._read(_SUPERVISOR)
        known = KnownProcess("supervisor", **holder) if holder else None
        return known if known and known.alive else None

    def _read(self, name: str) -> dict[str, Any]:
        file = self.path / name
        try:
            text = file.read_text(encoding="utf-8")
            content = json.loads(text) if text.strip() else {}
        except FileNotFoundError:
            return {}
        except NotADirectoryError as fault:
            raise BadInput(f"{self.path} is not a folder.", hint=_HOME) from fault
        except (OSError, ValueError) as fault:
            raise BadInput(
                f"{file} cannot be read: {fault}.",
                hint="`zebros reset` begins with an empty platform.",
            ) from fault
        return content if isinstance(content, dict) else {}

    def _write(self, name: str, content: dict[str, Any]) -> None:
        replace_json(self.path / name, content)


def replace_json(file: Path, content: dict[str, Any]) -> None:
    """Write a JSON file atomically; its folder is made if there is none."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = file.with_name(f"{file.name}.part")
    part.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    part.replace(file)


class Lock:
    """The lock on the folder; the system releases it when the process ends."""

    def __init__(self, file: BaseFileLock, holder: Path) -> None:
        self._file, self._holder = file, holder

    def release(self) -> None:
        """Release the lock."""
        self._holder.unlink(missing_ok=True)
        self._file.release()
