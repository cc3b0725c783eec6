"""A simulated day without and with the controller, from docs/simulation-day.csv."""

from collections.abc import Mapping, Sequence
from math import nan

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tools.plots.drawing import BLUE, GREY, RED, styled, svg
from tools.scaling_day.quarters import Quarter

SHOWN = (
    ("requests_a_second", "requests a second"),
    ("failed_percent", "requests that fail, %"),
    ("p95_ms", "latency p95, ms"),
    ("reports_waiting", "reports that wait"),
)
LIMIT_MS = 200
_STYLES = ((GREY, "--"), (BLUE, "-"))


def draw(days: Mapping[str, Sequence[Quarter]]) -> str:
    """The plot as SVG."""
    with styled():
        figure = Figure(figsize=(8, 4.5), layout="constrained")
        places = figure.subplots(2, 2, sharex=True)
        for axes, (name, label) in zip(places.flat, SHOWN, strict=True):
            for (title, quarters), (colour, line) in zip(days.items(), _STYLES, strict=True):
                _course(axes, quarters, name, colour=colour, line=line, title=title)
            axes.set_ylabel(label)
            axes.set_ylim(bottom=0)
        places[1, 0].axhline(LIMIT_MS, color=RED, linestyle=":", label="limit of p95")
        places[1, 0].legend(loc="lower right")
        places[1, 0].set_ylim(0, 1.2 * LIMIT_MS)
        places[0, 0].legend(loc="upper right", title="the controller")
        for axes in places[1]:
            axes.set_xticks(range(0, 25, 4), [f"{hour}:00" for hour in range(0, 25, 4)])
            axes.set_xlabel("time of day (marks: a change)")
        return svg(figure, "A day without and with the controller: load, failures, latency, queue")


def _course(
    axes: Axes, quarters: Sequence[Quarter], name: str, *, colour: str, line: str, title: str
) -> None:
    hours = [one.minute / 60 for one in quarters]
    values = [_value(one, name) for one in quarters]
    axes.plot(hours, values, line, color=colour, label="" if name == "p95_ms" else title)
    changed = [place for place, one in enumerate(quarters) if one.changes]
    axes.plot(
        [hours[place] for place in changed], [values[place] for place in changed], "|",
        color=colour, markersize=7,
    )  # fmt: skip


def _value(one: Quarter, name: str) -> float:
    """A latency exists only where there are requests."""
    return nan if name == "p95_ms" and not one.requests_a_second else float(getattr(one, name))
