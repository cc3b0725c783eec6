"""A Progress (kernel.tasks.progress) that records its steps, and interrupts on request."""

from collections.abc import Callable

from kernel.tasks.progress import Interrupted

type Steps = list[tuple[float, str]]


class Recorder:
    """Raises Interrupted as soon as `stop`, given the steps so far, is true."""

    def __init__(self, stop: Callable[[Steps], bool] = lambda _: False) -> None:
        self.steps: Steps = []
        self._stop = stop

    def step(self, fraction: float, text: str) -> None:
        """Record the step."""
        if self._stop(self.steps):
            raise Interrupted
        self.steps.append((fraction, text))
