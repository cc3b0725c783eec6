"""Latency and cost over the number of users, for the four phases, from docs/simulation.md."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from tools.growing.simulated import Row, Simulated
from tools.plots.drawing import BLUE, GREEN, ORANGE, RED, styled, svg
from zebros.phases import PHASES

LIMIT_MS = 200
"""The strategy's: p95 above it is a trigger."""
_UNLABELLED = (250,)
"""Where a small axis has no room for a number."""
_PERCENTILES = (("p50", GREEN, "-"), ("p95", BLUE, "-"), ("p99", ORANGE, "-"))
_COLOURS = dict(zip(PHASES, (GREEN, BLUE, ORANGE, "#cc79a7"), strict=True))


def draw(known: Simulated) -> str:
    """The plot as SVG."""
    with styled():
        figure = Figure(figsize=(8, 5), layout="constrained")
        grid = figure.add_gridspec(2, len(PHASES))
        first: Axes | None = None
        for place, phase in enumerate(PHASES):
            axes = figure.add_subplot(grid[0, place], sharey=first)
            _latency(axes, [known.rows[phase, users] for users in known.users], phase)
            if first is None:
                first = axes
                axes.set_ylabel("latency, ms")
                axes.legend(loc="lower left", ncols=2)
            else:
                axes.tick_params(labelleft=False)
        _cost(figure.add_subplot(grid[1, :]), known)
        return svg(figure, "Latency by phase, and cost for each user, over the number of users")


def _latency(axes: Axes, rows: list[Row], phase: str) -> None:
    users = [one.users for one in rows]
    for place, (name, colour, line) in enumerate(_PERCENTILES):
        axes.plot(users, [one.latency_ms[place] for one in rows], line, color=colour, label=name)
    axes.axhline(LIMIT_MS, color=RED, linestyle="--", label="limit of p95")
    for one in rows:
        if not one.carries:
            axes.plot(one.users, one.latency_ms[1], "x", color=RED, markersize=6)
    _by_users(axes, [one for one in users if one not in _UNLABELLED])
    axes.set_ylim(0, 240)
    axes.set_title(f"{phase} (x: does not carry)")


def _cost(axes: Axes, known: Simulated) -> None:
    for phase in PHASES:
        rows = [known.rows[phase, users] for users in known.users]
        costs = [float(one.cost) for one in rows]
        axes.plot([one.users for one in rows], costs, "o-", markersize=3,
                  color=_COLOURS[phase], label=phase)  # fmt: skip
    axes.set_yscale("log")
    axes.set_yticks([0.2, 0.5, 1, 2, 5, 10, 20, 50, 100])
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_ylabel("USD a month for each user")
    axes.legend(loc="upper right", ncols=2)
    _by_users(axes, list(known.users))
    axes.set_xlabel("users at work")


def _by_users(axes: Axes, users: list[int]) -> None:
    axes.set_xscale("log")
    axes.set_xticks(users, [f"{one:,}" if one < 1000 else f"{one // 1000}k" for one in users])
    axes.minorticks_off()
