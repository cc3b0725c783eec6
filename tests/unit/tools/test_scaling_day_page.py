"""The section of docs/simulation.md about days with the controller, its figures and its plot."""

from dataclasses import replace
from functools import cache

import pytest

from scaling.events import Setting
from scaling.model.actions import ScalingAction
from scaling.model.decision import Change
from scaling.model.policy_file import policy_of
from scaling.model.readings import Target
from scaling.service.controller import Mode
from tools.plots import day as plot
from tools.scaling_day import __main__ as page
from tools.scaling_day.day import Day
from tools.scaling_day.metrics import START
from tools.scaling_day.quarters import Quarter, Run, csv, known, quarters
from tools.sections import cells, section

TEXT = page.PAGE.read_text(encoding="utf-8")
ROWS = [cells(one) for one in section(TEXT, "day")]
CHANGES = [cells(one) for one in section(TEXT, "changes")]
SMALL = Run("mvp", 40, Mode.APPLY, 100)


@cache
def small() -> Day:
    return page.simulated(SMALL, 10)


def column(name: str) -> list[str]:
    place = ROWS[0].index(name)
    return [row[place] for row in ROWS[2:]]


def number(cell: str) -> float:
    return float(cell.removesuffix("%").replace(",", ""))


def test_the_page_has_a_row_for_every_run() -> None:
    assert [row[:4] for row in ROWS[2:]] == [
        [run.phase, f"{run.users:,}", str(len(run.zones) or 1), run.title] for run in page.RUNS
    ]


def test_by_the_page_a_controller_that_may_act_makes_the_day_better() -> None:
    proposes, applies, spread = (
        tuple(map(number, row))
        for row in zip(
            column("requests that fail"), column("in the busiest hour"),
            column("reports that wait, at most"), strict=True,
        )
    )  # fmt: skip
    assert all(better < worse for better, worse in zip(applies, proposes, strict=True))
    assert spread[0] < proposes[0], "in three time zones fewer come at the same moment"
    assert column("changes")[0] == "0"


def test_by_the_page_limits_hold() -> None:
    for run, worst in zip(page.RUNS, column("worst case, USD a month"), strict=True):
        assert number(worst) <= run.budget
    made = [row for row in CHANGES[2:] if row[4]]
    policy = policy_of("mvp", 0)
    for row in made:
        deployed = min(int(one[4]) for one in made if one[3] == row[3])
        setting = next(one for one in policy.limits if row[3].startswith(one.replace("_", " ")))
        assert deployed < int(row[5]) <= policy.limits[setting].ceiling(deployed)


def test_every_change_of_the_page_was_counted() -> None:
    for run, count in zip(page.RUNS, column("changes"), strict=True):
        if run.mode is Mode.APPLY:
            assert sum(row[1] == run.title and bool(row[4]) for row in CHANGES) == int(count)


def test_a_row_says_what_happened() -> None:
    row = dict(zip(ROWS[0], cells(page.row(SMALL, small())), strict=True))
    assert (row["phase"], row["users"], row["time zones"]) == ("mvp", "40", "1")
    assert row["requests that fail"] == "0.00%"
    assert row["changes"] == str(len(list(page.changes(small()))))
    assert 100 < number(row["p95, ms, in that hour"]) < 200


def test_what_is_only_proposed_is_no_change() -> None:
    target = Target(Setting.MEMORY, "CustomersApi")
    change = Change(target, "api_latency", 256, 384, 250.0, 1.0, "it is slow")
    proposed = ScalingAction.propose("operator", change, 256, START).state
    day = replace(small(), actions=(proposed,))
    assert list(page.changes(day)) == []
    assert len(list(page.made([(SMALL, day)]))) == 2, "the head of the table"


def test_the_figures_of_the_plot_are_those_of_the_day() -> None:
    found = list(quarters(SMALL, small()))
    assert len(found) == 40
    requests = sum(one.requests_a_second * 900 for one in found)
    assert requests == pytest.approx(small().result.requests, rel=0.1)
    assert found[0] == Quarter("applies budget 100", 0, 0, 0, 0, 0, 0)
    assert sum(one.changes for one in found) == len(list(page.changes(small())))
    assert csv([(SMALL, small())]).splitlines()[-1] == ",".join(map(str, found[-1]))


def test_the_file_has_a_day_of_every_plotted_run() -> None:
    assert {title: len(of) for title, of in known().items()} == {
        run.title.replace(",", ""): 96 for run in page.PLOTTED
    }


def test_a_change_and_a_missing_latency_are_seen_in_the_plot() -> None:
    days = {title: list(of) for title, of in known().items()}
    drawn = plot.draw(days)
    assert all(f">{label}</text>" in drawn for _, label in plot.SHOWN)
    without = {title: [replace_changes(one) for one in of] for title, of in days.items()}
    assert plot.draw(without) != drawn
    assert "nan" not in drawn.lower()


def replace_changes(one: Quarter) -> Quarter:
    return one._replace(changes=0)
