"""How long work says how far it is, and learns that it is to stop: one protocol for both."""

from typing import Protocol


class Interrupted(Exception):
    """Raised inside work that is asked to stop."""


class Progress(Protocol):
    """What work calls between its steps, about once a second."""

    def step(self, fraction: float, text: str) -> None:
        """Record how far the work is: 0..1, and a few words for people.

        Raises Interrupted when the work is to stop.
        """


class NoProgress:
    """Progress that nobody follows; the work is never interrupted."""

    def step(self, fraction: float, text: str) -> None:
        """Do nothing."""


class PartialProgress:
    """The progress of one part of the work: its 0..1 is `start`..`end` of the whole."""

    def __init__(self, whole: Progress, start: float, end: float) -> None:
        self._whole, self._start, self._end = whole, start, end

    def step(self, fraction: float, text: str) -> None:
        """Record how far the part is. Raises Interrupted."""
        within = min(max(fraction, 0.0), 1.0)
        self._whole.step(self._start + within * (self._end - self._start), text)
