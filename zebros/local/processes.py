"""Starting, recognising and stopping processes; never one that we did not start.

A pid alone proves nothing, because numbers are used again: a process is known by its pid and the
moment it started, in seconds after the machine did, so that a clock that is set changes nothing.
"""

import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

TERM_S = 10.0
"""How long a process may take to end when asked, before it is killed."""
_POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class Known:
    """A process by pid and start, as it is written down."""

    name: str
    pid: int
    started: float

    @property
    def alive(self) -> bool:
        """Whether this very process still runs (a zombie does not)."""
        return started_at(self.pid) == self.started

    def end(self, *, at_once: bool = False) -> None:
        """Ask it, and only it, to end; or kill it."""
        if self.alive:
            with suppress(psutil.NoSuchProcess):
                process = psutil.Process(self.pid)
                process.kill() if at_once else process.terminate()


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
        """How it ended; None while it runs."""
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


def started_at(pid: int) -> float | None:
    """Seconds from boot to the start of a process; None when there is none, or only a zombie."""
    try:
        booted = psutil.boot_time()  # first: psutil counts the start from the last answer
        process = psutil.Process(pid)
        started = round(process.create_time() - booted, 2)
        return None if process.status() == psutil.STATUS_ZOMBIE else started
    except psutil.NoSuchProcess:
        return None


def stop(processes: Iterable[Known], patience_s: float = TERM_S) -> None:
    """Ask processes to end, then end what is left; for those that are no children of ours."""
    left = [one for one in processes if one.alive]
    for one in left:
        one.end()
    ends = time.monotonic() + patience_s
    while left and time.monotonic() < ends:
        time.sleep(_POLL_S)
        left = [one for one in left if one.alive]
    for one in left:
        one.end(at_once=True)
    while any(one.alive for one in left):
        time.sleep(_POLL_S)
