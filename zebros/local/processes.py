"""Starting, recognising and stopping processes; never one that we did not start.

A pid alone proves nothing, because numbers are used again: a process is known by its pid and the
moment it started (in clock ticks since boot, /proc/PID/stat field 22; proc(5)).
"""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

TERM_S = 10.0
"""How long a process may take to end when asked, before it is killed."""
_LOOK_S = 0.05


@dataclass(frozen=True, slots=True)
class Known:
    """A process by pid and start, as it is written down."""

    name: str
    pid: int
    started: int

    @property
    def alive(self) -> bool:
        """Whether this very process still runs (a zombie does not)."""
        return started_at(self.pid) == self.started

    def send(self, number: signal.Signals) -> None:
        """Signal it, and only it."""
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)


class Child:
    """A process of ours, in a session of its own: a Ctrl-C at the terminal is not meant for it."""

    def __init__(
        self, name: str, command: Sequence[str], environment: Mapping[str, str], log: Path
    ) -> None:
        self.name, self.log = name, log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                command,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.known = Known(name, self._process.pid, started_at(self._process.pid) or 0)

    @property
    def ended(self) -> str | None:
        """How it ended, in words; None while it runs."""
        code = self._process.poll()
        if code is None:
            return None
        return f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"

    def stop(self, patience_s: float = TERM_S) -> None:
        """Ask it to end, then end it."""
        if self._process.poll() is None:
            self._process.terminate()
        try:
            self._process.wait(patience_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def last_words(self, lines: int = 5) -> str:
        """The end of its log."""
        try:
            text = self.log.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""
        return "\n".join(text.strip().splitlines()[-lines:])


def started_at(pid: int) -> int | None:
    """When a process started; None when there is none, or only its remains."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in ("Z", "X") else int(fields[19])


def stop(processes: Iterable[Known], patience_s: float = TERM_S) -> None:
    """Ask processes to end, then end what is left; for those that are no children of ours."""
    left = [one for one in processes if one.alive]
    for one in left:
        one.send(signal.SIGTERM)
    ends = time.monotonic() + patience_s
    while left and time.monotonic() < ends:
        time.sleep(_LOOK_S)
        left = [one for one in left if one.alive]
    for one in left:
        one.send(signal.SIGKILL)
    while any(one.alive for one in left):
        time.sleep(_LOOK_S)
