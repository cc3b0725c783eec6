"""Starts, identifies and stops processes, and only those that the local platform started.

Pids are reused, so a process is identified by its pid and its start time. That is in seconds since
boot, so that setting the clock does not change it.
"""

import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

TERM_S = 10.0
"""Seconds between SIGTERM and SIGKILL."""
SAVE_S = 150.0
"""Seconds between them for a process that saves its state meanwhile."""
_POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class KnownProcess:
    """A process identified by pid and start time, as in processes.json."""

    name: str
    pid: int
    started: float

    @property
    def alive(self) -> bool:
        """Whether the process with this pid and start time still runs (a zombie does not)."""
        return started_at(self.pid) == self.started

    def end(self, *, at_once: bool = False) -> None:
        """Terminate the process, or with `at_once` kill it."""
        if self.alive:
            with suppress(psutil.NoSuchProcess):
                process = psutil.Process(self.pid)
                process.kill() if at_once else process.terminate()


class Child:
    """A child process in a separate session, so that Ctrl-C at the terminal does not reach it."""

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
        self.known = KnownProcess(name, self._process.pid, started_at(self._process.pid) or 0)

    @property
    def ended(self) -> str | None:
        """How it ended; None while it runs."""
        code = self._process.poll()
        if code is None:
            return None
        return f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"

    @property
    def was_killed(self) -> bool:
        """Whether a signal ended it."""
        return (self._process.poll() or 0) < 0

    def stop(self, saving: Callable[[], bool] = lambda: False) -> None:
        """Terminate it, and kill it if it still runs TERM_S later.

        While `saving` says that it saves its state, it has SAVE_S in all.
        """
        if self._process.poll() is None:
            self._process.terminate()
        began = idle_since = time.monotonic()
        while self._process.poll() is None:
            now = time.monotonic()
            if saving():
                idle_since = now
            if now - idle_since > TERM_S or now - began > SAVE_S:
                self._process.kill()
                self._process.wait()
            time.sleep(_POLL_S)

    def log_end(self, lines: int = 5) -> str:
        """The last lines of its log."""
        try:
            text = self.log.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""
        return "\n".join(text.strip().splitlines()[-lines:])


def started_at(pid: int) -> float | None:
    """Seconds from boot to the start of a process; None for a zombie or an unknown pid."""
    try:
        booted = psutil.boot_time()  # must be called first: psutil computes the start from it
        process = psutil.Process(pid)
        started = round(process.create_time() - booted, 2)
        return None if process.status() == psutil.STATUS_ZOMBIE else started
    except psutil.NoSuchProcess:
        return None


def stop(processes: Iterable[KnownProcess], patience_s: float = TERM_S) -> None:
    """Terminate processes other than children; kill those that still run after `patience_s`."""
    left = [process for process in processes if process.alive]
    for process in left:
        process.end()
    ends = time.monotonic() + patience_s
    while left and time.monotonic() < ends:
        time.sleep(_POLL_S)
        left = [process for process in left if process.alive]
    for process in left:
        process.end(at_once=True)
    while any(process.alive for process in left):
        time.sleep(_POLL_S)
