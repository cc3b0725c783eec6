"""The controller in a closed loop: properties over loads and noise, and mutants."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scaling.model import decision
from scaling.model.policy import Policy, Setting
from scaling.model.policy_file import policy_of
from scaling.model.readings import Current
from tests.unit.scaling import courses
from tests.unit.scaling.courses import Deployed
from tests.unit.scaling.situations import limited
from tools.scaling_loop import loads
from tools.scaling_loop.closed_loop import ClosedLoop, Course
from tools.scaling_loop.loads import DAY, Load
from tools.scaling_loop.plant import (
    CAPACITY,
    CONCURRENCY,
    MEMORY,
    PROVISIONED,
    REPLICAS,
    TASKS,
    Demand,
    Plant,
)
from zebros.phases import PHASES
from zebros.simulation.parts import FULL_PROCESSOR_MB

DEPLOYED: Deployed = {
    MEMORY: Current(256, 256, 0.01),
    CONCURRENCY: Current(20, 20),
    PROVISIONED: Current(10, 10, 5.0),
    TASKS: Current(10, 10, 20.0),
    CAPACITY: Current(100, 100, 0.5),
    REPLICAS: Current(1, 1, 20.0),
}
ALWAYS = (courses.outside, courses.too_early, courses.too_expensive)
STEADY = (*ALWAYS, courses.reversals, courses.unsettled, courses.too_small)
people = st.floats(0, 400)
SHAPES: dict[str, Callable[[float, float], Load]] = {
    "step": lambda low, high: loads.step(low, high, 2 * DAY),
    "ramp": lambda low, high: loads.ramp(low, high, DAY, 8 * DAY),
    "spike": lambda low, high: loads.spike(low, high, 2 * DAY, 45),
    "sawtooth": lambda low, high: loads.sawtooth(low, high, DAY / 3),
    "business days": loads.business_days,
}


def run(
    load: Load,
    policy: Policy | None = None,
    days: float = 9,
    demand: Demand | None = None,
    **fields: Any,
) -> Course:
    plant = Plant(demand or Demand())
    loop = ClosedLoop(policy or policy_of("growth", 2_000), plant, DEPLOYED, **fields)
    return loop.run(load, days * DAY)


def wrong(course: Course, checks: Any, policy: Policy | None = None) -> list[str]:
    used = policy or policy_of("growth", 2_000)
    return [f"{check.__name__}: {one}" for check in checks for one in check(used, DEPLOYED, course)]


@settings(max_examples=12, deadline=None)
@given(
    st.sampled_from(PHASES),
    st.sampled_from(sorted(SHAPES)),
    people,
    people,
    st.sampled_from([0, 0.1, 0.5]),
    st.sampled_from([0, 0.2]),
    st.integers(0, 100),
    st.sampled_from([0.0, 50.0, 2_000.0]),
)
def test_limits_cooldown_and_budget_hold_under_any_load(
    phase: str, shape: str, low: float, high: float, noise: float, missing: float, seed: int,
    budget: float,
) -> None:  # fmt: skip
    policy = policy_of(phase, budget)
    course = run(SHAPES[shape](low, high), policy, noise=noise, missing=missing, seed=seed)
    assert wrong(course, ALWAYS, policy) == []


@settings(max_examples=10, deadline=None)
@given(people, st.sampled_from([0, 0.05, 0.1]), st.integers(0, 100))
def test_a_steady_or_noisy_load_makes_it_settle(users: float, noise: float, seed: int) -> None:
    course = run(loads.constant(users), days=30, noise=noise, seed=seed)
    checks = STEADY if not noise else (*ALWAYS, courses.reversals)
    assert wrong(course, checks) == []


@pytest.mark.parametrize("shape", ["business days", "sawtooth"])
def test_days_and_nights_do_not_make_it_oscillate(shape: str) -> None:
    course = run(SHAPES[shape](2, 150), days=42, noise=0.05)
    assert wrong(course, (*ALWAYS, courses.reversals)) == []
    assert len(course.history) < 20


@settings(max_examples=10, deadline=None)
@given(people, people)
def test_more_load_never_gets_smaller_settings(one: float, other: float) -> None:
    low, high = (run(loads.constant(users), days=3) for users in sorted((one, other)))
    for target in DEPLOYED:
        assert low.settings[-1][target] <= high.settings[-1][target]


def test_it_grows_with_a_load_and_becomes_small_again_after_it() -> None:
    course = run(loads.step(150, 5, 2 * DAY), days=50)
    assert [max(course.of(one)) for one in (TASKS, CAPACITY, REPLICAS)] == [20, 300, 3]
    assert course.settings[-1] == {one: current.deployed for one, current in DEPLOYED.items()}


def test_a_spike_of_minutes_leaves_nothing_after_a_week() -> None:
    course = run(loads.spike(10, 300, DAY, 30), days=30)
    assert course.settings[-1] == {one: current.deployed for one, current in DEPLOYED.items()}


def test_memory_that_brings_nothing_is_taken_back_and_tried_once_a_week() -> None:
    waits = Demand(processor_ms=1, waiting_ms=400)
    course = run(loads.constant(20), days=13, demand=waits)
    tried = [one for one in course.history if one.target == MEMORY]
    assert [(one.before, one.after, one.brought_nothing) for one in tried] == [(256, 384, True)] * 2
    assert course.settings[-1][MEMORY] == 256


def test_memory_that_shortens_the_latency_is_added_until_it_suffices() -> None:
    works = Demand(processor_ms=60, waiting_ms=20)
    course = run(loads.constant(20), days=2, demand=works)
    steps = sorted(set(course.of(MEMORY)))
    latency = [20 + 60 * FULL_PROCESSOR_MB / memory for memory in steps]
    assert (steps, [round(one) for one in latency]) == ([256, 384, 576, 896], [435, 296, 204, 138])


# --- every rule is needed: without it a property fails ---


def _no_cooldown(policy: Policy) -> Policy:
    for setting in Setting:
        instant = timedelta(seconds=1)
        policy = limited(setting, policy, cooldown=instant, settle=instant)
    return policy


def _no_hysteresis(policy: Policy) -> Policy:
    rules = tuple(replace(one, clear=one.above * 0.999999) for one in policy.rules)
    return replace(policy, rules=rules, quiet=timedelta(minutes=5))


def _no_ceiling(policy: Policy) -> Policy:
    for setting in Setting:
        policy = limited(setting, policy, times=1e6, cap=10**9)
    return policy


MUTANTS: dict[str, tuple[Callable[[Policy], Policy], Any]] = {
    "no cooldown": (_no_cooldown, courses.too_early),
    "no hysteresis": (_no_hysteresis, courses.reversals),
    "no ceiling": (_no_ceiling, courses.outside),
    "no budget": (lambda policy: replace(policy, budget=1e9), courses.too_expensive),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_policy_without_a_rule_is_noticed(name: str) -> None:
    change, check = MUTANTS[name]
    policy = policy_of("growth", 50 if name == "no budget" else 2_000)
    load = loads.sawtooth(20, 350, DAY / 4)
    assert wrong(run(load, policy, noise=0.1), [check], policy) == []
    assert wrong(run(load, change(policy), noise=0.1), [check], policy)


def test_a_decision_with_the_wrong_sign_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decision, "is_high", _inverted(decision.is_high))
    assert wrong(run(loads.constant(150), days=3), [courses.too_small])


def _inverted(original: Callable[..., bool | None]) -> Callable[..., bool | None]:
    def inverted(*given_arguments: Any) -> bool | None:
        found = original(*given_arguments)
        return None if found is None else not found

    return inverted


def test_checks_notice_what_they_are_for() -> None:
    course = run(loads.constant(10), days=1)
    assert list(_every(course)) == []
    course.settings[-1] = {**course.settings[-1], TASKS: 1000}
    assert {one.partition(":")[0] for one in _every(course)} >= {"outside", "too_expensive"}


def _every(course: Course) -> Iterator[str]:
    yield from wrong(course, STEADY)
