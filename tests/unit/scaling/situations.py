"""Policies and situations for tests."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from scaling.model.policy import Limits, Policy, Setting
from scaling.model.policy_file import policy_of
from scaling.model.readings import Action, ActionState, Current, Reading, Situation, Target

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
MEMORY = Target(Setting.MEMORY, "CustomersApi")
CONCURRENCY = Target(Setting.CONCURRENCY, "CustomersApi")
TASKS = Target(Setting.TASKS, "StandardWorkerService")
CAPACITY = Target(Setting.CAPACITY, "CustomersTable")
REPLICAS = Target(Setting.REPLICAS, "Cache")
GROWTH = policy_of("growth", budget=1_000)
SETTLE = GROWTH.limits[Setting.MEMORY].settle
COOLDOWN = GROWTH.limits[Setting.MEMORY].cooldown


def limited(setting: Setting, policy: Policy = GROWTH, **fields: Any) -> Policy:
    """The policy with other limits of one setting."""
    limits: Limits = replace(policy.limits[setting], **fields)
    return replace(policy, limits={**policy.limits, setting: limits})


def situation(
    rule: str,
    target: Target,
    *values: float | None,
    value: int = 256,
    deployed: int | None = None,
    peak: float | None = None,
    raised: bool = True,
    unit_cost: float = 0.0,
    in_use: int | None = None,
    **more: Any,
) -> Situation:
    """One target, one rule and its values."""
    current = Current(value, value if deployed is None else deployed, unit_cost, in_use)
    return Situation(
        {target: current},
        {(rule, target.resource): Reading(values, peak)},
        alarms=frozenset({rule} if raised else ()),
        **more,
    )


def action(
    target: Target = MEMORY,
    rule: str = "api_latency",
    before: int = 256,
    after: int = 384,
    state: ActionState = ActionState.KEPT,
    ago: timedelta = timedelta(days=30),
    **fields: Any,
) -> Action:
    """A change whose state began some time ago."""
    return Action(target, rule, before, after, state, NOW - ago, **fields)
