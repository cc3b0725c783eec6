"""Whether a change is kept: a pure function of the change and what was read after it."""

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from scaling.model.decision import is_high, scale_of, typical
from scaling.model.policy import Policy
from scaling.model.readings import Action, Situation


class Outcome(StrEnum):
    """What becomes of an applied change."""

    KEEP = "keep"
    ROLL_BACK = "roll_back"
    WAIT = "wait"


class Verdict(NamedTuple):
    """The outcome, and why."""

    outcome: Outcome
    because: str
    brought_nothing: bool = False
    """The same step must not be tried again soon."""


def verify(policy: Policy, action: Action, situation: Situation, now: datetime) -> Verdict:
    """Judge an applied change. `situation` has readings from after its settling time only.

    A raise whose rule expects an effect is rolled back when the reading stays as it was; every
    raise is when its resource fails more often than before; a lowering is when its reading is too
    high. Without readings a raise is kept at the deadline, because it does no harm, and a lowering
    is rolled back.
    """
    settle = policy.limits[action.target.setting].settle
    if now < action.at + settle:
        return Verdict(Outcome.WAIT, "it settles")
    if action.target.resource in situation.failing:
        return Verdict(Outcome.ROLL_BACK, "the resource fails more often since", action.raises)
    rule = policy.rule(action.rule)
    if rule is None:
        return Verdict(Outcome.KEEP, "its rule does not exist any more")
    reading = situation.reading(rule.name, action.target.resource)
    current = situation.settings.get(action.target)
    high = is_high(rule, reading, scale_of(rule, current) if current else 1.0)
    known = sum(value is not None for value in reading.values)
    if known < rule.points:
        if now < action.at + policy.deadline * settle:
            return Verdict(Outcome.WAIT, f"{known} of {rule.points} values are known")
        outcome = Outcome.KEEP if action.raises else Outcome.ROLL_BACK
        return Verdict(outcome, "nothing was measured since")
    if not action.raises:
        return (
            Verdict(Outcome.ROLL_BACK, f"{rule.name} is too high with {action.after}")
            if high
            else Verdict(Outcome.KEEP, f"{rule.name} stays clear with {action.after}")
        )
    level = typical(rule, reading)
    if rule.effect and level > action.reading * (1 - rule.effect):
        because = f"{rule.name} was {action.reading:,.4g} and is {level:,.4g}"
        return Verdict(Outcome.ROLL_BACK, because, brought_nothing=True)
    return Verdict(Outcome.KEEP, f"{rule.name} was {action.reading:,.4g} and is {level:,.4g}")
