"""The controller's policy: what it refuses, and the strategy's figures in it."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from scaling.model.policy import Policy, PolicyError, Setting
from scaling.model.policy_file import alarms, policy_document, policy_of
from tests.unit.scaling.situations import GROWTH, limited
from zebros.monitoring.signals import signals
from zebros.phases import PHASES


@pytest.mark.parametrize("phase", PHASES)
def test_every_phase_has_a_policy(phase: str) -> None:
    policy = policy_of(phase, 10)
    assert set(policy.limits) == set(Setting)


def test_an_unknown_phase_is_refused() -> None:
    with pytest.raises(PolicyError, match="phase: 'huge' is not known; one of enterprise, growth"):
        policy_of("huge", 10)


def test_every_trigger_of_the_strategy_is_a_rule() -> None:
    triggers = {one.alarm.name for one in signals() if one.alarm and one.alarm.trigger}
    workers = {f"{name}Worker{of}" for name in ("Analytics", "Import") for of in ("Cpu", "Memory")}
    assert triggers - workers <= set(alarms())


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"times": 0.5}, "memory: its ceiling of 0.5 times what is deployed is below its floor"),
        ({"factor": 1}, "memory: its factor must be above 1"),
        ({"unit": 0}, "its unit at least 1"),
        ({"cap": 10}, "its cap at least a unit"),
        ({"settle": timedelta()}, "memory: it must settle in more than no time"),
        ({"settle": timedelta(days=1)}, "within its cooldown"),
    ],
)
def test_limits_that_contradict_themselves_are_refused(
    fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(PolicyError, match=message):
        limited(Setting.MEMORY, **fields)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"points": 0}, "api_latency: 0 points of 3 periods"),
        ({"points": 4}, "api_latency: 4 points of 3 periods"),
        ({"clear": 200}, "api_latency: it is clear below 200, which must be less than 200"),
        ({"effect": 1}, "api_latency: its effect is a share"),
        ({"setting": "memory", "clear": 201}, "clear below 201"),
    ],
)
def test_rules_that_contradict_themselves_are_refused(fields: dict[str, Any], message: str) -> None:
    document = policy_document()
    rules = [
        {**one, **fields} if one["name"] == "api_latency" else one for one in document["rules"]
    ]
    with pytest.raises(PolicyError, match=message):
        policy_of("growth", 10, {**document, "rules": rules})


def test_a_negative_budget_is_refused() -> None:
    with pytest.raises(PolicyError, match="budget: must be at least 0, not -1"):
        policy_of("growth", -1)


@pytest.mark.parametrize("name", ["quiet", "no_effect"])
def test_a_pause_is_longer_than_no_time(name: str) -> None:
    with pytest.raises(PolicyError, match=f"{name}: must be longer than no time, not 0:00:00"):
        replace(GROWTH, **{name: timedelta()})  # type: ignore[arg-type]


def test_a_rule_needs_limits_of_its_setting() -> None:
    with pytest.raises(PolicyError, match="throttles: concurrency has no limits"):
        Policy(GROWTH.rules, {}, 0, GROWTH.quiet, GROWTH.no_effect)


@pytest.mark.parametrize("setting", list(Setting))
@pytest.mark.parametrize("phase", PHASES)
def test_steps_lead_from_what_is_deployed_to_the_ceiling_and_back(
    phase: str, setting: Setting
) -> None:
    limits = policy_of(phase, 0).limits[setting]
    for deployed in (1, 5, 10, 128, 1024):
        values = [deployed]
        while (larger := limits.larger(values[-1], deployed)) > values[-1]:
            assert larger <= max(values[-1] * limits.factor + limits.unit, values[-1] + limits.unit)
            values.append(larger)
        assert values[-1] == limits.ceiling(deployed) >= deployed
        while (smaller := limits.smaller(values[-1], deployed)) < values[-1]:
            values.append(smaller)
        assert values[-1] == deployed
