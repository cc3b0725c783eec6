"""The pulse of a worker: a file whose time of change says when its loop last went round.

A worker that hangs (a stopped process, a job that never gives up the interpreter, a call that never
returns) still runs, so nobody replaces it unless its pulse is watched: by the health check of its
container, and by the supervisor of the local platform.
"""

import os
import time
from contextlib import suppress
from pathlib import Path

NAME = "pulse"
"""The file's name in the worker's folder."""
LONGEST_SILENCE_S = 180.0
"""After this time without a pulse a worker hangs. The longest wait of a sound one is below two
minutes: four attempts to reach a service that accepts a connection and never answers (25 s each,
kernel/runtime/aws.py), and the pauses between them."""
_INTERVAL_S = 1.0


class Pulse:
    """The pulse of this process."""

    def __init__(self, file: Path) -> None:
        self._file, self._next = file, 0.0

    def beat(self) -> None:
        """Record that the loop goes round; at most one write a second.

        A full disk cannot prevent it: the file is made once, and only its time changes afterwards.
        """
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + _INTERVAL_S
        with suppress(OSError):
            try:
                os.utime(self._file)
            except FileNotFoundError:
                self._file.parent.mkdir(parents=True, exist_ok=True)
                self._file.touch()


def silence_s(file: Path) -> float | None:
    """Seconds since the last pulse in a file; None when there was none yet."""
    try:
        return max(0.0, time.time() - file.stat().st_mtime)
    except OSError:
        return None
