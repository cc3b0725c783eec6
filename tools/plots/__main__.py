"""Writes docs/plots: the controller under six loads and on a day; latency and cost over users."""

from pathlib import Path

from tools.drift import ROOT, main
from tools.growing.simulated import simulated
from tools.plots import controller, day, users
from tools.scaling_day.quarters import known

FOLDER = ROOT / "docs" / "plots"


def render() -> dict[Path, str]:
    """The files and their contents."""
    drawn = {f"controller-{name}": controller.draw(one) for name, one in controller.SHAPES.items()}
    drawn["users"] = users.draw(simulated())
    drawn["day"] = day.draw(known())
    return {FOLDER / f"{name}.svg": text for name, text in drawn.items()}


if __name__ == "__main__":
    main(render(), "make contracts")
