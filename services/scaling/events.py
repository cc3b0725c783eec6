"""The events of this context and the state they carry; the source of the event schemas."""

from enum import StrEnum
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from kernel.domain.events import DomainEvent, Snapshot, StreamDivergence, StreamGap

Sentence = Annotated[str, StringConstraints(min_length=1, max_length=500)]
Advice = Annotated[str, StringConstraints(min_length=1, max_length=200)]
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
    parameter: Advice | None = Field(
        None,
        description="What to deploy so that `after` stays: a parameter with its value, or the "
        "figure of strategy.yaml; absent when nothing is changed, or nothing is to be deployed.",
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


TenantId = Annotated[str, StringConstraints(min_length=1, max_length=120)]
"""A tenant as the registry of tenants names it."""


class Tier(StrEnum):
    """The usage tiers of a tenant, from the smallest to the largest."""

    STARTUP = "startup"
    GROWING = "growing"
    ENTERPRISE = "enterprise"


class TierValues(BaseModel):
    """The values on which a tenant's tier depends."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    users: int = Field(ge=0, description="Active people of the directory.")
    customers: int = Field(ge=0, description="Accounts that are not archived.")
    opportunities: int = Field(ge=0, description="Opportunities that are not archived.")
    data_mb: int = Field(
        ge=0, description="Events and files of reports, in MB of 1,000,000 bytes, rounded down."
    )


class MetricTiers(BaseModel):
    """The tier that each value reaches; a value leaves a tier only clearly below its beginning."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    users: Tier
    customers: Tier
    opportunities: Tier
    data_mb: Tier


class TenantUsageState(Snapshot):
    """The usage tier of a tenant. The record is of the tenant that operates the system."""

    id: TenantId = Field(description="The tenant that is metered.")
    tier: Tier = Field(description="The highest one that any value reaches.")
    metric_tiers: MetricTiers
    values: TierValues = Field(description="The values when a tier of one of them changed last.")
    since: AwareDatetime = Field(description="When the tenant got this tier.")


class TenantUsageEvent(DomainEvent):
    """Base of the events about a tenant's usage."""

    current: TenantUsageState


class TenantTierChanged(TenantUsageEvent, context="scaling"):
    """A tenant has another usage tier, or its first one."""

    previous_tier: Tier | None = Field(None, description="Absent when it is the first one.")


class TenantUsageUpdated(TenantUsageEvent, context="scaling"):
    """An operator restored the record to an earlier state; `previous` has the other values."""

    changed: list[str] = Field(examples=[["tier"]])
    previous: dict[str, object] = Field(examples=[{"tier": "startup"}])


class MoveRefusal(StrEnum):
    """Why writes do not move to another region."""

    WRITES_ALREADY = "writes_already"
    """The region is the one that writes."""
    PAST_EPOCH = "past_epoch"
    """The fence epoch that the operator named is one from before a later move."""
    UNKNOWN_EPOCH = "unknown_epoch"
    """The fence record has not reached the epoch that the operator named."""
    STEPS_LEFT = "steps_left"
    """The move before has steps left."""
    LOST_REGION = "lost_region"
    """A region was lost: the move must not wait for it, or must wait until it has been rejoined."""


class RegionMoveState(Snapshot):
    """A move of writes between two regions that an operator asked for, and that was refused."""

    operator: Word = Field(description="Who asked: the user of the command line, by its machine.")
    target: Word = Field(description="The region that was to write.")
    writer: Word = Field(description="The region that writes.")
    epoch: int | None = Field(
        None, ge=0, description="The fence epoch that the operator named, if one was named."
    )
    current_epoch: int = Field(ge=0, description="The epoch of the fence record, then.")
    reason: MoveRefusal
    because: Sentence = Field(description="One sentence for people.")


class RegionMoveRefused(DomainEvent, context="scaling"):
    """Writes were to move to another region, and did not; nothing was changed."""

    current: RegionMoveState


class StreamGapDetected(StreamGap, context="scaling"):
    """A projection of this context waits for an event that has not arrived."""


class StreamDiverged(StreamDivergence, context="scaling"):
    """A projection of this context has applied events that a restored table no longer has."""
