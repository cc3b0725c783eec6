"""Every number of the simulation says where it comes from, and it stands there."""

from pathlib import Path
from typing import Any

import pytest

from tools import simulation_inputs
from tools.drift import ROOT
from tools.sections import section
from zebros.costs.usage import Usage

VALUES = simulation_inputs.values()
BUDGETS = (ROOT / "docs" / "budgets.md").read_text(encoding="utf-8")
INSTRUCTIONS_A_SECOND = 1_921e6 / 0.770
"""The start of a function: counted instructions, and the time that it takes of a processor."""


@pytest.mark.parametrize("name", VALUES)
def test_a_number_is_measured_or_says_that_it_is_not(name: str) -> None:
    one = VALUES[name]
    if one["source"] in ("AWS", "assumed"):
        assert "quote" not in one
    else:
        assert one["quote"] in Path(ROOT / one["source"]).read_text(encoding="utf-8")


def test_the_page_has_every_number_with_its_source() -> None:
    page = (ROOT / "docs" / "simulation.md").read_text(encoding="utf-8")
    lines = section(page, simulation_inputs.SECTION)
    assert lines == list(simulation_inputs.rows()), "run `make contracts`"
    assert len(lines) == len(VALUES) + 2
    sources = [line.split(" | ")[2] for line in lines[2:]]
    assumed = [place for place, one in enumerate(sources) if one == "**assumed**"]
    assert assumed == list(range(len(sources) - len(assumed), len(sources))), "they are the last"


def test_a_cold_start_is_the_counted_instructions_and_the_sandbox() -> None:
    assert f"{1_921.2:,} M" in BUDGETS
    start = float(VALUES["start_ms"]["value"])
    assert start == pytest.approx(1_921e6 / INSTRUCTIONS_A_SECOND * 1000 + 150, abs=1)


def instructions(row: str) -> float:
    """The thousands of instructions of a warm request, from the column `now`."""
    rows = [one for one in BUDGETS.splitlines() if one.startswith(f"| {row} | ")]
    (line,) = [one for one in rows if one.count(" k | ") == 3]
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    return float(cells[3].removesuffix(" k").replace(",", ""))


def test_processor_times_of_the_apis_are_those_of_the_budgets() -> None:
    """Reads are half of one record and half of a list of 50."""
    usage: Any = Usage.load("mvp")
    writes = float(usage["write_share"])
    reads = (instructions("GET one") + instructions("LIST 50")) / 2
    mean = ((1 - writes) * reads + writes * instructions("POST")) * 1000
    for api in ("CustomersApi", "OpportunitiesApi", "ActivitiesApi"):
        cpu_ms = float(usage.rule("functions", api).numbers["cpu_ms"])
        assert cpu_ms == pytest.approx(mean / INSTRUCTIONS_A_SECOND * 1000, rel=0.2)


def test_units_of_tables_are_those_of_the_budgets() -> None:
    usage: Any = Usage.load("mvp")
    writes = f"{usage['write_units']} write units and {usage['index_write_units']} for each index"
    assert writes in BUDGETS
    assert "| GET | 1 | 0.5 read units |" in BUDGETS
    assert "| 2 read units (typical opportunities" in BUDGETS
    assert 0.5 <= usage["read_units"] <= 2
