"""The validation of the simulation: its load, its predictions, and what it writes.

tests/flows/test_simulation_validation.py runs it on a platform.
"""

from dataclasses import replace
from itertools import pairwise
from math import factorial
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from tools.sections import section
from tools.simulation_validation import __main__ as command
from tools.simulation_validation import prediction
from tools.simulation_validation.experiments import BUSY, OFFERED, Row, TimeLimit
from tools.simulation_validation.inputs import Inputs, check
from tools.simulation_validation.prediction import Range
from tools.simulation_validation.traffic import MIX, WRITE_SHARE, Sample, every_kind, requests
from zebros.errors import NotReady

INPUTS = Inputs(
    read_ms=dict.fromkeys(MIX, 200.0),
    write_ms=dict.fromkeys(MIX, 200.0),
    gateway_ms=10.0,
    authorizer_share=0.0,
    authorizer_ms=1.0,
    spread=0.1,
    relay_ms=20.0,
    consumer_ms=100.0,
    consumer_shares={"OpportunitiesEvents": 0.5, "ActivitiesEvents": 1.0},
    bus_ms=50.0,
    events_per_write=1.0,
)


@pytest.fixture(autouse=True)
def few_seeds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prediction, "SEEDS", 5)


def test_a_load_has_its_rate_mix_and_writes_and_is_the_same_for_a_seed() -> None:
    load = requests(10, 1_000, seed=3)
    assert load == requests(10, 1_000, seed=3)
    assert load != requests(10, 1_000, seed=4)
    assert len(load) == pytest.approx(10_000, rel=0.03)
    assert sum(one.writes for one in load) / len(load) == pytest.approx(WRITE_SHARE, abs=0.02)
    for api, share in MIX.items():
        assert sum(one.api == api for one in load) / len(load) == pytest.approx(share, abs=0.02)
    assert all(0 <= one.at < 1_000 for one in load)
    gaps = [after.at - before.at for before, after in pairwise(load)]
    assert min(gaps) >= 0
    assert sum(one > 0.1 for one in gaps) / len(gaps) == pytest.approx(0.37, abs=0.02)


def test_one_by_one_every_api_is_read_and_written() -> None:
    load = every_kind(60)
    assert len(load) == 60
    for api, share in MIX.items():
        assert sum(one.api == api and not one.writes for one in load) == 10
        assert sum(one.api == api and one.writes for one in load) == 30 * share


def erlang_b(servers: int, load: float) -> float:
    terms = [load**n / factorial(n) for n in range(servers + 1)]
    return terms[-1] / sum(terms)


def test_the_model_refuses_what_erlang_s_formula_says_for_the_load() -> None:
    rate = 10.0
    found = prediction.simulations(INPUTS, rate, 120, executions=2)
    expected = sum(share * erlang_b(2, rate * share * 0.2) for share in MIX.values())
    assert fmean(one.failed for one in found) == pytest.approx(expected, rel=0.1)
    assert all(set(one.refused) == {"concurrency of a function"} for one in found)
    assert fmean(one.requests / one.seconds for one in found) == pytest.approx(rate, rel=0.05)
    assert {one.requests for one in found} != {found[0].requests}, "seeds differ"


def test_requests_of_the_model_take_the_measured_times() -> None:
    slow = replace(INPUTS, write_ms=dict.fromkeys(MIX, 600.0))
    assert prediction.mean_ms(slow, "CustomersApi") == pytest.approx(0.7 * 200 + 0.3 * 600)
    before, after = (
        prediction.over(
            prediction.simulations(one, 3, 60, executions=50), lambda found: found.latency_ms[1]
        ).middle
        for one in (INPUTS, slow)
    )
    assert before == pytest.approx(10 + 200 * 1.17, rel=0.1)
    assert after == pytest.approx(10 + 600 * 1.1, rel=0.1)


def test_cold_starts_and_the_processor_of_aws_are_not_in_the_prediction() -> None:
    found = prediction.simulations(INPUTS, 3, 60, executions=50)
    assert all(one.cold_starts == 0 for one in found)
    assert prediction.over(found, lambda one: one.latency_ms[0]).middle < 230


