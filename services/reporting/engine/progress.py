"""How long work tells where it is, and how it is asked to stop."""

from collections.abc import Callable
from dataclasses import dataclass

from reporting.engine.errors import ReportCancelled


def _say_nothing(_fraction: float, _text: str) -> None:
    pass


def _never() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Watch:
    """What a caller hears of the work, and how it stops it. Both run on the caller's thread.

    `progress(fraction, text)`: 0..1 and a sentence for a person. `cancelled()`: True to stop;
    the work looks between steps, each about a second of work.
    """

    progress: Callable[[float, str], None] = _say_nothing
    cancelled: Callable[[], bool] = _never

    def step(self, fraction: float, text: str) -> None:
        """Report, then stop with ReportCancelled when asked to."""
        if self.cancelled():
            raise ReportCancelled
        self.progress(min(max(fraction, 0.0), 1.0), text)

    def part(self, start: float, end: float) -> "Watch":
        """A watch for one piece of the work: its 0..1 is this one's start..end."""
        return Watch(
            lambda fraction, text: self.progress(start + fraction * (end - start), text),
            self.cancelled,
        )
