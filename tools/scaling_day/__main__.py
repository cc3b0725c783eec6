"""`python -m tools.scaling_day`, a part of `make simulation`: simulates days without and with the
controller, and writes the section of docs/simulation.md about them, and the figures of its plot.
"""

import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from scaling.model.actions import ScalingAction
from scaling.model.policy_file import policy_of
from scaling.model.readings import ActionState, Target
from scaling.service.controller import Mode
from tools.drift import ROOT
from tools.scaling_day.day import ControlledDay, Day
from tools.scaling_day.quarters import FILE, Run, csv
from tools.sections import with_section
from zebros.simulation.hours import Zone, load_hours
from zebros.simulation.measurements import GATEWAY, QUEUE, Metric
from zebros.simulation.study import Study
from zebros.simulation.work import load_work

PAGE = ROOT / "docs" / "simulation.md"
USERS = 4_500
THREE = (Zone(-5, 0.4), Zone(0, 0.3), Zone(5.5, 0.3))
"""Such as New York, London and Mumbai in winter."""
RUNS = (
    Run("mvp", USERS, Mode.PROPOSE, 100),
    Run("mvp", USERS, Mode.APPLY, 100),
    Run("mvp", USERS, Mode.PROPOSE, 100, THREE),
)
"""Twice the users whom mvp carries."""
PLOTTED = RUNS[:2]


def simulated(run: Run, length: float = 24) -> Day:
    """The day of a run; always the same."""
    study = Study(ROOT / "template.yaml", run.phase, load_work())
    hours = load_hours()
    simulation = study.day(run.users, replace(hours, zones=run.zones or hours.zones))
    policy = policy_of(run.phase, run.budget)
    return ControlledDay(study, simulation, mode=run.mode, policy=policy).run(length)


def rows(days: Iterable[tuple[Run, Day]]) -> Iterator[str]:
    """A row for each run."""
    yield (
        "| phase | users | time zones | controller | requests that fail | in the busiest hour |"
        " p95, ms, in that hour | reports that wait, at most | at the end | changes |"
        " worst case, USD a month | used, USD |"
    )
    yield f"|{' --- |' * 12}"
    for run, day in days:
        yield row(run, day)


def row(run: Run, day: Day) -> str:
    """What happened in one run."""
    waiting = day.measurements.values(
        Metric("ApproximateNumberOfMessagesVisible", QUEUE), 0, day.measurements.minutes
    )
    latency = day.measurements.statistic(Metric("Latency", GATEWAY), "p95", *_busiest(day))
    return (
        f"| {run.phase} | {run.users:,} | {len(run.zones) or 1} | {run.title} |"
        f" {day.result.failed:.2%} | {_failed(day, *_busiest(day)):.2%} | {latency or 0:.0f} |"
        f" {max(waiting, default=0):.0f} | {waiting[-1] if waiting else 0:.0f} |"
        f" {len(list(changes(day)))} | {day.worst_month:,.0f} | {day.paid:,.2f} |"
    )


def changes(day: Day) -> Iterator[ScalingAction]:
    """The changes that were made."""
    made = (ActionState.APPLIED, ActionState.KEPT, ActionState.ROLLED_BACK)
    return (one for one in day.actions if one.status in made)


def made(days: Iterable[tuple[Run, Day]]) -> Iterator[str]:
    """Every change and, at the end of a run, what was refused."""
    yield "| phase | controller | at | setting | from | to | because | then |"
    yield f"|{' --- |' * 8}"
    for run, day in days:
        for one in changes(day):
            assert one.setting
            assert one.resource
            yield (
                f"| {run.phase} | {run.title} | {one.created_at:%H:%M} |"
                f" {Target(one.setting, one.resource)} | {one.before} | {one.after} | {one.rule} |"
                f" {one.status.replace('_', ' ')}: {one.because} |"
            )
        for one in day.actions:
            if one.status is ActionState.REFUSED:
                yield (
                    f"| {run.phase} | {run.title} | {one.created_at:%H:%M} | | | | {one.rule} |"
                    f" refused: {one.because} |"
                )


def _busiest(day: Day) -> tuple[int, int]:
    """The minutes of the hour with most requests."""
    hours = range(0, day.measurements.minutes, 60)
    first = max(hours, key=lambda at: _sum(day, "Count", at, at + 60))
    return first, first + 60


def _failed(day: Day, first: int, last: int) -> float:
    return _sum(day, "Failed", first, last) / max(1.0, _sum(day, "Count", first, last))


def _sum(day: Day, name: str, first: int, last: int) -> float:
    return sum(day.measurements.values(Metric(name, GATEWAY), first, last))


def write(days: Sequence[tuple[Run, Day]]) -> None:
    """The sections of the page, and the figures of the plot."""
    page = PAGE.read_text(encoding="utf-8")
    applied = [(run, day) for run, day in days if run.mode is Mode.APPLY]
    for name, lines in (("day", rows(days)), ("changes", made(applied))):
        page = with_section(page, name, lines)
    PAGE.write_text(page, encoding="utf-8")
    FILE.write_text(csv([one for one in days if one[0] in PLOTTED]), encoding="utf-8")


def main() -> None:
    """Simulate every run."""
    days = []
    for run in RUNS:
        began = time.process_time()
        days.append((run, simulated(run)))
        seconds = time.process_time() - began
        print(run.phase, run.users, run.title, f"{seconds:.0f} s", file=sys.stderr, flush=True)
    write(days)


if __name__ == "__main__":
    main()
