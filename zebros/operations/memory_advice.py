"""Advice on the memory of a function, from a result of Lambda Power Tuning with its curve.

The curve is in the URL of the result's visualization: `#<sizes>;<times>;<costs>`, each a list in
base64, of int16 for sizes and float32 for milliseconds and USD, little-endian (README of
aws-lambda-power-tuning-ui).
"""

import math
import struct
from base64 import b64decode
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from zebros.operations.tuning import Tuned

_MILLION = 1_000_000
_EFFECT = 0.1
"""A larger size must save this share of the time, as for the scaling controller."""


class Measured(NamedTuple):
    """One size of a function."""

    power: int
    """MB."""
    duration: float
    """Milliseconds of an invocation, on average."""
    cost: float
    """USD of an invocation, on average."""


class MemoryAdvice(NamedTuple):
    """The advice for a function."""

    function: str
    parameter: str
    now: int | None
    """MB; None where it is not known."""
    options: tuple[Measured, ...]
    """What the state machine has chosen, then the other sizes by their cost."""
    enough: int | None
    """Above so many MB a larger size saves less than a tenth of the time; None without a curve."""

    @property
    def best(self) -> Measured:
        """What the state machine has chosen."""
        return self.options[0]


def curve(url: str) -> list[Measured]:
    """The curve in the URL of a visualization, by size; empty where it cannot be read."""
    parts = url.partition("#")[2].split(";")
    try:
        sizes, times, costs = (
            _numbers(part, kind) for part, kind in zip(parts, "hff", strict=True)
        )
        found = [
            Measured(int(size), time, cost)
            for size, time, cost in zip(sizes, times, costs, strict=True)
        ]
    except ValueError:
        return []
    return sorted(found) if all(map(_is_measured, found)) else []


def _numbers(text: str, kind: str) -> list[float]:
    """The list in a base64 text. Raises ValueError."""
    content = b64decode(text + "=" * (-len(text) % 4), validate=True)
    width = struct.calcsize(f"<{kind}")
    if len(content) % width:
        raise ValueError("the list ends within a number")
    return list(struct.unpack(f"<{len(content) // width}{kind}", content))


def _is_measured(one: Measured) -> bool:
    return one.power > 0 and all(
        math.isfinite(value) and value >= 0 for value in (one.duration, one.cost)
    )


def memory_advice(tuned: Tuned, now: int | None) -> MemoryAdvice:
    """The advice for a function that has so many MB now."""
    result = tuned.result
    found = curve(result.measurement.visualization)
    best = Measured(result.power, result.duration, result.cost)
    others = sorted(
        (one for one in found if one.power != best.power), key=lambda one: (one.cost, one.power)
    )
    return MemoryAdvice(
        tuned.function, tuned.parameter, now, (best, *others), _enough(found) if found else None
    )


def _enough(found: Sequence[Measured]) -> int:
    """The size above which no larger one saves a tenth of the time of the one before it."""
    useful = [
        larger.power
        for smaller, larger in pairwise(found)
        if larger.duration <= smaller.duration * (1 - _EFFECT)
    ]
    return max(useful, default=found[0].power)


def memory_sentences(one: MemoryAdvice, megabytes: int) -> Iterator[str]:
    """What to deploy for a function, and why; `megabytes` is the value of its parameter."""
    yield f"{one.function}: {_text(one.best)} is best by the measurement."
    if one.now is not None:
        yield _now(one, one.now)
    if one.enough is not None:
        yield f"Above {one.enough} MB a larger size saves less than a tenth of the time."
    for other in one.options[1:]:
        yield f"Alternative: {_text(other)}."
    if len(one.options) == 1:
        yield "The result has no readable curve, so there are no alternatives."
    if one.now == megabytes:
        yield "Nothing to do."
    else:
        yield f"Deploy with {one.parameter}={megabytes}."


def _now(one: MemoryAdvice, now: int) -> str:
    measured = next((other for other in one.options if other.power == now), None)
    if measured is None:
        return f"It has {now} MB now, which was not measured."
    return f"It has {_text(measured)} now."


def _text(one: Measured) -> str:
    usd = one.cost * _MILLION
    return f"{one.power} MB ({one.duration:,.1f} ms, {usd:,.2f} USD per million invocations)"
