"""What a step of the state machine returns."""

from typing import NamedTuple

LOOK_S = 300
"""Seconds until the controller looks again: the period of most metrics."""


class Step(NamedTuple):
    """What the state machine does next."""

    next: str
    """verify, decide, apply, wait, end, or done when nothing is to be given back."""
    seconds: int = LOOK_S
    rounds: int = 0
    """How often the execution has decided."""
    requests: int = 0
    """How often others had asked for the lease before it decided."""


DONE = Step("done")
