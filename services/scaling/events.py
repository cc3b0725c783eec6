"""The events of this context and the state they carry; the source of the event schemas."""

from enum import StrEnum
from typing import Annotated

from pydantic import AwareDatetime, Field, StringConstraints

from kernel.domain.events import DomainEvent, Snapshot

Sentence = Annotated[str, StringConstraints(min_length=1, max_length=500)]
Word = Annotated[str, StringConstraints(min_length=1, max_length=100)]


class Setting(StrEnum):
    """What the controller can change; each has an adapter."""

    MEMORY = "memory"
    """MB of a function."""
    CONCURRENCY = "concurrency"
    """The reserved concurrency of a function, in concurrent executions."""
    PROVISIONED = "provisioned_concurrency"
    """The most environments that provisioned concurrency of a function may have."""
    TASKS = "worker_tasks"
    """The most tasks that a service of workers may have."""
    CAPACITY = "table_capacity"
    """The most capacity units, read and write alike, that a table and its indexes may have."""
    REPLICAS = "cache_replicas"
    """Replicas of each shard of the cache."""


class ActionState(StrEnum):
    """The states of a change."""

    PROPOSED = "proposed"
    """It is for people to make; the last state when the controller only proposes."""
    APPLYING = "applying"
    APPLIED = "applied"
    """It is made, and not verified yet."""
    ROLLING_BACK = "rolling_back"
    """It is being taken back."""
    KEPT = "kept"
    ROLLED_BACK = "rolled_back"
    REFUSED = "refused"
    """Nothing was changed; the last state."""


class Reason(StrEnum):
    """Why nothing is changed although a reading is too high, or an alarm was raised."""

    NO_DATA = "no_data"
    IN_PROGRESS = "in_progress"
    COOLDOWN = "cooldown"
    NO_EFFECT = "no_effect"
    NOT_PROCESSOR_BOUND = "not_processor_bound"
    ROOM = "room"
    """Autoscaling is still below the ceiling."""
    CEILING = "ceiling"
    BUDGET = "budget"
    CONFLICT = "conflict"
    UNKNOWN_ALARM = "unknown_alarm"
    """The alarm's message has an unknown shape."""
    WRONG_POLICY = "wrong_policy"
    """The policy contradicts itself."""
    CHANGED_BY_OTHERS = "changed_by_others"
    """A person or a deployment has changed the setting meanwhile."""


class ScalingActionState(Snapshot):
    """A change of one setting that the controller proposed, made or refused."""

    status: ActionState
    since: AwareDatetime = Field(description="When it got this status.")
    because: Sentence = Field(description="One sentence for people.")
    setting: Setting | None = Field(None, description="What is changed; absent for no setting.")
    resource: Word | None = Field(None, description="The logical id of the resource.")
    rule: Word | None = Field(None, description="The rule of the policy that asked for it.")
    before: int | None = Field(None, ge=0)
    after: int | None = Field(None, ge=0)
    deployed: int | None = Field(None, ge=0, description="The value of the template, then.")
    reading: float | None = Field(None, description="What the rule read when it was decided.")
    monthly_cents: int | None = Field(
        None, description="US cents that it adds to a month at most; negative when it saves."
    )
    reason: Reason | None = Field(None, description="Why it was refused.")
    brought_nothing: bool = Field(
        False, description="It was rolled back because the reading stayed as it was."
    )


class ScalingActionEvent(DomainEvent):
    """Base of the events about an action."""

    current: ScalingActionState


class ScalingActionProposed(ScalingActionEvent, context="scaling"):
    """The controller proposes a change, which people may make."""


class ScalingActionApplied(ScalingActionEvent, context="scaling"):
    """The controller has changed a setting, and will verify what it brings."""


class ScalingActionKept(ScalingActionEvent, context="scaling"):
    """A change was verified, and stays."""


class ScalingActionRolledBack(ScalingActionEvent, context="scaling"):
    """A change was verified, and taken back."""


class ScalingActionRefused(ScalingActionEvent, context="scaling"):
    """Nothing was changed, although a reading is too high or an alarm was raised."""


class ScalingActionUpdated(ScalingActionEvent, context="scaling"):
    """An operator restored an action to an earlier state; `previous` has the other values."""

    changed: list[str] = Field(examples=[["status"]])
    previous: dict[str, object] = Field(examples=[{"status": "applied"}])
