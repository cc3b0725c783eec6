"""How all plots look, and how they become the same bytes every time."""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

BLUE, ORANGE, GREEN, RED, GREY = "#0072b2", "#d55e00", "#009e73", "#cc3311", "#777777"
"""Colours that colour-blind people can distinguish."""
STYLE: dict[str, Any] = {
    # Ids in the file are hashes with this salt, instead of random numbers.
    "svg.hashsalt": "zebros",
    # Text stays text: it is searchable, and the file small.
    "svg.fonttype": "none",
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e5e5e5",
    "lines.linewidth": 1.2,
    "legend.frameon": False,
    "legend.fontsize": 7,
    "figure.facecolor": "white",
    "path.simplify": True,
}
_FRACTION = re.compile(r"(\d+\.\d{2})\d+")


@contextmanager
def styled() -> Iterator[None]:
    """Draw with STYLE, whatever the machine's own settings are."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE)  # type: ignore[arg-type]  # names as literals
        yield


def svg(figure: Figure, description: str) -> str:
    """The figure as SVG, with a description for screen readers, and without a date.

    Coordinates have two decimals, because the last digits of a float differ between processors.
    """
    target = io.StringIO()
    figure.savefig(target, format="svg", metadata={"Date": None, "Title": description})
    text = _FRACTION.sub(r"\1", target.getvalue())
    return "".join(f"{line.rstrip()}\n" for line in text.splitlines())
