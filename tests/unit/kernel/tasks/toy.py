"""A kind of task run that no context has."""

from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from pydantic import BaseModel

from kernel.domain.aggregate import new_record
from kernel.domain.errors import RuleViolation
from kernel.domain.events import DomainEvent
from kernel.tasks.run import TaskKind, TaskRun
from kernel.tasks.state import TaskRunState

AT = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
LATER = AT + timedelta(minutes=1)


class Outcome(BaseModel):
    """The outcome of a toy run."""

    rows: int


class Started(DomainEvent):
    """A worker started."""

    current: TaskRunState


class Completed(Started):
    """It is done."""


class Failed(Started):
    """It is not done."""


class Cancelled(Started):
    """Someone cancelled it."""


class HasEnded(RuleViolation):
    """It cannot be cancelled."""


class ToyRun(TaskRun):
    """A run without parameters."""

    kind: ClassVar[TaskKind] = TaskKind("toy", Started, Completed, Failed, Cancelled, HasEnded)

    outcome: Outcome | None = None


def toy(**state: Any) -> ToyRun:
    """A run in some state; by default a new one."""
    return ToyRun(**new_record("acme", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "ann", AT), **state)
