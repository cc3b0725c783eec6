"""The protocol by which long work records progress and is asked to stop."""

from typing import Protocol


class Interrupted(Exception):
    """Raised inside work that is asked to stop."""


class Progress(Protocol):
    """Called by the work between its steps, about once a second."""

    def step(self, fraction: float, text: str) -> None:
        """Record the progress: a fraction (0..1) and a short text for people.

        Raises Interrupted when the work must stop.
        """


class NoProgress:
    """Progress that is not recorded; the work is never interrupted."""

    def step(self, fraction: float, text: str) -> None:
        """Do nothing."""


class PartialProgress:
    """The progress of one part of the work: its 0..1 is `start`..`end` of the whole."""

    def __init__(self, whole: Progress, start: float, end: float) -> None:
        self._whole, self._start, self._end = whole, start, end

    def step(self, fraction: float, text: str) -> None:
        """Record the progress of the part. Raises Interrupted."""
        within = min(max(fraction, 0.0), 1.0)
        self._whole.step(self._start + within * (self._end - self._start), text)
