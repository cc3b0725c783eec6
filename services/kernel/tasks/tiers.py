"""The tiers that carry out tasks: a function for small ones, and two sizes of workers.

A context chooses the tier of a run by its size. A task that turns out to be too large for its tier
moves to the next larger one that is deployed (retry.py).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from kernel.tasks.run import TaskRun


class Tier(StrEnum):
    """Where a task is carried out, the smallest first."""

    FUNCTION = "function"
    """In a Lambda function, which every stack has."""
    STANDARD = "standard"
    """By a worker."""
    ANALYTICS = "analytics"
    """By a large worker; before phase enterprise by any worker."""


class WorkerRequired(Exception):
    """A run needs a worker, and the stack has none.

    The name of this class, WORKER_REQUIRED, is the error name in the state machine.
    """


@dataclass(frozen=True, slots=True)
class Place:
    """Where a task goes: its tier and, unless that is the function, the URL of its queue."""

    tier: Tier
    queue_url: str = ""


class TaskTiers[R: TaskRun]:
    """The tiers that are deployed: `queues` has the queue of each tier of workers.

    It is empty without a worker; two tiers with the same queue have the same workers.
    """

    def __init__(self, queues: Mapping[Tier, str], choose: Callable[[R], Tier]) -> None:
        self._queues, self._choose = queues, choose

    def first(self, run: R) -> Place:
        """Where a run begins. Raises WorkerRequired."""
        place = self.place(self._choose(run))
        if place.tier is not Tier.FUNCTION and not place.queue_url:
            raise WorkerRequired("The run is too large for the function.")
        return place

    def place(self, tier: Tier) -> Place:
        """The place of a tier; without a queue where no worker is deployed."""
        return Place(tier, self._queues.get(tier, ""))

    def larger(self, tier: Tier) -> Tier | None:
        """The next larger tier with workers of its own, or None."""
        own = self._queues.get(tier, "")
        tiers = list(Tier)
        larger = tiers[tiers.index(tier) + 1 :]
        return next((one for one in larger if self._queues.get(one, "") not in ("", own)), None)
