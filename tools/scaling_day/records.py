"""The controller's records in memory: its actions and its lease."""

from datetime import datetime, timedelta

from kernel.domain.aggregate import Change
from kernel.domain.errors import Conflict
from kernel.storage.unit_of_work import UnitOfWork
from scaling.model.actions import ScalingAction
from scaling.model.readings import ActionState
from scaling.repository.lease import Lease


class ActionsInMemory:
    """What the controller needs of ActionRepository."""

    def __init__(self) -> None:
        self.records: dict[str, ScalingAction] = {}
        """Every action and refusal by id, in the order of their beginning."""
        self._history: set[str] = set()

    def save(
        self, _unit: UnitOfWork, before: ScalingAction | None, change: Change[ScalingAction]
    ) -> ScalingAction:
        """Save an action. Raises Conflict for a new one that exists already."""
        action = change.state
        if before is None and action.id in self.records:
            raise Conflict("This action exists already.")
        if before is not None or action.status is not ActionState.REFUSED:
            self._history.add(action.id)
        self.records[action.id] = action
        return action

    def history(self, _tenant: str) -> list[ScalingAction]:
        """The changes that a decision depends on: what was refused at once is none."""
        return [one for one in self.records.values() if one.id in self._history]


class LeaseInMemory:
    """What the controller needs of LeaseRepository: one execution at a time."""

    def __init__(self) -> None:
        self._holder, self._until, self._requests = "", datetime.min, 0

    def acquire(self, holder: str, now: datetime, duration: timedelta) -> Lease | None:
        """Get or extend the lease; None when somebody else has it, who then looks once more."""
        now = now.replace(tzinfo=None)
        if self._holder in ("", holder) or self._until <= now:
            self._holder, self._until = holder, now + duration
            return Lease(holder, self._requests)
        self._requests += 1
        return None

    def release(self, lease: Lease) -> bool:
        """Give the lease back; False when somebody has asked for it meanwhile."""
        if self._holder != lease.holder:
            return True
        if self._requests != lease.requests:
            return False
        self._holder, self._requests = "", 0
        return True
