"""What the controller knows when it decides: readings, settings, and its earlier actions."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from scaling.events import ActionState as ActionState
from scaling.model.policy import Setting


class Target(NamedTuple):
    """One setting of one resource."""

    setting: Setting
    resource: str
    """Its logical id."""

    def __str__(self) -> str:
        """As people read it: memory of CustomersApi."""
        return f"{self.setting.replace('_', ' ')} of {self.resource}"


class Reading(NamedTuple):
    """The values of one rule for one resource."""

    values: tuple[float | None, ...]
    """Of the latest periods, the oldest first; None for a period without data."""
    peak: float | None = None
    """The highest in the policy's quiet time; None when it is not known for all of it."""


class Current(NamedTuple):
    """The value of a setting."""

    value: int
    deployed: int
    """The value of the template. A setting never becomes smaller than it."""
    unit_cost: float = 0.0
    """USD a month that one more unit costs at most."""
    in_use: int | None = None
    """What autoscaling has set below this ceiling; None where the setting is no ceiling, or
    nothing is known."""


@dataclass(frozen=True, slots=True)
class Situation:
    """All that was read at one moment."""

    settings: Mapping[Target, Current]
    readings: Mapping[tuple[str, str], Reading] = field(default_factory=dict)
    """By the name of the rule, and the resource."""
    alarms: frozenset[str] = frozenset()
    """The rules whose alarm is raised."""
    useful_memory: Mapping[str, int] = field(default_factory=dict)
    """MB by function, where power tuning measured it: with more its duration no longer falls."""
    unmeasured: frozenset[tuple[str, str]] = frozenset()
    """Rules and resources for which there is no metric, so that the rule says nothing of them."""
    failing: frozenset[str] = frozenset()
    """Resources that fail more often than before their last change."""

    def reading(self, rule: str, resource: str) -> Reading:
        """A reading; one without values when there is none."""
        return self.readings.get((rule, resource), Reading(()))


UNFINISHED = frozenset({ActionState.APPLYING, ActionState.APPLIED, ActionState.ROLLING_BACK})


class Action(NamedTuple):
    """A change that was proposed or made."""

    target: Target
    rule: str
    before: int
    after: int
    state: ActionState
    at: datetime
    """When its state began."""
    reading: float = 0.0
    """The rule's reading when it was decided: the median of the values that were known."""
    brought_nothing: bool = False
    """It was rolled back because the reading stayed as it was."""

    @property
    def raises(self) -> bool:
        """Whether the setting became larger."""
        return self.after > self.before
