"""Protects an ECS task that is busy from being stopped when its service scales in.

An agent inside every ECS task answers at $ECS_AGENT_URI ("Task scale-in protection endpoint" in the
Amazon ECS developer guide). Elsewhere there is no agent, and nothing is protected. A worker whose
task is stopped all the same, by Spot or at the end of the protection, requeues it.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import urllib3

from kernel.tasks.worker.best_effort import best_effort

_PATH = "/task-protection/v1/state"
_TIMEOUT_SECONDS = 5.0
_MINUTES = 6 * 60 + 15
"""When a protection ends by itself: after the longest time that a task may take (an import: six
hours), plus some minutes."""


class ScaleInProtection:
    """The protection of this process's ECS task; errors are logged only."""

    def __init__(self, agent_uri: str) -> None:
        self._agent_uri = agent_uri
        self._http = urllib3.PoolManager(timeout=_TIMEOUT_SECONDS, retries=2)

    @contextmanager
    def protected(self) -> Iterator[None]:
        """Protect the ECS task until the block ends."""
        if not self._agent_uri:
            yield
            return
        best_effort("protect", lambda: self._put({"ExpiresInMinutes": _MINUTES}, enabled=True))
        try:
            yield
        finally:
            best_effort("unprotect", lambda: self._put({}, enabled=False))

    def _put(self, more: dict[str, int], *, enabled: bool) -> None:
        """Set the state. Raises HTTPError or ValueError."""
        response = self._http.request(
            "PUT", self._agent_uri + _PATH, json={"ProtectionEnabled": enabled, **more}
        )
        # When ECS refuses, the answer has `failure` or `error` in place of `protection`.
        if "protection" not in (answer := response.json()):
            raise ValueError(f"the agent answered {answer}")
