"""The seconds of a report by the tier on which it was made, as the state machine names it."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.component.reporting.conftest import into_lake, opportunity
from tests.component.reporting.running import Running
from tests.component.reporting.test_function_reports import end, small, too_complex
from tests.component.test_metrics import Log, log

__all__ = ["log", "small", "too_complex"]

Ask = Callable[..., dict[str, Any]]


def measured(log: Log) -> list[tuple[str, str]]:
    lines = log.metrics("TaskSeconds")
    assert all(0 <= line["TaskSeconds"] < 60 for line in lines)
    return [(line["Job"], line["Tier"]) for line in lines]


@pytest.mark.usefixtures("small")
def test_a_small_report_is_measured_as_one_of_the_function(
    ask: Ask, running: Running, log: Log
) -> None:
    into_lake(opportunity("won"))
    assert end(running, ask()) == "SUCCEEDED"
    assert measured(log) == [("report", "function")]
    stored = [line for line in log.metrics("StoredBytes") if line["Storage"] == "files"]
    assert len(stored) == 1


def test_a_larger_report_is_measured_as_one_of_a_worker(
    ask: Ask, running: Running, log: Log
) -> None:
    into_lake(*(opportunity("won") for _ in range(3)))
    run = ask()
    running.relay()
    with running.worker():
        assert running.machine.end(run["id"]) == "SUCCEEDED"
    assert measured(log) == [("report", "standard")]


@pytest.mark.usefixtures("small")
def test_a_report_that_moved_is_measured_where_it_was_completed(
    ask: Ask, running: Running, log: Log, too_complex: list[str]
) -> None:
    into_lake(opportunity("won"))
    run = ask()
    running.relay()
    with running.worker():
        assert running.machine.end(run["id"]) == "SUCCEEDED"
    assert len(too_complex) == 2
    assert measured(log) == [("report", "standard")]
