"""What the controller may change, when, and within which limits: its policy for one phase."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from scaling.events import Setting as Setting


class PolicyError(ValueError):
    """A policy contradicts itself; the message names the place and says what would be right."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A trigger of the strategy: when a reading is too high, and which setting then grows."""

    name: str
    setting: Setting
    above: float
    """The reading is too high above this value."""
    clear: float
    """The reading that a smaller setting must be expected to stay below, so that it is made."""
    periods: int
    """The number of the latest periods that count."""
    points: int
    """So many of them must be above."""
    lowers: bool = True
    """Whether its reading tells how much of the setting is in use. That of errors does not."""
    effect: float = 0.0
    """The share by which a larger setting must lower the reading; otherwise it is taken back."""
    of_load: bool = False
    """The reading is a load that the deployed setting serves up to `above`, such as users: the
    setting grows in proportion to it."""
    needs_processor: bool = False
    """Only for a function whose duration is bound by its processor."""
    at_limit: bool = False
    """Only when autoscaling has reached the setting, which is a ceiling of it."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The range of a setting in a phase, and the pace at which it changes.

    The floor of a setting is what is deployed, so that only a deployment makes it smaller.
    """

    times: float
    """The ceiling is so many times what is deployed."""
    cap: int
    """No ceiling is higher: a quota of AWS."""
    factor: float
    """A step multiplies or divides by it, and changes at least `unit`."""
    unit: int
    """Values are multiples of it."""
    cooldown: timedelta
    """After a change of a setting, until its next one."""
    settle: timedelta
    """After a change, until readings show its effect."""

    def ceiling(self, deployed: int) -> int:
        """The largest value; what is deployed when that is already larger."""
        return max(deployed, min(self.cap, int(deployed * self.times) // self.unit * self.unit))

    def larger(self, value: int, deployed: int) -> int:
        """The next larger value, at most the ceiling; the value itself at or above it."""
        wanted = max(self._multiple(value * self.factor), value + self.unit)
        return max(value, min(self.ceiling(deployed), wanted))

    def smaller(self, value: int, deployed: int) -> int:
        """The next smaller value, at least what is deployed; the value itself at or below it."""
        wanted = min(self._multiple(value / self.factor), value - self.unit)
        return min(value, max(deployed, wanted))

    def _multiple(self, wanted: float) -> int:
        return round(wanted / self.unit) * self.unit


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules in the order of their precedence, and the limits of every setting."""

    rules: tuple[Rule, ...]
    limits: Mapping[Setting, Limits]
    budget: float
    """USD a month that all settings above what is deployed may cost together."""
    quiet: timedelta
    """A reading must have been low for so long before a setting is made smaller."""
    no_effect: timedelta
    """A step that brought nothing is not tried again for so long."""
    deadline: int = 3
    """A change without any reading is decided after so many times its settling time."""

    def __post_init__(self) -> None:
        """Raise PolicyError when it contradicts itself."""
        for setting, one in self.limits.items():
            _check_limits(setting, one)
        if self.budget < 0:
            raise PolicyError(f"budget: must be at least 0, not {self.budget}")
        for name, pause in (("quiet", self.quiet), ("no_effect", self.no_effect)):
            if pause <= timedelta():
                raise PolicyError(f"{name}: must be longer than no time, not {pause}")
        for rule in self.rules:
            _check_rule(rule, self.limits)
        names = [rule.name for rule in self.rules]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise PolicyError(f"{twice}: there are two rules of this name; each must have its own")

    def rule(self, name: str) -> Rule | None:
        """The rule of a name; None for a name that this policy does not have."""
        return next((rule for rule in self.rules if rule.name == name), None)


def _check_limits(setting: Setting, one: Limits) -> None:
    if one.times < 1:
        raise PolicyError(
            f"{setting}: its ceiling of {one.times} times what is deployed is below its floor,"
            " which is what is deployed; at least 1"
        )
    if one.factor <= 1 or one.unit < 1 or one.cap < one.unit:
        raise PolicyError(
            f"{setting}: its factor must be above 1, its unit at least 1, its cap at least a unit"
        )
    if not timedelta() < one.settle <= one.cooldown:
        raise PolicyError(f"{setting}: it must settle in more than no time, within its cooldown")


def _check_rule(rule: Rule, limits: Mapping[Setting, Limits]) -> None:
    if rule.setting not in limits:
        raise PolicyError(f"{rule.name}: {rule.setting} has no limits")
    if not 1 <= rule.points <= rule.periods:
        raise PolicyError(
            f"{rule.name}: {rule.points} points of {rule.periods} periods; at least one, and at"
            " most as many as there are periods"
        )
    if rule.lowers and not rule.clear < rule.above:
        raise PolicyError(
            f"{rule.name}: it is clear below {rule.clear:g}, which must be less than {rule.above:g}"
        )
    if not 0 <= rule.effect < 1:
        raise PolicyError(f"{rule.name}: its effect is a share of at least 0 and below 1")
