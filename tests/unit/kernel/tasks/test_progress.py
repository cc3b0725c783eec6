"""Progress: parts of the work, and interruption."""

import pytest

from kernel.tasks.job import Interruption, JobControl
from kernel.tasks.progress import Interrupted, NoProgress, PartialProgress


def test_a_part_of_the_work_counts_within_the_whole() -> None:
    control = JobControl()
    part = PartialProgress(control, 0.4, 0.8)
    for fraction, expected in ((0.0, 0.4), (0.5, 0.6), (1.0, 0.8), (7.0, 0.8), (-1.0, 0.4)):
        part.step(fraction, "Reading")
        assert control.take_progress() == (pytest.approx(expected), "Reading")


def test_parts_may_have_parts() -> None:
    control = JobControl()
    PartialProgress(PartialProgress(control, 0.0, 0.5), 0.5, 1.0).step(1.0, "Half")
    assert control.take_progress() == (0.5, "Half")


def test_the_latest_step_is_returned_once() -> None:
    control = JobControl()
    control.step(0.1, "a")
    control.step(0.2, "b")
    assert control.take_progress() == (0.2, "b")
    assert control.take_progress() is None


@pytest.mark.parametrize("reason", Interruption)
def test_work_stops_at_its_next_step_wherever_it_is(reason: Interruption) -> None:
    control = JobControl()
    part = PartialProgress(PartialProgress(control, 0.0, 0.5), 0.0, 0.5)
    part.step(0.1, "Reading")
    control.interrupt(reason)
    with pytest.raises(Interrupted, match=reason):
        part.step(0.2, "Reading")
    assert control.take_progress() == (pytest.approx(0.025), "Reading"), "the last step before"


def test_progress_that_nobody_follows_does_nothing() -> None:
    NoProgress().step(0.5, "Reading")
