"""docs/simulation.md has what the simulation gives."""

import pytest

from tools.simulation_page import PAGE, row, simulated
from zebros.costs import Prices
from zebros.costs.prices import FILE as PRICES
from zebros.simulation.study import TIERS, Study
from zebros.simulation.work import load_work

TEXT = PAGE.read_text(encoding="utf-8")
ROOT = PAGE.parents[1] / "template.yaml"


@pytest.mark.parametrize(("phase", "users"), [("startup", 25), ("growth", 100)])
def test_a_row_of_the_page_is_what_the_simulation_gives(phase: str, users: int) -> None:
    study = Study(ROOT, phase, load_work())
    cost = f"{study.cost_per_user(users, Prices.load(PRICES)):,.2f}"
    assert row(phase, users, simulated(study, users), cost) in TEXT, "run `make simulation`"


def test_every_phase_carries_its_tier_by_the_page() -> None:
    lines = [line for line in TEXT.splitlines() if line.startswith("| ")]
    for phase, users in TIERS.items():
        (found,) = [
            line
            for line in lines
            if line.startswith(f"| {phase} | {users:,} | ") and " / " not in line
        ]
        carried = int(found.split("|")[3].strip().replace(",", ""))
        assert carried >= users
