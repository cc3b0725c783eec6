"""The controller while its policy is wrong: it changes nothing, and says why once a day."""

from typing import Any

from kernel.domain.clock import Clock
from scaling.events import Reason
from scaling.model.actions import Refused
from scaling.repository.actions import ActionRepository
from scaling.service.recording import Recorder
from scaling.service.steps import DONE, Step


class HaltedController:
    """Every step of the state machine ends the execution.

    What an execution before has begun is finished by the first one with a right policy.
    """

    def __init__(self, actions: ActionRepository, tenant: str, because: str, now: Clock) -> None:
        self._recorder, self._because = Recorder(actions, tenant, now), because

    def begin(self, _holder: str, _message: Any) -> Step:
        """Record why, also for an alarm that is none of a rule: the schedule comes anyway."""
        return self._refuse()

    def verify(self, _holder: str) -> Step:
        """Judge nothing: the limits are not known."""
        return self._refuse()

    def decide(self, _holder: str, _rounds: int) -> Step:
        """Decide nothing."""
        return self._refuse()

    def apply(self, _holder: str) -> Step:
        """Change nothing."""
        return self._refuse()

    def end(self, _holder: str, _requests: int) -> Step:
        """Keep the lease, which ends by itself."""
        return self._refuse()

    def _refuse(self) -> Step:
        self._recorder.refuse(Refused(Reason.WRONG_POLICY, self._because))
        return DONE
