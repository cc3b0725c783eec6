"""Measures in pairs: reference and measured code alternate; the result is the median of the ratios.

When the machine slows down, both halves of a pair slow down, so ratios stay comparable where times
in milliseconds do not.
"""

import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from subprocess import run

PAIRS = 11
SLACK = 1.15
"""A ratio may exceed its budget by this factor, because some noise remains."""
_SMALL_PARENT = """
import os, sys
process = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
_, status, usage = os.wait4(process, 0)
print(status, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)
"""
"""Starts the measured process from a small parent, whose memory counts as the child's at first."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """A measured ratio: `b` / `a`."""

    name: str
    ratio: float
    a: float
    """Median CPU seconds of the reference."""
    b: float
    """Median CPU seconds of the measured code."""
    budget: float
    a_megabytes: float = 0.0
    b_megabytes: float = 0.0
    slack: float = SLACK

    @property
    def over(self) -> bool:
        """Whether it exceeds its budget by more than the slack."""
        return self.ratio > self.budget * self.slack

    def line(self) -> str:
        """The ratio as a line of text."""
        verdict = "ok" if self.ratio <= self.budget else "OVER" if self.over else "near"
        memory = (
            f"  RSS {self.a_megabytes:.0f} -> {self.b_megabytes:.0f} MB" if self.b_megabytes else ""
        )
        return (
            f"{self.name:34s} x{self.ratio:5.2f}  budget x{self.budget:<5.2f} {verdict:4s} "
            f"(reference {self.a * 1e3:8.2f} ms, measured {self.b * 1e3:8.2f} ms){memory}"
        )


def calls(
    name: str,
    reference: Callable[[], object],
    measured: Callable[[], object],
    *,
    budget: float,
    pairs: int = PAIRS,
    seconds: float = 0.05,
) -> Ratio:
    """Compare two functions in this process; each runs for about `seconds` of CPU per pair."""
    repeat = max(1, int(seconds / max(_cpu(reference, 1), 1e-6)))
    samples = [(_cpu(reference, repeat), _cpu(measured, repeat)) for _ in range(pairs)]
    return _ratio(name, [(a / repeat, b / repeat) for a, b in samples], budget)


def processes(
    name: str,
    reference: Sequence[str],
    measured: Sequence[str],
    environment: Mapping[str, str],
    *,
    budget: float,
    pairs: int = PAIRS,
) -> Ratio:
    """Compare two programs by the user and system CPU and the peak memory of their processes."""
    _run(reference, environment), _run(measured, environment)  # warm the file cache
    samples = [(_run(reference, environment), _run(measured, environment)) for _ in range(pairs)]
    times = _ratio(name, [(a[0], b[0]) for a, b in samples], budget)
    return Ratio(
        times.name,
        times.ratio,
        times.a,
        times.b,
        times.budget,
        statistics.median(a[1] for a, _ in samples),
        statistics.median(b[1] for _, b in samples),
    )


def memory(of: Ratio, most: float) -> Ratio:
    """The peak memory of the measured program against a limit in megabytes, without slack."""
    name = f"  its memory ({of.b_megabytes:.0f} of {most:.0f} MB)"
    return Ratio(name, of.b_megabytes / most, of.a, of.b, 1.0, slack=1.0)


def _ratio(name: str, samples: list[tuple[float, float]], budget: float) -> Ratio:
    return Ratio(
        name,
        statistics.median(b / a for a, b in samples),
        statistics.median(a for a, _ in samples),
        statistics.median(b for _, b in samples),
        budget,
    )


def _cpu(function: Callable[[], object], repeat: int) -> float:
    started = time.process_time()
    for _ in range(repeat):
        function()
    return time.process_time() - started


def _run(command: Sequence[str], environment: Mapping[str, str]) -> tuple[float, float]:
    """CPU seconds and peak megabytes of one run. Raises RuntimeError when it fails."""
    parent = [sys.executable, "-I", "-S", "-c", _SMALL_PARENT, *command]
    completed = run(parent, env=dict(environment), capture_output=True, text=True, check=True)
    *output, last = completed.stdout.splitlines()
    status, seconds, megabytes = last.split()
    if int(status):
        output.append(completed.stderr)
        raise RuntimeError(f"{' '.join(command)} failed with status {status}: {output}")
    return float(seconds), float(megabytes)
