"""Tasks, the jobs that carry them out, and how a worker and a running job communicate."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from kernel.tasks.progress import Interrupted, Progress

_TOKEN = "task_token"  # noqa: S105 - the name of a field, not a secret
_MAX_NAME = 128


@dataclass(frozen=True, slots=True)
class Task:
    """One message of the task queue."""

    job: str
    """The name of the job that carries it out."""
    body: dict[str, Any]
    token: str
    """The Step Functions task token, with which anyone can end the task."""
    receipt: str
    receives: int
    """How often the queue has delivered it, including this time."""

    def loggable(self) -> dict[str, Any]:
        """The body without the token, which must not get into logs."""
        return {name: value for name, value in self.body.items() if name != _TOKEN}

    def named(self) -> dict[str, str]:
        """The log fields of the task."""
        return names_of_task(self.body)


def names_of_task(body: Mapping[str, Any]) -> dict[str, str]:
    """The log fields of a task's message or of a step's event."""
    return {
        name: str(body.get(of_body) or "")[:_MAX_NAME]
        for name, of_body in (
            ("correlation_id", "correlation_id"),
            ("tenant", "tenant_id"),
            ("run_id", "run_id"),
        )
    }


class Interruption(StrEnum):
    """Why a job is asked to stop."""

    CANCELLED = "cancelled"
    """The run was cancelled, or has ended otherwise."""
    STOPPING = "stopping"
    """The worker stops; another one will carry out the task."""
    ABANDONED = "abandoned"
    """The state machine no longer waits for this worker."""


class JobFailed(Exception):
    """A task cannot be carried out; `error` is the error name, `cause` explains it."""

    def __init__(self, error: str, cause: str = "") -> None:
        super().__init__(f"{error}: {cause}")
        self.error, self.cause = error, cause


class JobControl:
    """The progress of a running job (kernel.tasks.progress.Progress); safe from any thread."""

    def __init__(self) -> None:
        self._interruption: Interruption | None = None
        self._latest: tuple[float, str] | None = None

    @property
    def interruption(self) -> Interruption | None:
        """Why the job must stop; None while it may continue."""
        return self._interruption

    def step(self, fraction: float, text: str) -> None:
        """Record the progress, without I/O. Raises Interrupted when the job must stop."""
        if self._interruption is not None:
            raise Interrupted(self._interruption)
        self._latest = (min(max(fraction, 0.0), 1.0), text)

    def interrupt(self, reason: Interruption) -> None:
        """Ask the job to stop; only the first reason counts."""
        self._interruption = self._interruption or reason

    def take_progress(self) -> tuple[float, str] | None:
        """The latest step since the last call, or None."""
        latest, self._latest = self._latest, None
        return latest


class Job(Protocol):
    """Carries out tasks of one kind. Only `run` can fail a task; other errors are logged.

    A task may be delivered more than once, so `run` must be safe to repeat.
    """

    def run(self, task: Task, progress: Progress) -> dict[str, Any]:
        """Carry out the task and return its outcome. Raises JobFailed or Interrupted."""

    def record_progress(self, task: Task, fraction: float, text: str) -> None:
        """Store the progress of the task."""

    def is_active(self, task: Task) -> bool:
        """Whether the task's run has neither been cancelled nor ended otherwise."""

    def requeue(self, task: Task) -> None:
        """Prepare the run for another worker, because this one stops before the task is done."""
