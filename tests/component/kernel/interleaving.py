"""Runs concurrent workers with one table, in an order of table calls that the test decides.

A race between functions is an order of their calls to DynamoDB. Here every call waits for its turn,
so the order is deterministic.
"""

import threading
from collections.abc import Callable, Iterator
from typing import Any

from kernel.storage.table import Table

_PATIENCE_SECONDS = 20


class Killed(BaseException):
    """The worker was killed."""


class Worker(threading.Thread):
    """One Lambda invocation, stopped before each of its table calls."""

    def __init__(self, work: Callable[[], object], dies_before: int | None) -> None:
        super().__init__(daemon=True)
        self._work, self._dies_before = work, dies_before
        self._go, self._stopped = threading.Event(), threading.Event()
        self._calls = 0
        self.done = False
        self.answer: object = None
        """What the work returned; None when it was killed."""

    def run(self) -> None:
        try:
            self.pause()
            self.answer = self._work()
        except Killed:
            pass
        finally:
            self.done = True
            self._stopped.set()

    def pause(self) -> None:
        """Called by the worker itself: wait for the next turn."""
        self._stopped.set()
        assert self._go.wait(_PATIENCE_SECONDS)
        self._go.clear()
        if self._dies_before is not None and self._calls >= self._dies_before:
            raise Killed
        self._calls += 1

    def turn(self) -> None:
        """Called by the test: let the worker continue to its next table call, or to its end."""
        self._stopped.clear()
        self._go.set()
        assert self._stopped.wait(_PATIENCE_SECONDS)


class StepTable(Table):
    """A table whose calls wait for the calling worker's turn."""

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name in ("get", "get_many", "query", "put", "delete", "transact"):
            worker = threading.current_thread()
            if isinstance(worker, Worker):
                worker.pause()
        return found


def interleave(
    works: list[Callable[[], object]], turns: Iterator[int], dies_before: list[int | None]
) -> list[object]:
    """Run all works to their end, in the order of `turns`; returns their results."""
    workers = [Worker(work, dies) for work, dies in zip(works, dies_before, strict=True)]
    for worker in workers:
        worker.start()
        assert worker._stopped.wait(_PATIENCE_SECONDS)
    while running := [worker for worker in workers if not worker.done]:
        running[next(turns) % len(running)].turn()
    for worker in workers:
        worker.join(_PATIENCE_SECONDS)
    return [worker.answer for worker in workers]
