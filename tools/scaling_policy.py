"""Generates services/scaling/policy.json: the controller's policy of every phase.

Its figures are those of strategy.yaml; the thresholds of its triggers are those of the signals.
"""

from pathlib import Path
from typing import Any

import yaml
from pydantic.alias_generators import to_snake

from tools.drift import ROOT, as_json, main
from tools.mappings import POLICY, STRATEGY
from zebros.costs.prices import Prices
from zebros.monitoring.signals import Alarm, signals

FILE = ROOT / "services/scaling/policy.json"
_UNITS = {
    "gb_second": "lambda.duration",
    "provisioned_gb_second": "lambda.provisioned_concurrency",
    "vcpu_hour": "fargate.cpu",
    "gb_hour": "fargate.memory",
    "write_unit_hour": "dynamodb.write_capacity",
    "read_unit_hour": "dynamodb.read_capacity",
}
"""The prices that unit costs need, by their items in prices.toml."""


def rule(name: str, given: dict[str, Any]) -> dict[str, Any]:
    """A rule, with the threshold of its signal's alarm."""
    fields = {to_snake(key): value for key, value in given.items()}
    signal = fields.pop("signal", None)
    if signal:
        alarm = _alarm(signal)
        fields |= {"above": alarm.threshold, "periods": alarm.periods, "points": alarm.points}
        fields |= {"alarm": alarm.name}
    return {"name": to_snake(name), **fields}


def _alarm(signal: str) -> Alarm:
    found = next((one.alarm for one in signals() if one.id == signal), None)
    if found is None:
        raise SystemExit(f"{STRATEGY.name}: {signal} is no signal with an alarm")
    return found


def render() -> dict[Path, str]:
    """The policy, by phase where it depends on it."""
    strategy = yaml.safe_load(STRATEGY.read_text(encoding="utf-8"))
    sections = {name: strategy[name] for name in strategy if name.startswith(POLICY)}
    document = {
        "rules": [rule(name, one) for name, one in sections.pop("ScalingRules").items()],
        "pace": _lower(sections.pop("ScalingPace")),
        "ceilings": _lower(sections.pop("ScalingCeilings")),
        "tiers": _lower(sections.pop("ScalingTiers")),
        "phases": _lower(sections.pop("ScalingPhases")),
        **_lower(sections.pop("ScalingTimes"))["All"],
        **_lower(sections.pop("ScalingReturn"))["All"],
        "prices": _prices(strategy["Cache"]),
    }
    if sections:
        raise SystemExit(f"{STRATEGY.name}: nothing reads {', '.join(sections)}")
    return {FILE: as_json(document)}


def _prices(caches: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """USD of the units that settings consist of."""
    prices = Prices.load()
    nodes = sorted({one["NodeType"] for one in caches.values()})
    return {
        **{name: float(prices[item].usd) for name, item in _UNITS.items()},
        "nodes": {node: float(prices[f"elasticache.valkey.{node}"].usd) for node in nodes},
    }


def _lower(keys: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {key: {to_snake(name): one for name, one in keys[key].items()} for key in keys}


if __name__ == "__main__":
    main(render(), "make contracts")
