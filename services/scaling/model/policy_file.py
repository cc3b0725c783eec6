"""The policy of a phase, from policy.json, which is generated from the strategy's figures."""

import json
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

from scaling.model.policy import Limits, Policy, PolicyError, Rule, Setting

FILE = Path(__file__).parents[1] / "policy.json"


@cache
def policy_document() -> dict[str, Any]:
    """The document of all phases."""
    found: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return found


def policy_of(phase: str, budget: float, document: dict[str, Any] | None = None) -> Policy:
    """The policy of a phase. Raises PolicyError for an unknown phase or a contradiction."""
    given = document or policy_document()
    times = given["ceilings"].get(phase)
    if times is None:
        known = ", ".join(given["ceilings"])
        raise PolicyError(f"phase: {phase!r} is not known; one of {known}")
    return Policy(
        rules=tuple(map(_rule, given["rules"])),
        limits={Setting(name): _limits(one, times[name]) for name, one in given["pace"].items()},
        budget=budget,
        quiet=timedelta(days=given["quiet_days"]),
        no_effect=timedelta(days=given["no_effect_days"]),
    )


def alarms() -> dict[str, tuple[str, ...]]:
    """The rules that an alarm triggers, by the name of its definition."""
    found: dict[str, tuple[str, ...]] = {}
    for one in policy_document()["rules"]:
        if alarm := one.get("alarm"):
            found[alarm] = (*found.get(alarm, ()), one["name"])
    return found


def rules_with_alarms() -> frozenset[str]:
    """The names of the rules that have an alarm; the controller itself reads the others."""
    return frozenset(one["name"] for one in policy_document()["rules"] if "alarm" in one)


def prices() -> dict[str, Any]:
    """USD of the units that settings consist of, by the hour or the second."""
    found: dict[str, Any] = policy_document()["prices"]
    return found


def _rule(given: dict[str, Any]) -> Rule:
    fields = {key: value for key, value in given.items() if key != "alarm"}
    return Rule(**{"clear": 0.0, **fields, "setting": Setting(given["setting"])})


def _limits(given: dict[str, Any], times: float) -> Limits:
    return Limits(
        times=times,
        cap=given["cap"],
        factor=given["factor"],
        unit=given["unit"],
        cooldown=timedelta(minutes=given["cooldown"]),
        settle=timedelta(minutes=given["settle"]),
    )
