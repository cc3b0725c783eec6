"""The figures of simulated days by quarters of an hour: docs/simulation-day.csv, for its plot."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from scaling.model.readings import ActionState
from scaling.service.controller import Mode
from tools.drift import ROOT
from tools.scaling_day.day import Day
from tools.scaling_day.metrics import START
from zebros.simulation.hours import Zone
from zebros.simulation.measurements import GATEWAY, MINUTE_S, QUEUE, Metric

FILE = ROOT / "docs" / "simulation-day.csv"
MINUTES = 15
_HEAD = "controller,minute,requests_a_second,failed_percent,p95_ms,reports_waiting,changes"
_MADE = (ActionState.APPLIED, ActionState.KEPT, ActionState.ROLLED_BACK)


class Run(NamedTuple):
    """One simulated day."""

    phase: str
    users: int
    mode: Mode
    budget: float
    """USD a month."""
    zones: tuple[Zone, ...] = ()
    """Where the users work; as in work.toml when it is empty."""

    @property
    def title(self) -> str:
        """What the controller does."""
        return "proposes" if self.mode is Mode.PROPOSE else f"applies, budget {self.budget:,.0f}"


class Quarter(NamedTuple):
    """A quarter of an hour of a run."""

    controller: str
    minute: int
    """Its first one."""
    requests_a_second: float
    failed_percent: float
    p95_ms: float
    reports_waiting: int
    """At its end."""
    changes: int


def quarters(run: Run, day: Day) -> Iterator[Quarter]:
    """The quarters of a run."""
    changed = [
        int((one.created_at - START).total_seconds() // MINUTE_S)
        for one in day.actions
        if one.status in _MADE
    ]
    for first in range(0, day.measurements.minutes, MINUTES):
        last = first + MINUTES
        requests, failed, waiting = (
            day.measurements.values(metric, first, last)
            for metric in (
                Metric("Count", GATEWAY),
                Metric("Failed", GATEWAY),
                Metric("ApproximateNumberOfMessagesVisible", QUEUE),
            )
        )
        latency = day.measurements.statistic(Metric("Latency", GATEWAY), "p95", first, last)
        yield Quarter(
            run.title.replace(",", ""),
            first,
            round(sum(requests) / MINUTES / MINUTE_S, 1),
            round(100 * sum(failed) / max(1, sum(requests)), 2),
            round(latency or 0),
            int(waiting[-1]) if waiting else 0,
            sum(first <= minute < last for minute in changed),
        )


def csv(days: Iterable[tuple[Run, Day]]) -> str:
    """The file."""
    lines = [",".join(map(str, one)) for run, day in days for one in quarters(run, day)]
    return "\n".join([_HEAD, *lines, ""])


def known() -> dict[str, list[Quarter]]:
    """The quarters in the file, by what the controller does."""
    found: dict[str, list[Quarter]] = {}
    for line in FILE.read_text(encoding="utf-8").splitlines()[1:]:
        title, minute, rate, failed, latency, waiting, changes = line.split(",")
        one = Quarter(
            title, int(minute), float(rate), float(failed), float(latency), int(waiting),
            int(changes),
        )  # fmt: skip
        found.setdefault(title, []).append(one)
    return found
