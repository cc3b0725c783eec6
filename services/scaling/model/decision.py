"""The controller's decision: a pure function of policy, situation, earlier actions and time.

A rule raises by one step when enough of the latest readings are too high while its alarm is raised.
A setting above what is deployed is lowered by one step when every rule that tells its use would
stay clear with the smaller value, by the highest reading of the quiet time.

Sources: the strategy's table of triggers and actions; for cooldowns and projected readings, target
tracking of Application Auto Scaling.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import NamedTuple

from scaling.events import Reason as Reason
from scaling.model.policy import Limits, Policy, Rule
from scaling.model.readings import UNFINISHED, Action, Current, Reading, Situation, Target


class Change(NamedTuple):
    """A change to make."""

    target: Target
    rule: str
    before: int
    after: int
    reading: float
    monthly_cost: float
    """USD that it adds to a month at most; negative when it saves."""
    because: str


class Refusal(NamedTuple):
    """A change that is not made."""

    target: Target
    rule: str
    reason: Reason
    because: str
    until: datetime | None = None
    """When the reason ends by itself."""


class Decision(NamedTuple):
    """What to change now, and what not."""

    changes: tuple[Change, ...]
    refusals: tuple[Refusal, ...]


def decide(
    policy: Policy, situation: Situation, history: Sequence[Action], now: datetime
) -> Decision:
    """Decide what to change. The result does not depend on the order of the history."""
    deciding = _Deciding(policy, situation, tuple(sorted(history, key=_time)), now)
    changes: dict[Target, Change] = {}
    refusals: list[Refusal] = []
    for rule in policy.rules:
        for target in _targets(situation, rule):
            found = deciding.raised(rule, target, changes.values())
            if isinstance(found, Refusal):
                refusals.append(found)
            elif found and target not in changes:
                changes[target] = found
    # A ceiling that autoscaling has not reached is large enough, whatever its alarm.
    wanted = {*changes, *(one.target for one in refusals if one.reason is not Reason.ROOM)}
    for target in sorted(situation.settings):
        change = None if target in wanted else deciding.lowered(target, changes.values())
        if change:
            changes[target] = change
    return Decision(tuple(changes.values()), tuple(refusals))


def is_high(rule: Rule, reading: Reading, scale: float = 1.0) -> bool | None:
    """Whether enough of the latest values are too high; None when too many are missing."""
    latest = reading.values[-rule.periods :]
    known = [value * scale for value in latest if value is not None]
    high = sum(value > rule.above for value in known)
    if high >= rule.points:
        return True
    return None if high + rule.periods - len(known) >= rule.points else False


def scale_of(rule: Rule, current: Current) -> float:
    """By what a reading is multiplied, so that it falls when the setting grows."""
    return current.deployed / current.value if rule.of_load and current.value else 1.0


@dataclass(frozen=True, slots=True)
class _Deciding:
    policy: Policy
    situation: Situation
    history: tuple[Action, ...]
    now: datetime

    def raised(
        self, rule: Rule, target: Target, others: Iterable[Change]
    ) -> Change | Refusal | None:
        """One step up; the reason why not; None when the reading is not too high."""
        current, limits = self.situation.settings[target], self.policy.limits[target.setting]
        reading = self.situation.reading(rule.name, target.resource)
        high = is_high(rule, reading, scale_of(rule, current))
        if high is False:
            return None
        if high is None:
            because = (
                f"{rule.name} has too few values of {target.resource} in {rule.periods} periods"
            )
            return Refusal(target, rule.name, Reason.NO_DATA, because)
        level = typical(rule, reading)
        after = limits.larger(current.value, current.deployed)
        useful = self._useful(rule, target, limits)
        if useful is not None:
            after = min(after, max(useful, current.value))
        refusal = self._pause(rule, target) or self._use(rule, target, after, limits)
        if refusal:
            return refusal
        cost = (after - current.value) * current.unit_cost
        together = self._above_deployed() + sum(one.monthly_cost for one in others) + cost
        if cost > 0 and together > self.policy.budget:
            because = (
                f"with {after} instead of {current.value}, what is above the deployed settings"
                f" would cost up to {together:,.2f} USD a month; the budget is"
                f" {self.policy.budget:,.2f}"
            )
            return Refusal(target, rule.name, Reason.BUDGET, because)
        if conflict := _conflict(target, others):
            because = f"{conflict.target} changes now: one change of a resource at a time"
            return Refusal(target, rule.name, Reason.CONFLICT, because)
        because = f"{rule.name} is {level:,.4g}, above {rule.above:,.4g}"
        return Change(target, rule.name, current.value, after, level, cost, because)

    def lowered(self, target: Target, others: Iterable[Change]) -> Change | None:
        """One step down to what is deployed at least, when every rule of it stays clear."""
        current, limits = self.situation.settings[target], self.policy.limits[target.setting]
        after = limits.smaller(current.value, current.deployed)
        if after >= current.value or _conflict(target, others):
            return None
        if self._unfinished(target) or self._ends_of_pauses(target, self.policy.quiet):
            return None
        peaks: list[tuple[Rule, float]] = []
        for rule in self.policy.rules:
            if rule.setting is not target.setting or not rule.lowers:
                continue
            if (rule.name, target.resource) in self.situation.unmeasured:
                continue
            peak = self.situation.reading(rule.name, target.resource).peak
            if peak is None:
                return None
            if peak * scale_of(rule, current) * current.value / after > rule.clear:
                return None
            peaks.append((rule, peak))
        if not peaks:
            return None
        rule, peak = peaks[0]
        cost = (after - current.value) * current.unit_cost
        because = f"{rule.name} would stay below {rule.clear:,.4g} with {after}"
        return Change(target, rule.name, current.value, after, peak, cost, because)

    def _pause(self, rule: Rule, target: Target) -> Refusal | None:
        """Why the target must not be changed at this time."""
        if action := self._unfinished(target):
            because = f"{action.target} was changed and is not verified yet"
            return Refusal(target, rule.name, Reason.IN_PROGRESS, because)
        if tried := self._brought_nothing(rule, target):
            because = f"{tried.before} to {tried.after} brought nothing"
            until = tried.at + self.policy.no_effect
            return Refusal(target, rule.name, Reason.NO_EFFECT, because, until)
        limits = self.policy.limits[target.setting]
        if ends := self._ends_of_pauses(target, limits.cooldown):
            because = f"{target} was changed less than {limits.cooldown} ago"
            return Refusal(target, rule.name, Reason.COOLDOWN, because, max(ends))
        return None

    def _use(self, rule: Rule, target: Target, after: int, limits: Limits) -> Refusal | None:
        """Why a larger value would be of no use, or is not allowed."""
        current = self.situation.settings[target]
        useful = self._useful(rule, target, limits)
        if useful is not None and useful <= current.value:
            because = (
                f"power tuning measured that the duration of {target.resource} falls no further"
                f" with more than {self.situation.useful_memory[target.resource]} MB"
            )
            return Refusal(target, rule.name, Reason.NOT_PROCESSOR_BOUND, because)
        if rule.at_limit and current.in_use is not None and current.in_use < current.value:
            because = f"{target} is {current.value}, and autoscaling uses {current.in_use} of it"
            return Refusal(target, rule.name, Reason.ROOM, because)
        if after <= current.value:
            ceiling = limits.ceiling(current.deployed)
            because = f"{target} is at its ceiling of {ceiling}: move to the next phase"
            return Refusal(target, rule.name, Reason.CEILING, because)
        return None

    def _useful(self, rule: Rule, target: Target, limits: Limits) -> int | None:
        """The largest value that shortens the duration, where it was measured."""
        measured = self.situation.useful_memory.get(target.resource)
        if not rule.needs_processor or measured is None:
            return None
        return measured // limits.unit * limits.unit

    def _unfinished(self, target: Target) -> Action | None:
        """A change of the same resource that is not verified yet."""
        return next(
            (
                one
                for one in self.history
                if one.target.resource == target.resource and one.state in UNFINISHED
            ),
            None,
        )

    def _ends_of_pauses(self, target: Target, pause: timedelta) -> list[datetime]:
        ends = [one.at + pause for one in self.history if one.target == target]
        return [end for end in ends if end > self.now]

    def _brought_nothing(self, rule: Rule, target: Target) -> Action | None:
        """The latest step that did not help, while its time lasts."""
        tried = [one for one in self.history if one.target == target and one.rule == rule.name]
        if not tried or not tried[-1].brought_nothing:
            return None
        return tried[-1] if self.now < tried[-1].at + self.policy.no_effect else None

    def _above_deployed(self) -> float:
        """What the settings cost a month that are above what is deployed."""
        every = self.situation.settings.values()
        return sum(max(0, one.value - one.deployed) * one.unit_cost for one in every)


def typical(rule: Rule, reading: Reading) -> float:
    """The median of the latest values that count; 0 when none is known."""
    known = [value for value in reading.values[-rule.periods :] if value is not None]
    return median(known) if known else 0.0


def _targets(situation: Situation, rule: Rule) -> Iterator[Target]:
    """The targets of a rule whose alarm is raised, by their names."""
    if rule.name in situation.alarms:
        for one in sorted(situation.settings):
            measured = (rule.name, one.resource) not in situation.unmeasured
            if one.setting is rule.setting and measured:
                yield one


def _conflict(target: Target, others: Iterable[Change]) -> Change | None:
    return next(
        (one for one in others if one.target.resource == target.resource and one.target != target),
        None,
    )


def _time(action: Action) -> datetime:
    return action.at
