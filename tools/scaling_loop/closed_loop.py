"""The controller in a closed loop with a plant: what it would do in weeks, in a second."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random

from scaling.model.decision import Change, decide, is_high, scale_of
from scaling.model.policy import Policy, Rule
from scaling.model.readings import (
    UNFINISHED,
    Action,
    ActionState,
    Current,
    Reading,
    Situation,
    Target,
)
from scaling.model.verification import Outcome, verify
from tools.scaling_loop.loads import Load
from tools.scaling_loop.plant import Plant, Readings

START = datetime(2026, 1, 5, tzinfo=UTC)
"""A Monday."""
_LATEST = 12
"""Values of a reading that are given to the controller."""
_ENDED = {Outcome.KEEP: ActionState.KEPT, Outcome.ROLL_BACK: ActionState.ROLLED_BACK}


@dataclass(slots=True)
class Course:
    """What happened: a value for each step of the simulation."""

    minutes: list[float] = field(default_factory=list)
    users: list[float] = field(default_factory=list)
    settings: list[dict[Target, int]] = field(default_factory=list)
    readings: list[Readings] = field(default_factory=list)
    seen: list[dict[tuple[str, str], float | None]] = field(default_factory=list)
    """The readings as the controller gets them: with noise, and None for a lost one."""
    history: list[Action] = field(default_factory=list)

    def of(self, target: Target) -> list[int]:
        """The values of one setting."""
        return [one[target] for one in self.settings]


class Window:
    """The latest values of a reading, and the highest of a whole quiet time."""

    def __init__(self, length: int) -> None:
        self._length, self._count = length, 0
        self._latest: deque[float | None] = deque(maxlen=_LATEST)
        self._highest: deque[tuple[int, float]] = deque()
        """Values that nothing later exceeds, with their places: the first one is the highest."""

    def add(self, value: float | None) -> None:
        """Add the value of a step."""
        self._count += 1
        self._latest.append(value)
        if value is not None:
            while self._highest and self._highest[-1][1] <= value:
                self._highest.pop()
            self._highest.append((self._count, value))
        while self._highest and self._highest[0][0] <= self._count - self._length:
            self._highest.popleft()

    def reading(self, latest: int = _LATEST) -> Reading:
        """So many of the latest values, and the highest when the whole time is known."""
        values = tuple(self._latest)
        whole = self._count >= self._length and self._highest
        return Reading(
            values[max(0, len(values) - latest) :], self._highest[0][1] if whole else None
        )


class ClosedLoop:
    """A controller that applies its decisions to a plant."""

    def __init__(
        self,
        policy: Policy,
        plant: Plant,
        deployed: Mapping[Target, Current],
        *,
        noise: float = 0.0,
        missing: float = 0.0,
        seed: int = 0,
        step_minutes: float = 5.0,
    ) -> None:
        """`noise` is the standard deviation of readings as a share of them; `missing` the share of
        readings that are lost."""
        self._policy, self._plant, self._deployed = policy, plant, deployed
        self._noise, self._missing = noise, missing
        self._random = Random(seed)  # noqa: S311 - a simulation needs a seed, not secrecy
        self._step = step_minutes
        self._settings = {target: one.value for target, one in deployed.items()}
        self._windows: dict[tuple[str, str], Window] = {}
        self._kept = max(1, int(policy.quiet / timedelta(minutes=step_minutes)))
        self.course = Course()

    def run(self, load: Load, minutes: float) -> Course:
        """Simulate some minutes more."""
        done = len(self.course.minutes) * self._step
        for number in range(int(minutes / self._step)):
            self._advance(done + number * self._step, load)
        return self.course

    def _advance(self, minute: float, load: Load) -> None:
        users = load(minute)
        found, in_use = self._plant.read(users, self._settings, self._step)
        seen = dict[tuple[str, str], float | None]()
        for key, value in found.items():
            window = self._windows.setdefault(key, Window(self._kept))
            lost = self._random.random() < self._missing
            noisy = max(0.0, value * self._random.gauss(1, self._noise)) if self._noise else value
            seen[key] = None if lost else noisy
            window.add(seen[key])
        now = START + timedelta(minutes=minute)
        self._verify(now, in_use)
        for change in decide(self._policy, self._situation(in_use), self.course.history, now)[0]:
            self._apply(change, now)
        self.course.minutes.append(minute)
        self.course.users.append(users)
        self.course.settings.append(dict(self._settings))
        self.course.readings.append(found)
        self.course.seen.append(seen)

    def _situation(self, in_use: Mapping[Target, int], latest: int = _LATEST) -> Situation:
        """The situation, with so many of the latest values."""
        settings = {
            target: one._replace(value=self._settings[target], in_use=in_use.get(target))
            for target, one in self._deployed.items()
        }
        readings = {key: window.reading(latest) for key, window in self._windows.items()}
        raised = {rule.name for rule in self._policy.rules if _raised(rule, settings, readings)}
        return Situation(settings, readings, alarms=frozenset(raised))

    def _apply(self, change: Change, now: datetime) -> None:
        self._settings[change.target] = change.after
        self.course.history.append(
            Action(
                change.target,
                change.rule,
                change.before,
                change.after,
                ActionState.APPLIED,
                now,
                change.reading,
            )
        )

    def _verify(self, now: datetime, in_use: Mapping[Target, int]) -> None:
        for place, action in enumerate(self.course.history):
            if action.state not in UNFINISHED:
                continue
            settled = action.at + self._policy.limits[action.target.setting].settle
            since = max(0, int((now - settled) / timedelta(minutes=self._step)))
            verdict = verify(self._policy, action, self._situation(in_use, since), now)
            if verdict.outcome is Outcome.WAIT:
                continue
            if verdict.outcome is Outcome.ROLL_BACK:
                self._settings[action.target] = action.before
            self.course.history[place] = action._replace(
                state=_ENDED[verdict.outcome], at=now, brought_nothing=verdict.brought_nothing
            )


def _raised(
    rule: Rule,
    settings: Mapping[Target, Current],
    readings: Mapping[tuple[str, str], Reading],
) -> bool:
    """Whether the rule's alarm is raised."""
    return any(
        is_high(rule, readings[rule.name, target.resource], scale_of(rule, current))
        for target, current in settings.items()
        if target.setting is rule.setting and (rule.name, target.resource) in readings
    )
