"""The pipeline aggregate and its stages. No AWS, no clock, no I/O."""

from datetime import datetime
from typing import Any, ClassVar, Self

from kernel.domain.aggregate import Aggregate, Change, changed_fields, new_record
from kernel.domain.errors import Invalid
from kernel.domain.events import DomainEvent
from kernel.domain.principal import SYSTEM_USER
from opportunities.events.pipelines import (
    DEFAULT_PIPELINE,
    ForecastCategory,
    PipelineCreated,
    PipelineFields,
    PipelineState,
    PipelineUpdated,
    Stage,
    StageKind,
)

DEFAULT_STAGES = (
    Stage(key="lead", name="Lead", probability=10),
    Stage(key="qualified", name="Qualified", probability=25),
    Stage(
        key="proposal",
        name="Proposal",
        probability=50,
        forecast_category=ForecastCategory.BEST_CASE,
    ),
    Stage(
        key="negotiation",
        name="Negotiation",
        probability=75,
        forecast_category=ForecastCategory.COMMIT,
    ),
    Stage(
        key="won",
        name="Won",
        probability=100,
        kind=StageKind.WON,
        forecast_category=ForecastCategory.CLOSED,
    ),
    Stage(
        key="lost",
        name="Lost",
        probability=0,
        kind=StageKind.LOST,
        forecast_category=ForecastCategory.OMITTED,
    ),
)
_EPOCH = datetime.fromisoformat("2020-01-01T00:00:00+00:00")


class Pipeline(PipelineState, Aggregate):
    """A pipeline with its tenant."""

    updated_event: ClassVar[type[DomainEvent]] = PipelineUpdated

    @classmethod
    def default(cls, tenant_id: str) -> "Pipeline":
        """The pipeline that every tenant has from the start; stored on its first use."""
        return cls(
            **new_record(tenant_id, DEFAULT_PIPELINE, SYSTEM_USER, _EPOCH),
            version=1,
            sequence=1,
            name="Sales",
            stages=list(DEFAULT_STAGES),
        )

    @classmethod
    def publish_default(cls, tenant_id: str) -> Change["Pipeline"]:
        """The default pipeline and its PipelineCreated event."""
        pipeline = cls.default(tenant_id)
        return Change(pipeline, (PipelineCreated(current=pipeline),))

    @classmethod
    def create(
        cls, tenant_id: str, pipeline_id: str, fields: PipelineFields, by: str, at: datetime
    ) -> Change["Pipeline"]:
        """A new pipeline."""
        pipeline = cls(**new_record(tenant_id, pipeline_id, by, at), **dict(fields))
        return Change(pipeline, (PipelineCreated(current=pipeline),))

    def update(self, fields: PipelineFields) -> Change["Pipeline"]:
        """Rename the pipeline, and add, change, reorder or remove stages.

        Raises RecordArchived, Invalid for a stage that changes its kind.
        """
        self.ensure_active()
        kinds = {stage.key: stage.kind for stage in self.stages}
        for stage in fields.stages:
            if kinds.get(stage.key, stage.kind) is not stage.kind:
                raise Invalid.field(
                    "stages", f"{stage.key} is of kind {kinds[stage.key]} and stays so; add another"
                )
        after = self.with_fields(fields)
        changed, previous = changed_fields(self, after, PipelineFields)
        if not changed:
            return Change(self)
        return Change(after, (PipelineUpdated(current=after, changed=changed, previous=previous),))

    def without(self, after: "Pipeline") -> list[Stage]:
        """The stages that `after` no longer has."""
        kept = {stage.key for stage in after.stages}
        return [stage for stage in self.stages if stage.key not in kept]

    def as_created_later(self, at: datetime, *, lost: bool) -> Self:
        """The default pipeline, which every tenant has from the start, stays."""
        return self if self.id == DEFAULT_PIPELINE else super().as_created_later(at, lost=lost)

    def stage(self, key: str) -> Stage:
        """A stage by key. Raises Invalid, which lists the known stages."""
        for stage in self.stages:
            if stage.key == key:
                return stage
        known = ", ".join(f"{stage.key} ({stage.name})" for stage in self.stages)
        raise Invalid.field(
            "stage", f"{key[:80]!r} is no key of a stage of pipeline {self.name!r}; it has: {known}"
        )

    def first_stage(self, kind: StageKind) -> Stage:
        """The first stage of a kind."""
        return next(stage for stage in self.stages if stage.kind is kind)


def stage_attributes(stage: Stage) -> dict[str, Any]:
    """The attributes that an opportunity gets from its stage."""
    return {
        "stage": stage.key,
        "stage_name": stage.name,
        "status": stage.kind,
        "probability": stage.probability,
        "forecast_category": stage.forecast_category,
    }
