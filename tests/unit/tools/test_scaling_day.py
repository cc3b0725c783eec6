"""The controller in the discrete-event simulation: what it changes takes effect, and only then."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from scaling.events import Reason, Setting
from scaling.model import decision
from scaling.model.policy_file import policy_of
from scaling.model.readings import ActionState, Target
from scaling.service.controller import Mode
from tools.scaling_day.day import ControlledDay, Day
from tools.scaling_day.metrics import Alarm, alarms_of
from zebros.simulation.hours import Hours, load_hours
from zebros.simulation.measurements import GATEWAY, Metric
from zebros.simulation.parts import Function
from zebros.simulation.sizes import Sizes
from zebros.simulation.study import Study
from zebros.simulation.work import load_work

ROOT = Path(__file__).resolve().parents[3] / "template.yaml"
HOURS = load_hours()
LATE = Hours((*HOURS.local[9:], *HOURS.local[:9]), HOURS.zones)
"""A day that begins with the busiest hour."""
ONE_EXECUTION = Target(Setting.CONCURRENCY, "CustomersApi")


@cache
def study(phase: str, **work: float) -> Study:
    return Study(ROOT, phase, {**load_work(), **work})


def slow(sizes: Sizes, **fields: Any) -> Sizes:
    """A function with little memory, so that few requests suffice."""
    changed = replace(sizes.functions["CustomersApi"], **{"memory": 96, **fields})
    return replace(sizes, functions={**sizes.functions, "CustomersApi": changed})


def day(
    targets: str,
    sizes: Callable[[Sizes], Sizes] = lambda sizes: sizes,
    *,
    users: int = 200,
    mode: Mode = Mode.APPLY,
    phase: str = "mvp",
    budget: float = 100_000,
    hours: float = 1.25,
    **work: float,
) -> Day:
    made = study(phase, **work)
    simulation = made.day(users, LATE, sizes(made.sizes))
    policy = policy_of(phase, budget)
    return ControlledDay(made, simulation, mode=mode, policy=policy, targets=targets).run(hours)


@cache
def one_execution(**fields: Any) -> Day:
    """A function with one concurrent execution, which is too few."""
    targets = "CustomersApi CustomersApi memory=96 concurrency=1 executions=1;"
    return day(targets, lambda sizes: slow(sizes, concurrency=1), **fields)


def failed(found: Day) -> float:
    """The share of requests that failed from the 40th minute on."""
    refused, all_ = (
        sum(found.measurements.values(Metric(name, GATEWAY), 40, found.measurements.minutes))
        for name in ("Failed", "Count")
    )
    return refused / all_


def p95(found: Day) -> float:
    """The latency from the 40th minute on."""
    minutes = found.measurements.minutes
    latency = found.measurements.statistic(Metric("Latency", GATEWAY), "p95", 40, minutes)
    assert latency is not None
    return latency


def changes(found: Day) -> list[tuple[Setting | None, int | None, int | None]]:
    return [
        (one.setting, one.before, one.after)
        for one in found.actions
        if one.status is not ActionState.REFUSED
    ]


def refusals(found: Day) -> set[Reason | None]:
    return {one.reason for one in found.actions if one.status is ActionState.REFUSED}


# --- a change takes effect ---


def is_better(applying: Day) -> bool:
    """Whether fewer requests fail than with a controller that only proposes."""
    return failed(applying) < 0.3 * failed(one_execution(mode=Mode.PROPOSE))


def test_more_concurrency_lets_fewer_requests_fail() -> None:
    assert failed(one_execution(mode=Mode.PROPOSE)) > 0.03
    applying = one_execution()
    assert is_better(applying)
    assert changes(applying) == [(Setting.CONCURRENCY, 1, 2)]
    assert applying.settings == {ONE_EXECUTION: (1, 2)}
    assert applying.worst_month == pytest.approx(96 / 1024 * 1.66667e-5 * 730 * 3600, rel=0.01)


def test_who_only_proposes_changes_nothing() -> None:
    found = one_execution(mode=Mode.PROPOSE)
    assert {one.status for one in found.actions} == {ActionState.PROPOSED}
    assert set(changes(found)) == {(Setting.CONCURRENCY, 1, 2)}
    assert (found.settings, found.worst_month) == ({}, 0)


def test_a_change_without_effect_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Function, "resize", lambda self, **sizes: None)
    assert not is_better(one_execution.__wrapped__())


def test_a_change_of_the_wrong_sign_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    original = decision.is_high

    def inverted(*given: Any) -> bool | None:
        found = original(*given)
        return None if found is None else not found

    monkeypatch.setattr(decision, "is_high", inverted)
    assert not is_better(one_execution.__wrapped__())


def test_without_need_nothing_is_changed() -> None:
    found = day("", users=20, hours=10, phase="growth")
    assert (found.actions, found.settings, found.worst_month) == ((), {}, 0)


def test_a_day_is_the_same_for_the_same_seed() -> None:
    first, second = one_execution(), one_execution.__wrapped__()
    assert first.result == second.result
    assert [one.since for one in first.actions] == [one.since for one in second.actions]
    assert first.paid == second.paid > 0


# --- when ---


def test_it_acts_after_two_periods_and_keeps_a_change_after_it_has_settled() -> None:
    (changed,) = [one for one in one_execution().actions if one.before]
    assert changed.created_at.strftime("%H:%M") == "00:10", "two periods of throttles"
    settle = policy_of("mvp", 0).limits[Setting.CONCURRENCY].settle
    assert changed.status is ActionState.KEPT
    assert changed.since >= changed.created_at + settle
    assert changed.since < changed.created_at + timedelta(minutes=30), "it looks again meanwhile"


def test_an_hourly_look_finds_what_has_no_alarm() -> None:
    targets = "CustomersApi CustomersApi memory=96 provisioned_concurrency=1 executions=60;"
    found = day(targets, lambda sizes: slow(sizes, ready=1, ready_most=1), users=70, phase="growth")
    (change,) = found.actions
    assert (change.rule, change.before, change.after) == ("spillover", 1, 2)
    assert change.created_at.strftime("%H:%M") == "01:00"
    assert found.settings == {Target(Setting.PROVISIONED, "CustomersApi"): (1, 2)}


# --- limits ---


def test_a_ceiling_holds_and_is_said() -> None:
    found = one_execution(users=1_000)
    ceiling = policy_of("mvp", 0).limits[Setting.CONCURRENCY].ceiling(1)
    assert found.settings == {ONE_EXECUTION: (1, ceiling)}
    assert failed(found) > 0.03
    assert refusals(found) == {Reason.CEILING}


def test_a_budget_holds_and_is_said() -> None:
    found = one_execution(budget=2)
    assert found.settings == {}
    assert refusals(found) == {Reason.BUDGET}


# --- the other settings ---


def test_more_tasks_make_the_queue_shorter() -> None:
    targets = (
        "StandardWorkerService Cluster/StandardWorkerService worker_tasks=1 cpu=256 ram=512"
        " queue=ReportTasksQueue;"
    )
    waiting = Metric("ApproximateNumberOfMessagesVisible", "ReportTasksQueue")
    proposing, applying = (
        day(targets, mode=mode, users=200, hours=4, large_reports=1.0, report_s=480)
        for mode in Mode
    )
    left, fewer = (one.measurements.values(waiting, 0, 240)[-1] for one in (proposing, applying))
    assert left > 10
    assert fewer < 0.4 * left
    assert changes(applying) == [(Setting.TASKS, 1, 2), (Setting.TASKS, 2, 3)]
    assert (proposing.result.workers, applying.result.workers) == (1, 3)


MEMORY = "CustomersApi CustomersApi memory={0} executions=15;"


def test_more_memory_makes_requests_faster() -> None:
    proposing, applying = (
        day(MEMORY.format(64), lambda sizes: slow(sizes, memory=64), mode=mode, users=100)
        for mode in Mode
    )
    assert p95(proposing) > 200
    assert p95(applying) < 0.8 * p95(proposing)
    assert changes(applying)[0] == (Setting.MEMORY, 64, 128)
    assert {one.status for one in applying.actions if one.before} == {ActionState.KEPT}


def test_memory_that_brings_nothing_is_taken_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Function, "slower", 30.0)
    found = day(MEMORY.format(256), users=100)
    (tried,) = [one for one in found.actions if one.before]
    assert tried.status is ActionState.ROLLED_BACK
    assert tried.brought_nothing
    assert found.settings == {}, "the simulated system has its memory again"


def test_a_larger_range_of_a_table_lets_fewer_requests_fail() -> None:
    def narrow(sizes: Sizes) -> Sizes:
        table = replace(sizes.tables["CustomersTable"], range=(2, 2))
        return replace(sizes, tables={**sizes.tables, "CustomersTable": table})

    targets = "CustomersTable zebros-customers table_capacity=2 indexes=2;"
    proposing, applying = (
        day(targets, narrow, mode=mode, users=1_000, phase="growth") for mode in Mode
    )
    assert failed(proposing) > 0.01
    assert failed(applying) < 0.3 * failed(proposing)
    assert applying.settings == {Target(Setting.CAPACITY, "CustomersTable"): (2, 5)}


def test_replicas_of_a_cache_are_changed_without_an_effect() -> None:
    targets = (
        "Authorizer Authorizer concurrency=60 executions=60;"
        " Cache Cache cache_replicas=1 shards=1 node=cache.t4g.small;"
    )
    found = day(targets, phase="growth", hours=0.5)
    assert found.settings == {Target(Setting.REPLICAS, "Cache"): (1, 2)}


# --- alarms ---


@pytest.mark.parametrize("phase", ["mvp", "growth"])
def test_the_alarms_of_the_templates_are_those_of_the_policy(phase: str) -> None:
    found = {one.name: one for one in alarms_of(study(phase).system)}
    latency = found["ApiLatency"]
    assert (latency.threshold, latency.period, latency.periods, latency.points) == (200, 300, 3, 3)
    assert len(found["ApiThrottles"].series) >= 5
    assert ("CustomersTableThrottles" in found) == (phase == "growth")
    assert {"ReportQueue", "WorkerCpu", "ConcurrentUsers", "FunctionMemory"} <= set(found)


class OnePeriodInTwo:
    """Metrics that are above every threshold in the first and the third five minutes."""

    def value(self, _series: Any, _period: int, first: int) -> float | None:
        return {0: 5.0, 5: 0.0, 10: 5.0}.get(first)


@pytest.mark.parametrize(("minute", "raised"), [(14, False), (15, True), (19, True), (20, False)])
def test_an_alarm_is_raised_by_enough_whole_periods(minute: int, raised: bool) -> None:
    metrics: Any = OnePeriodInTwo()
    series: Any = "throttles"
    alarm = Alarm("ApiThrottles", (series,), sum, period=300, periods=3, points=2, threshold=0)
    assert alarm.raised(metrics, minute) is raised
