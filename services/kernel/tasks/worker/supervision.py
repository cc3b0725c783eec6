"""Supervises a running job: heartbeats, visibility, progress, cancellation and stopping."""

import threading
import time
from collections.abc import Callable
from functools import partial

from kernel.tasks.job import Interruption, Task
from kernel.tasks.worker.best_effort import best_effort
from kernel.tasks.worker.execution import Execution
from kernel.tasks.worker.timing import WorkerTiming

_MAX_TICK_SECONDS = 0.5


class _Every:
    """A repeating interval; `restart` begins the next one."""

    def __init__(self, seconds: float, first: float | None = None) -> None:
        self._seconds = seconds
        self._next = time.monotonic() + (seconds if first is None else first)

    def due(self) -> bool:
        """Whether the interval is over."""
        return time.monotonic() >= self._next

    def restart(self) -> None:
        """Begin the next interval now."""
        self._next = time.monotonic() + self._seconds


class Supervisor:
    """Keeps a task reserved for this worker until its job ends.

    `keep` reserves the task for another interval; it returns False when nobody waits for the task.
    """

    def __init__(
        self,
        keep: Callable[[Task], bool],
        timing: WorkerTiming,
        stopping: threading.Event,
        beat: Callable[[], None] = lambda: None,
    ) -> None:
        self._keep, self._timing, self._stopping, self._beat = keep, timing, stopping, beat

    def supervise(self, execution: Execution) -> bool:
        """Wait for the end of the job.

        Returns False when it did not stop in time after it was asked to, for whatever reason.
        """
        timing = self._timing
        heartbeat = _Every(timing.heartbeat_interval)
        cancel_poll = _Every(timing.cancel_poll_interval)
        progress = _Every(timing.progress_interval, first=0.0)
        grace: _Every | None = None
        tick = min(
            timing.progress_interval,
            timing.cancel_poll_interval,
            timing.heartbeat_interval,
            _MAX_TICK_SECONDS,
        )
        while not execution.ended.wait(tick):
            self._beat()
            if self._stopping.is_set():
                execution.control.interrupt(Interruption.STOPPING)
            if execution.control.interruption is not None and grace is None:
                grace = _Every(timing.grace_period)
            if grace is not None and grace.due():
                return False
            if progress.due() and self._record_progress(execution):
                progress.restart()
            if cancel_poll.due():
                self._check_cancelled(execution)
                cancel_poll.restart()
            if heartbeat.due():
                self._keep_alive(execution)
                heartbeat.restart()
        return True

    def _record_progress(self, execution: Execution) -> bool:
        """Record the latest step, if there is a new one."""
        latest = execution.control.take_progress()
        if latest is None:
            return False
        record = partial(execution.job.record_progress, execution.task, *latest)
        best_effort("record progress", record)
        return True

    def _check_cancelled(self, execution: Execution) -> None:
        active = best_effort("check", lambda: execution.job.is_active(execution.task))
        if active is False:
            execution.control.interrupt(Interruption.CANCELLED)

    def _keep_alive(self, execution: Execution) -> None:
        if not self._keep(execution.task):
            execution.control.interrupt(Interruption.ABANDONED)