def test_events_are_as_late_as_their_ways_together() -> None:
    found = prediction.over(
        prediction.simulations(INPUTS, 3, 60, executions=50), lambda one: one.event_lag_s[0]
    )
    assert found.middle == pytest.approx((15 + 20 + 50 + 100) / 1000, rel=0.15)


def test_reports_that_arrive_together_wait_for_each_other() -> None:
    for waits in prediction.waits([0.0] * 4, mean_s=2, spread=0.01):
        assert waits == pytest.approx([0, 2, 4, 6], abs=0.2)
    (first, *_) = prediction.waits([0.0, 1.0, 10.0], mean_s=2, spread=0.01)
    assert first == pytest.approx([0, 1, 0], abs=0.1)


def a_row(measured: float, unit: str = "ms", low: float = 90, high: float = 130) -> Row:
    return Row("3.0 requests a second", "latency p50", unit, Range(100, low, high), measured)


def test_the_error_is_relative_and_for_shares_in_points() -> None:
    assert a_row(125).error == pytest.approx(-0.2)
    assert a_row(80).error == pytest.approx(0.25)
    assert a_row(95, "%").error == pytest.approx(0.05)
    assert (a_row(90).within, a_row(130).within) == (True, True)
    assert (a_row(89).within, a_row(131).within) == (False, False)


def test_a_range_is_where_nine_of_ten_seeds_are() -> None:
    found = Range.of([float(one) for one in range(101)])
    assert found == Range(50, 5, 95)


def test_the_section_says_the_error_and_marks_what_is_outside() -> None:
    rows = [a_row(50), a_row(95), a_row(99), a_row(97, "%")]
    text = "\n".join(command.section([("gateway, ms", "10.00")], rows, seed=7, processor=93))
    assert "seed 7" in text
    assert "93% busy before" in text
    assert "at most 3.0 points for the share of refused requests" in text
    assert "half of the other figures are within 5%" in text
    assert "the worst is latency p50 at 3.0 requests a second (+100%)" in text
    assert "3 of 4 figures" in text
    assert text.count("(outside)") == 1
    assert (
        "| 3.0 requests a second | latency p50, ms | 100 | 90 to 130 | 50 (outside) | +100% |"
        in text
    )
    assert "| gateway, ms | 10.00 |" in text


def test_the_page_has_a_row_for_each_load_and_figure() -> None:
    lines = section(command.PAGE.read_text(encoding="utf-8"), command.SECTION)
    figures = [line.split(" | ")[1] for line in lines if "to" in line and line.startswith("| ")]
    assert sum(one.startswith("refused") for one in figures) == len(OFFERED)
    assert sum(one.startswith("latency p95") for one in figures) == len(OFFERED)
    assert sum(one.startswith("event applied") for one in figures) == 2 * len(OFFERED)
    assert sum(one.startswith("wait, ") for one in figures) == 2 * (len(BUSY) + 1)
    assert any(line.startswith("**The error**: ") for line in lines)


def test_a_run_with_faults_is_not_a_measurement() -> None:
    one = requests(1, 10, 1)[0]
    samples = [Sample(one, 200, 0.1)] * 90 + [Sample(one, 429, 0.1)] * 10
    check(samples)
    with pytest.raises(NotReady, match=r"2 of 102 requests failed with \[500\]"):
        check([*samples, *[Sample(one, 500, 0.1)] * 2])


def test_a_run_that_takes_too_long_ends_with_a_sentence(capsys: Any) -> None:
    TimeLimit(60).next("reports")
    assert capsys.readouterr().err == "reports\n"
    with pytest.raises(NotReady, match="0 s are over before: events"):
        TimeLimit(0).next("events")


@pytest.mark.parametrize("seconds", ["4", "31", "many"])
def test_loads_of_another_length_are_refused(
    seconds: str, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(command, "running")  # nothing is started, whatever happens
    with pytest.raises(SystemExit):
        command.main(["--seconds", seconds])
    assert "--seconds" in capsys.readouterr().err


def test_a_folder_where_nothing_runs_is_named(tmp_path: Path, capsys: Any) -> None:
    before = command.PAGE.read_text(encoding="utf-8")
    assert command.main(["--home", str(tmp_path)]) == 1
    assert f"No CRM runs in {tmp_path}" in capsys.readouterr().err
    assert command.PAGE.read_text(encoding="utf-8") == before
