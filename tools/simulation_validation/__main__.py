"""`python -m tools.simulation_validation`: writes the section of docs/simulation.md, in minutes."""

import argparse
import os
import platform
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import psutil

from tools.growing.simulated import PAGE
from tools.sections import with_section
from tools.simulation_validation.experiments import Row, TimeLimit, reports, requests_and_events
from tools.simulation_validation.local_crm import running
from zebros.errors import CliError

SECTION = "validation"
LONGEST_S = 300.0
"""The experiments; starting the platform comes on top."""


def main(words: Sequence[str] | None = None) -> int:
    """Run the experiments and write the section; the exit code is 1 when they could not be run."""
    given = _options(words)
    processor = psutil.cpu_percent(interval=1)
    try:
        with running(given.home) as crm:
            limit = TimeLimit(LONGEST_S)
            report_inputs, rows = reports(crm, given.seed, given.seconds, limit)
            inputs, more = requests_and_events(crm, given.seed, given.seconds, limit)
    except CliError as error:
        print(f"{error.message} {error.hint or ''}".rstrip(), file=sys.stderr)
        return 1
    lines = list(section([*report_inputs, *inputs.rows()], [*more, *rows], given.seed, processor))
    if given.print:
        print("\n".join(lines))
    else:
        text = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(with_section(text, SECTION, lines), encoding="utf-8")
    return 0


def section(
    inputs: Sequence[tuple[str, str]], rows: Sequence[Row], seed: int, processor: float
) -> Iterator[str]:
    """The section: where it was measured, the error, what was compared, and the inputs."""
    cores, memory = os.cpu_count() or 1, psutil.virtual_memory().total / 2**30
    day = datetime.now(UTC).date()
    yield (
        f"Measured on {day}, on {cores} cores ({platform.machine()}) with {memory:.0f} GB, whose"
        f" processor was {processor:.0f}% busy before; seed {seed}."
    )
    shares = [one for one in rows if one.unit == "%"]
    others = [one for one in rows if one.unit != "%"]
    points = max(abs(one.error) for one in shares) * 100
    middle = sorted(abs(one.error) for one in others)[len(others) // 2]
    worst = max(others, key=lambda one: abs(one.error))
    within = sum(one.within for one in rows)
    yield (
        f"**The error**: at most {points:.1f} points for the share of refused requests; half of the other"
        f" figures are within {middle:.0%}, the worst is {worst.figure} at {worst.load}"
        f" ({worst.error:+.0%}). {within} of {len(rows)} figures are where nine of ten seeds of the model are."
    )
    yield ""
    yield "| load | figure | the model says | nine of ten seeds | measured | error |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for one in rows:
        middle_, low, high = (
            _number(value, one.unit)
            for value in (one.predicted.middle, one.predicted.low, one.predicted.high)
        )
        error = f"{one.error * 100:+.1f} points" if one.unit == "%" else f"{one.error:+.0%}"
        measured = f"{_number(one.measured, one.unit)}{'' if one.within else ' (outside)'}"
        yield f"| {one.load} | {one.figure}, {one.unit} | {middle_} | {low} to {high} | {measured} | {error} |"
    yield ""
    yield "| the model's input, one at a time | measured |"
    yield "| --- | --- |"
    yield from (f"| {name} | {value} |" for name, value in inputs)


def _number(value: float, unit: str) -> str:
    return f"{value:,.0f}" if unit == "ms" else f"{value:,.2f}" if unit == "s" else f"{value:,.1f}"


def _options(words: Sequence[str] | None) -> argparse.Namespace:
    options = argparse.ArgumentParser(
        prog="python -m tools.simulation_validation", description=__doc__
    )
    options.add_argument(
        "--home",
        type=Path,
        help="a running platform (zebros up --empty --reports worker); by default a new one",
    )
    options.add_argument("--seed", type=int, default=1)
    options.add_argument(
        "--seconds", type=float, default=20, help="of each of the five loads, 5 to 30 (default: 20)"
    )
    options.add_argument(
        "--print", action="store_true", help="print the section, and write nothing"
    )
    given = options.parse_args(words)
    if not 5 <= given.seconds <= 30:
        options.error(
            "--seconds must be from 5 to 30, so that all of it takes less than 5 minutes."
        )
    return given


if __name__ == "__main__":
    sys.exit(main())
