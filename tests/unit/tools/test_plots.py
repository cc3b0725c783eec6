"""The plots of the documents: the same bytes for the same figures, small, with text as text."""

import re
from dataclasses import replace
from itertools import batched

import pytest

from scaling.model.policy_file import policy_of
from tools.growing.simulated import Simulated, simulated
from tools.plots import controller, day, drawing, users
from tools.plots.__main__ import FOLDER
from tools.scaling_day.quarters import known
from tools.scaling_loop.loads import DAY
from tools.scaling_loop.plant import CONCURRENCY, TASKS

NAMES = sorted([*(f"controller-{name}" for name in controller.SHAPES), "day", "users"])
FILES = {name: (FOLDER / f"{name}.svg").read_text(encoding="utf-8") for name in NAMES}
DOCUMENTS = "".join(path.read_text(encoding="utf-8") for path in sorted(FOLDER.parent.glob("*.md")))
SHORT = replace(controller.SHAPES["step"], days=3)


def test_the_folder_has_the_plots_and_nothing_else() -> None:
    assert sorted(path.stem for path in FOLDER.iterdir()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_plot_is_small_readable_and_shown_in_a_document(name: str) -> None:
    text = FILES[name]
    assert len(text) < 60_000
    assert "<text" in text
    assert "<title>" in text
    assert "<dc:date>" not in text
    assert not re.search(r"\d\.\d{3}", text), "more than two decimals"
    assert f"(plots/{name}.svg)" in DOCUMENTS


def test_plots_are_up_to_date() -> None:
    name = "spike"
    assert controller.draw(controller.SHAPES[name]) == FILES[f"controller-{name}"], "make contracts"
    assert users.draw(simulated()) == FILES["users"], "make contracts"
    assert day.draw(known()) == FILES["day"], "make contracts"


def test_the_same_figures_give_the_same_bytes_whatever_the_machine_s_style() -> None:
    first = controller.draw(SHORT)
    with drawing.mpl.rc_context({"svg.hashsalt": None, "font.size": 20, "axes.labelsize": 20}):
        assert controller.draw(SHORT) == first
    other = replace(SHORT, noise=SHORT.noise * 2)
    assert controller.draw(other) != first


def test_a_plot_shows_load_reading_and_setting_with_threshold_and_limits() -> None:
    text = controller.draw(SHORT)
    for shown in (
        *("users at work", "concurrency in use, %", "threshold 80", "clear 60", "reading"),
        *("setting", "ceiling 40", "deployed 20", "ceiling 20", "deployed 10", "threshold 100"),
    ):
        assert f">{shown}</text>" in text, shown


def test_what_the_plots_show_is_what_the_controller_does() -> None:
    policy = policy_of(controller.PHASE, controller.BUDGET)
    course = controller.course_of(controller.SHAPES["step"], policy)
    for target, before, during in ((CONCURRENCY, 20, 30), (TASKS, 10, 20)):
        by_day = [some[-1] for some in batched(course.of(target), int(DAY / 5), strict=False)]
        assert by_day[0] == before
        assert by_day[4] == during
        assert by_day[-1] == before, "after quiet weeks it is as deployed"


def test_a_reading_is_drawn_as_the_controller_has_seen_it() -> None:
    policy = policy_of(controller.PHASE, controller.BUDGET)
    course = controller.course_of(replace(SHORT, noise=0.5, days=1), policy)
    key = ("concurrency_in_use", CONCURRENCY.resource)
    seen, real = ([one[key] for one in some] for some in (course.seen, course.readings))
    assert seen != real
    assert len(set(real[:200])) < len(set(seen[:200]))


def test_a_number_of_users_that_a_phase_does_not_carry_is_marked() -> None:
    known = simulated()
    markers = len(re.findall(r"<use ", users.draw(known)))
    rows = {key: replace(one, carries=True) for key, one in known.rows.items()}
    missing = sum(not one.carries for one in known.rows.values())
    assert missing > 0
    assert (
        markers - len(re.findall(r"<use ", users.draw(Simulated(rows, known.headroom)))) == missing
    )
