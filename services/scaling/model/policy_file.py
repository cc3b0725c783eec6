"""The policy of a phase, from policy.json, which is generated from the strategy's figures."""

import json
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from scaling.model.policy import Limits, Policy, PolicyError, Rule, Setting

FILE = Path(__file__).parents[1] / "policy.json"
type Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
type Whole = Annotated[int, Field(strict=True)]
type Price = Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)]
type Days = Annotated[float, Field(strict=True, gt=0, le=30)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Rule(_Part):
    name: str = Field(min_length=1)
    setting: Setting
    above: Number
    clear: Number = 0.0
    periods: Whole
    points: Whole
    lowers: bool = True
    effect: Number = 0.0
    of_load: bool = False
    needs_processor: bool = False
    at_limit: bool = False
    alarm: str | None = None

    def rule(self) -> Rule:
        return Rule(**self.model_dump(exclude={"alarm"}))


class _Pace(_Part):
    cap: Whole
    factor: Number
    unit: Whole
    cooldown: Number
    """Minutes."""
    settle: Number
    """Minutes."""

    def limits(self, times: float) -> Limits:
        pauses = {name: timedelta(minutes=getattr(self, name)) for name in ("cooldown", "settle")}
        return Limits(times=times, cap=self.cap, factor=self.factor, unit=self.unit, **pauses)


class _Prices(_Part):
    gb_second: Price
    provisioned_gb_second: Price
    vcpu_hour: Price
    gb_hour: Price
    write_unit_hour: Price
    read_unit_hour: Price
    nodes: dict[str, Price]


class _Phase(_Part):
    serves: Whole | None
    advice_from: Whole | None


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    rules: list[_Rule]
    pace: dict[Setting, _Pace]
    ceilings: dict[str, dict[Setting, Number]]
    phases: dict[str, _Phase]
    quiet_days: Days
    no_effect_days: Days
    return_percent: Annotated[float, Field(strict=True, gt=0, le=100)]
    tiers: dict[str, Any]
    prices: _Prices


@cache
def policy_document() -> dict[str, Any]:
    """The document of all phases. Raises PolicyError when the file is no JSON object."""
    try:
        found = json.loads(FILE.read_text(encoding="utf-8"))
    except (OSError, ValueError) as fault:
        raise PolicyError(f"{FILE.name}: cannot be read: {fault}") from fault
    if not isinstance(found, dict):
        raise PolicyError(f"{FILE.name}: must be a JSON object")
    return found


def policy_of(phase: str, budget: float, document: dict[str, Any] | None = None) -> Policy:
    """The policy of a phase.

    Raises PolicyError for an unknown phase, a value that is missing or of a wrong type, and a
    contradiction.
    """
    given = _parsed(policy_document() if document is None else document)
    times = given.ceilings.get(phase)
    if times is None:
        known = ", ".join(given.ceilings)
        raise PolicyError(f"phase: {phase!r} is not known; one of {known}")
    if absent := sorted(set(given.ceilings) - set(given.phases)):
        raise PolicyError(f"phases: {absent[0]} is missing; it must have every phase")
    for name, section in (("pace", given.pace), (f"ceilings.{phase}", times)):
        if absent := sorted(set(Setting) - set(section)):
            raise PolicyError(f"{name}: {absent[0]} is missing; it must have every setting")
    return Policy(
        rules=tuple(one.rule() for one in given.rules),
        limits={setting: one.limits(times[setting]) for setting, one in given.pace.items()},
        budget=budget,
        quiet=timedelta(days=given.quiet_days),
        no_effect=timedelta(days=given.no_effect_days),
    )


def _parsed(document: dict[str, Any]) -> _Document:
    try:
        return _Document.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise PolicyError(f"{place}: {first['msg']}") from error


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
