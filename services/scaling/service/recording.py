"""Records what the controller does and refuses, with an event of each."""

from kernel.domain.aggregate import Change
from kernel.domain.clock import Clock
from kernel.domain.errors import Busy, Conflict
from kernel.domain.principal import system_request
from kernel.storage.unit_of_work import UnitOfWork
from scaling.model.actions import Refused, ScalingAction
from scaling.repository.actions import ActionRepository


class Recorder:
    """Saves actions of the operator's tenant."""

    def __init__(self, actions: ActionRepository, tenant: str, now: Clock) -> None:
        self._actions, self._tenant, self._now = actions, tenant, now

    def save(self, before: ScalingAction | None, change: Change[ScalingAction]) -> ScalingAction:
        """Save an action."""
        return self._actions.save(UnitOfWork(system_request(self._tenant)), before, change)

    def once(self, change: Change[ScalingAction]) -> None:
        """Save an action whose id is of its day, unless it is recorded already."""
        try:
            self.save(None, change)
        except Busy:
            raise
        except Conflict:
            return

    def refuse(self, refused: Refused) -> None:
        """Record that nothing is changed, once a day for the same reason."""
        self.once(ScalingAction.refuse(self._tenant, refused, self._now()))
